//! **generate**: a model puts a decision into words, sentence by sentence through the rail. It changes nothing else.
//!
//! What it says of steps, levels or substates is text like any other. When it is away, slow, wrong or forbidden, the
//! script speaks in its place; what was let out before stays, and the script's last sentence ends it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::domain::exchange::{Exchange, Used, Written};
use crate::domain::prompt::{Ask, Budget, Example, Prompt, Prompts, Truncation};
use crate::domain::protocol::{Decision, Options};
use crate::domain::safety::{Class, Rail, Release, Secrets};
use crate::llm::breaker::State;
use crate::llm::generations::{Generation, Generations, Measured};
use crate::llm::{Chunk, End, Finish, ModelError, Request, Waiting};
use crate::retrieval::{Found, Retrieval};
use crate::telemetry::Metrics;

use super::compose::millis;
use super::live::Line;
use super::speech::Speech;

/// How often a reply is asked for, as long as nothing of it is out.
const ASKED_MAX: usize = 2;
/// What a server that failed is given before it is asked again.
const BREATH: Duration = Duration::from_millis(100);
/// The longest answer to an open choice, in tokens.
const CHOICE_TOKENS: u32 = 32;
/// The part of a model's time that an open choice may take.
const CHOICE_PART: u32 = 3;

/// All that it takes to have a model write.
pub struct Author {
    /// What `/health` calls the models' servers: `ollama` or `openai`.
    pub service: &'static str,
    pub models: Arc<Generations>,
    pub retrieval: Arc<Retrieval>,
    pub prompts: Prompts,
    pub rail: Arc<Rail>,
    /// A secret mark in every system prompt: text that holds it was not written for the client.
    pub canary: String,
    pub secrets: Arc<Secrets>,
    pub budget: Budget,
    /// The longest that a model may take for one turn.
    pub total: Duration,
    pub truncation: Mutex<Truncation>,
    pub metrics: Arc<Metrics>,
}

/// What a reply is written from.
#[derive(Clone, Copy)]
pub(super) struct Brief<'a> {
    pub decision: &'a Decision,
    /// The script's wording without anything that the client told.
    pub draft: &'a str,
    /// The latest exchanges, oldest first.
    pub recent: &'a [Exchange],
    pub text: &'a str,
    pub deadline: Instant,
}

/// What became of it. What was said is in the speech.
pub(super) struct Draft {
    pub exchanges_seen: u32,
    pub written: Written,
    /// Why the model is not the one, or not the only one, that wrote it.
    pub fell: Option<Fell>,
}

/// Why a model's reply is not, or not all, the turn's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fell {
    Model(ModelError),
    Forbidden(Class),
    /// Somebody in danger waits behind this turn, or the server stops.
    Hurried,
    /// The caller wanted it to end.
    Stopped,
}

impl Fell {
    pub fn cause(self) -> String {
        match self {
            Self::Model(error) => error.as_str().to_owned(),
            Self::Forbidden(class) => format!("rail_{}", class.as_str()),
            Self::Hurried => "hurried".to_owned(),
            Self::Stopped => "stopped".to_owned(),
        }
    }

    /// Whether a model was told anything.
    const fn was_asked(self) -> bool {
        !matches!(
            self,
            Self::Model(ModelError::QueueFull | ModelError::Resting | ModelError::Slow(Waiting::Queue))
        )
    }

    /// Whether asking once more may help.
    const fn may_be_asked_again(self) -> bool {
        match self {
            Self::Forbidden(_) => true,
            Self::Hurried | Self::Stopped => false,
            Self::Model(error) => match error {
                ModelError::Away
                | ModelError::Overloaded
                | ModelError::Failed
                | ModelError::Cut
                | ModelError::Garbled
                | ModelError::Empty => true,
                ModelError::Refused(_)
                | ModelError::Endless
                | ModelError::Slow(_)
                | ModelError::QueueFull
                | ModelError::Resting => false,
            },
        }
    }
}

impl Author {
    /// The longest that a turn that arrived at `arrived` may wait for a model, when all of it may take `turn`.
    pub(super) fn deadline(&self, arrived: Instant, turn: Duration) -> Instant {
        // What is left is for the script and the commit.
        let reserve = (turn / 4).min(Duration::from_secs(1));
        (Instant::now() + self.total).min(arrived + turn.saturating_sub(reserve))
    }

