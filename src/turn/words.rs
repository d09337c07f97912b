//! **generate**: the words for what was decided, the script's or a model's, and how they go together with what is out
//! already when a turn has to be decided anew.

use tokio::time::Instant;

use super::author::{Author, Brief, Choice, Draft, Fell};
use super::begin::Working;
use super::decide::{Plan, Says, Words};
use super::input::Admitted;
use super::live::Line;
use super::speech::{Done, Speech};
use super::{Refused, Turns};
use crate::domain::disclosure;
use crate::domain::exchange::{Responder, Written};
use crate::domain::protocol::{Decision, Options};
use crate::llm::scripted::Script;

/// What the words are found with.
pub(super) struct Finding<'a> {
    pub turns: &'a Turns,
    pub admitted: &'a Admitted,
    pub line: &'a Line,
    /// For all that models do for this turn.
    pub deadline: Instant,
}

impl Finding<'_> {
    /// Finds the words and takes the plan to where they lead.
    ///
    /// # Errors
    /// [`Refused::Stopped`] when nothing is out yet, [`Refused::Busy`] when the lease was lost meanwhile.
    pub async fn words(
        &self,
        working: &Working,
        plan: &mut Plan,
        says: Says,
        speech: &mut Speech,
    ) -> Result<Words, Refused> {
        let author = self.turns.author.as_deref();
        let decision = match (says, author) {
            (Says::Words(words), _) => {
                speech.lead(plan.reminder);
                return Ok(behind(speech, words));
            }
            (Says::Decision(decision), _) => decision,
            (Says::Open(options), None) => options.by_rule(),
            (Says::Open(options), Some(author)) => self.read(author, working, options, speech).await?,
        };
        // Who asks is answered, and needs no reminder.
        speech.lead(plan.reminder.filter(|_| decision.decision != disclosure::ASKED));
        let script = plan.take(self.turns, &decision);
        match (author, speech.done.clone()) {
            (_, Some(done)) => Ok(again(speech, decision, &script, done, working.seen())),
            (None, None) => {
                Ok(Words::scripted(decision, speech.followed_by(&script.whole()), working.seen()))
            }
            (Some(_), None) if self.line.hurry.is_cancelled() => {
                let written = Written { fallback: Some(Fell::Hurried.cause()), ..Written::default() };
                let words = speech.followed_by(&script.whole());
                Ok(by_model(speech, Words::scripted(decision, words, working.seen()), written))
            }
            (Some(author), None) => self.written(author, working, decision, &script, speech).await,
        }
    }

    /// Settles an open answer, once for all attempts at this turn.
    async fn read(
        &self,
        author: &Author,
        working: &Working,
        options: Options,
        speech: &mut Speech,
    ) -> Result<Decision, Refused> {
        if speech.choice.is_none() && speech.done.is_none() && !self.line.hurry.is_cancelled() {
            let choice =
                Choice { recent: working.recent(), text: &self.admitted.text, deadline: self.deadline };
            speech.choice = kept(self.turns, working, author.choose(&options, choice, self.line)).await?;
        }
        let Some(choice) = &speech.choice else { return Ok(options.by_rule()) };
        let mut decision = options.settle(choice);
        decision.reasoning.push_str("; a model read the answer");
        Ok(decision)
    }

    async fn written(
        &self,
        author: &Author,
        working: &Working,
        decision: Decision,
        script: &Script,
        speech: &mut Speech,
    ) -> Result<Words, Refused> {
        let knowledge = &self.turns.knowledge;
        let protocol = knowledge.version_of(&decision.place);
        let draft = knowledge.scripted.draft(&protocol, &decision, self.turns.entropy.u64()).whole();
        let brief = Brief {
            decision: &decision,
            draft: &draft,
            recent: working.recent(),
            text: &self.admitted.text,
            deadline: self.deadline,
        };
        let written = kept(self.turns, working, author.write(brief, self.line, speech)).await?;
        let Some(Draft { exchanges_seen, written, fell }) = written else {
            return Ok(Words::scripted(decision, speech.followed_by(&script.whole()), working.seen()));
        };
        if fell == Some(Fell::Stopped) && speech.is_silent() {
            return Err(Refused::Stopped);
        }
        let text = match fell {
            None | Some(Fell::Stopped) => speech.text().to_owned(),
            Some(Fell::Model(_) | Fell::Forbidden(_) | Fell::Hurried) if speech.is_silent() => {
                speech.followed_by(&script.whole())
            }
            Some(Fell::Model(_) | Fell::Forbidden(_) | Fell::Hurried) => speech.followed_by(script.last()),
        };
        speech.done = Some(Done {
            decision: (decision.decision.clone(), decision.texts.clone()),
            text: text.clone(),
            written: written.clone(),
            stopped: fell == Some(Fell::Stopped),
        });
        Ok(by_model(speech, Words::scripted(decision, text, exchanges_seen), written))
    }
}

/// Something that takes its time, during which the lease is kept.
async fn kept<T>(turns: &Turns, working: &Working, work: impl Future<Output = T>) -> Result<T, Refused> {
    tokio::select! {
        done = work => Ok(done),
        () = working.hold.until_lost(working.begun.lease_ttl) => {
            Err(Refused::Busy { retry_after: turns.settings.lease_wait })
        }
    }
}

/// The words for a turn that is decided anew after its words were written: the same, where the decision is.
fn again(speech: &Speech, decision: Decision, script: &Script, done: Done, seen: u32) -> Words {
    let is_same = done.decision.0 == decision.decision && done.decision.1 == decision.texts;
    let (text, fallback) = if is_same {
        (done.text, done.written.fallback)
    } else {
        (speech.followed_by(&script.whole()), Some("changed".to_owned()))
    };
    by_model(speech, Words::scripted(decision, text, seen), Written { fallback, ..done.written })
}

/// Words that stand by themselves, behind what is out. Where a model's words come first, what is known of them is kept.
fn behind(speech: &Speech, words: Words) -> Words {
    let done = speech.done.as_ref().filter(|_| !speech.is_silent());
    let written = done.map(|done| Written { fallback: Some("changed".to_owned()), ..done.written.clone() });
    Words { text: speech.followed_by(&words.text), written, ..words }
}

/// Whoever wrote a part of it that is out is named.
fn by_model(speech: &Speech, words: Words, written: Written) -> Words {
    let responder = if speech.is_silent() { Responder::Scripted } else { Responder::Model };
    Words { responder, written: Some(written), ..words }
}
