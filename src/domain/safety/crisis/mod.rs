//! The crisis dialogue: what Attune says to somebody in danger. It asks one thing at a time, asks nothing twice, gives
//! support between its questions, and when it has asked everything it stays. It never ends a conversation and needs
//! nothing but its own data.

mod place;
mod rescreen;
mod speech;
mod topic;

use super::answer::Answer;
use super::level::Level;
use super::resources::{Resource, Resources};
use super::screen::Screening;
use super::texts::CrisisTexts;

pub use place::CrisisPlace;
pub use rescreen::{APART, CALM_TEXTS, CALM_TEXTS_PAUSED, Moment, Rescreen, SETTLED_AFTER, apart};
use speech::{Finished, Speech};
pub(super) use topic::Topic;

/// How often the words are chosen anew where a whole reply was given before.
const TRIES_MAX: u16 = 120;

/// What the dialogue answers to.
#[derive(Clone, Copy)]
pub struct Said<'a> {
    pub text: &'a str,
    pub screening: &'a Screening,
    /// The level that counts, after this text.
    pub level: Level,
    /// The person's country by its two-letter code, where it is known.
    pub country: Option<&'a str>,
    /// Somebody of the team is on duty now, and sees who is in danger.
    pub is_on_duty: bool,
    /// It is time to say again that this is an AI.
    pub is_ai_due: bool,
}

/// What the dialogue says, and what follows from the answer it read.
#[derive(Clone, PartialEq, Eq)]
pub struct CrisisReply {
    pub text: String,
    pub place: CrisisPlace,
    pub decision: &'static str,
    pub resources: Vec<Resource>,
    /// The level that counts after the answer was read: never below the one given; a yes to plan, intent, means or
    /// time makes it crisis. The caller raises where it is higher.
    pub level: Level,
    /// Whether its words say that this is an AI.
    pub tells_ai: bool,
}

impl CrisisTexts {
    /// Answers what was said. The place is the session's, or the default where no store can be asked.
    #[must_use]
    pub fn reply(
        &self,
        place: &CrisisPlace,
        said: &Said<'_>,
        resources: &Resources,
        seed: u64,
    ) -> CrisisReply {
        let level = self.level_after(said.level, place, said.text);
        let Finished { text, place: mut next, tells_ai } =
            self.fresh_words(place, &Said { level, ..*said }, resources, seed);
        next.tell(&text);
        next.resources_shown = true;
        let shows = level.pauses() || !place.resources_shown;
        CrisisReply {
            text,
            place: next,
            decision: if level.pauses() { "crisis_support" } else { "safety_question" },
            resources: if shows { resources.for_country(said.country).to_vec() } else { Vec::new() },
            level,
            tells_ai,
        }
    }

    /// Words that were not given as a whole reply before.
    fn fresh_words(
        &self,
        place: &CrisisPlace,
        said: &Said<'_>,
        resources: &Resources,
        seed: u64,
    ) -> Finished {
        let mut spoken = Speech::of(self, place, said, resources, (seed, 0)).words();
        for attempt in 1..TRIES_MAX {
            if !place.has_told(&spoken.text) {
                break;
            }
            spoken = Speech::of(self, place, said, resources, (seed, attempt)).words();
        }
        spoken
    }

    /// The level that an answer alone leads to, for a text that by itself shows nothing: "yes" after "are you having
    /// thoughts of ending your life?".
    #[must_use]
    pub fn level_of_answer(&self, place: &CrisisPlace, text: &str) -> Level {
        self.level_after(Level::None, place, text)
    }

    /// Whether a text is a short answer to the question that waits, and nothing besides.
    pub(super) fn only_answers(&self, place: &CrisisPlace, text: &str) -> bool {
        Topic::awaited(place).is_some()
            && self.answers.read_short(text).is_some_and(|answer| match answer {
                Answer::Retraction
                | Answer::Refusal
                | Answer::Safe
                | Answer::Unsure
                | Answer::No
                | Answer::Yes
                | Answer::Thanks => true,
                Answer::AsksIfHuman
                | Answer::HelpComing
                | Answer::Called
                | Answer::Anger
                | Answer::Leaving
                | Answer::Silence
                | Answer::Other => false,
            })
    }

    /// Whether a text says that somebody else is in danger now, or that it cannot be ruled out.
    pub(super) fn tells_of_their_danger(&self, place: &CrisisPlace, text: &str) -> bool {
        Topic::awaited(place) == Some(Topic::TheirDanger)
            && matches!(self.answers.read(text), Answer::Yes | Answer::Unsure)
    }

    fn level_after(&self, level: Level, place: &CrisisPlace, text: &str) -> Level {
        let Some(topic) = Topic::awaited(place) else { return level };
        let answer = self.answers.read(text);
        // A yes counts whatever stands beside it, but for "yes, I'm safe now".
        if answer == Answer::Yes || answer != Answer::Safe && self.answers.begins_with_yes(text) {
            return level.max(topic.level_of_yes());
        }
        // "Maybe" to whether somebody thinks of suicide is no "no".
        if self.answers.read_short(text) == Some(Answer::Unsure) {
            return level.max(topic.level_of_yes().min(Level::High));
        }
        level
    }
}