    /// Writes a reply. `None` where the decision is left to the script, or has no words.
    pub(super) async fn write(&self, brief: Brief<'_>, line: &Line, speech: &mut Speech) -> Option<Draft> {
        let found = tokio::select! {
            found = self.find(&brief) => found,
            _ = called_off(line) => None,
        };
        let prompt = self.prompt(&brief, found.as_ref())?;
        let (estimate, exchanges_seen) = (prompt.tokens, prompt.exchanges_seen);
        let mut written = Written {
            prompt: self.prompts.hash().to_owned(),
            prompt_tokens: Some(estimate),
            truncated: prompt.truncated,
            passages: found.map(|found| used(&found, prompt.examples_seen)).unwrap_or_default(),
            fallback: None,
            ms: 0.0,
        };
        let began = Instant::now();
        // What is dropped when it is called off closes its connection, which stops the model.
        let asked = tokio::select! {
            asked = self.ask(prompt, brief.deadline, speech) => asked,
            fell = called_off(line) => Err(fell),
        };
        written.ms = millis(began.elapsed());
        match asked {
            Ok(end) => {
                self.count(&mut written, estimate, end);
                Some(Draft { exchanges_seen, written, fell: None })
            }
            Err(fell) => {
                self.metrics.words().fallback(&fell.cause());
                if !fell.was_asked() {
                    written = Written { ms: written.ms, ..Written::default() };
                }
                written.fallback = Some(fell.cause());
                Some(Draft { exchanges_seen, written, fell: Some(fell) })
            }
        }
    }

    /// Has a model read an answer that no rule understood. `None`: the rule has to decide.
    pub(super) async fn choose(&self, options: &Options, brief: Choice<'_>, line: &Line) -> Option<String> {
        let messages =
            self.prompts.choice(options.choices(), brief.recent, brief.text, &self.canary, self.budget);
        let listed: Vec<String> = options.choices().map(|(name, _)| name.to_owned()).collect();
        let one_of = Some(listed.clone());
        let request = Request { messages, reply_tokens: CHOICE_TOKENS, one_of };
        let deadline = brief.deadline.min(Instant::now() + self.total / CHOICE_PART);
        let choice = tokio::select! {
            choice = self.choice(request, deadline) => choice,
            fell = called_off(line) => Err(fell),
        };
        match choice {
            Ok(name) if listed.contains(&name) => Some(name),
            unlisted => {
                let fell = unlisted.err().unwrap_or(Fell::Model(ModelError::Garbled));
                self.metrics.words().fallback(&fell.cause());
                None
            }
        }
    }

    /// Brings the figures that stand for now up to date.
    pub fn measure(&self) {
        let (words, standing, counts) =
            (self.metrics.words(), self.models.standing(), self.retrieval.counts());
        words.load(standing.running, standing.queued);
        for (number, server) in (1..).zip(&standing.servers) {
            words.server(number, server.state == State::Closed);
        }
        words.retrieval_failures(counts.shared_failures, counts.embed_failures);
    }

    async fn choice(&self, request: Request, deadline: Instant) -> Result<String, Fell> {
        let mut generation = self.models.begin(request, deadline).await.map_err(Fell::Model)?;
        let mut answer = String::new();
        while let Some(chunk) = generation.next().await {
            match chunk.map_err(Fell::Model)? {
                Chunk::Delta(delta) => answer.push_str(&delta),
                Chunk::End(_) => break,
            }
        }
        chosen(&answer).ok_or(Fell::Model(ModelError::Garbled))
    }

    async fn find(&self, brief: &Brief<'_>) -> Option<Found> {
        let label = brief.decision.label.as_deref()?;
        let found = self.retrieval.passages(label, brief.text).await;
        self.metrics.words().retrieval(found.from.as_str(), found.took.as_secs_f64());
        Some(found)
    }

    fn prompt(&self, brief: &Brief<'_>, found: Option<&Found>) -> Option<Prompt> {
        let examples: Vec<Example<'_>> = found
            .into_iter()
            .flat_map(|found| &found.passages)
            .map(|scored| Example { client: &scored.passage.client, therapist: &scored.passage.therapist })
            .collect();
        let ask = Ask {
            decision: &brief.decision.decision,
            draft: brief.draft,
            examples: &examples,
            recent: brief.recent,
            text: brief.text,
            canary: &self.canary,
        };
        self.prompts.reply(&ask, self.budget)
    }

    /// Asks for a reply, and once more where nothing of the first is out.
    async fn ask(&self, prompt: Prompt, deadline: Instant, speech: &mut Speech) -> Result<End, Fell> {
        let request =
            Request { messages: prompt.messages, reply_tokens: self.budget.reply_tokens, one_of: None };
        let mut asked = 1;
        loop {
            let fell = match self.ask_once(request.clone(), deadline, speech).await {
                Ok(end) => return Ok(end),
                Err(fell) => fell,
            };
            if let Fell::Forbidden(class) = fell {
                self.metrics.words().forbidden(class.as_str());
            }
            if asked == ASKED_MAX || !speech.is_silent() || !fell.may_be_asked_again() {
                return Err(fell);
            }
            asked += 1;
            if matches!(fell, Fell::Model(_)) {
                tokio::time::sleep(BREATH).await;
            }
        }
    }

    async fn ask_once(&self, request: Request, deadline: Instant, speech: &mut Speech) -> Result<End, Fell> {
        let mut generation = self.models.begin(request, deadline).await.map_err(Fell::Model)?;
        let end = self.let_out(&mut generation, speech).await?;
        if speech.is_silent() { Err(Fell::Model(ModelError::Empty)) } else { Ok(end) }
    }

    /// Lets sentence after sentence out that the rail has passed.
    async fn let_out(&self, generation: &mut Generation, speech: &mut Speech) -> Result<End, Fell> {
        let mut reading = self.rail.read(&self.secrets);
        loop {
            // A stream without an end is told as an error; none at all would be the pool's fault.
            match generation.next().await.unwrap_or(Err(ModelError::Cut)).map_err(Fell::Model)? {
                Chunk::Delta(text) => {
                    self.measure_first(generation.measured());
                    let_go(&reading.push(&text), speech)?;
                }
                Chunk::End(end) => {
                    self.metrics.words().tokens(end.prompt_tokens, end.reply_tokens);
                    return match end.finish {
                        Finish::Stop => let_go(&reading.finish(), speech).map(|()| end),
                        // What stops in the middle of a sentence is not let out. With its question asked, it is whole.
                        Finish::Length if speech.text().ends_with('?') => Ok(end),
                        Finish::Length => Err(Fell::Model(ModelError::Endless)),
                    };
                }
            }
        }
    }

    fn measure_first(&self, measured: Measured) {
        if let (1, Some(first)) = (measured.deltas, measured.first_chunk) {
            self.metrics.words().first_token((measured.queued + first).as_secs_f64());
        }
    }

    fn count(&self, written: &mut Written, estimate: u32, end: End) {
        if let Some(counted) = end.prompt_tokens {
            written.prompt_tokens = Some(counted);
            if self.truncation.lock().is_cut(estimate, counted) {
                written.truncated = true;
                self.metrics.words().prompt_cut();
                tracing::warn!(
                    estimate,
                    counted,
                    "the model's server read less of a prompt than it was sent"
                );
            }
        }
    }
}

/// Ends when the turn has to do without a model from now on.
async fn called_off(line: &Line) -> Fell {
    tokio::select! {
        () = line.hurry.cancelled() => Fell::Hurried,
        () = line.stop.cancelled() => Fell::Stopped,
    }
}

fn let_go(release: &Release, speech: &mut Speech) -> Result<(), Fell> {
    speech.say(&release.text);
    release.stopped.map_or(Ok(()), |class| Err(Fell::Forbidden(class)))
}

/// What an open choice is read from.
#[derive(Clone, Copy)]
pub(super) struct Choice<'a> {
    pub recent: &'a [Exchange],
    pub text: &'a str,
    pub deadline: Instant,
}

/// The name in `{"choice": "name"}`.
fn chosen(answer: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Answer {
        choice: String,
    }
    serde_json::from_str::<Answer>(answer.trim()).ok().map(|answer| answer.choice)
}

fn used(found: &Found, seen: usize) -> Vec<Used> {
    let used =
        |scored: &crate::retrieval::Scored| Used { id: scored.passage.id.clone(), score: scored.score };
    found.passages.iter().take(seen).map(used).collect()
}
