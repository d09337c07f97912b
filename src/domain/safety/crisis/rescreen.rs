//! The re-screen: after the Columbia scale a few direct questions, asked one at a time. Only clear answers of "no" to
//! all of them, on a memory that nothing has changed meanwhile, complete it; it lowers nothing itself.
//!
//! At elevated it is two questions within the protocol; at high and crisis, where there is no clinician, four within the
//! dialogue. It is never asked in the same breath as a sign, nor while somebody is in a hard moment.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::place::CrisisPlace;
use super::topic::Topic;
use crate::domain::safety::answer::Answer;
use crate::domain::safety::level::{Basis, Level, Negative, SafetyMemory};
use crate::domain::safety::mode::Mode;
use crate::domain::safety::texts::CrisisTexts;
use crate::domain::time::Timestamp;

/// How many texts in a row have to show no sign before it is asked: at elevated, and where the level pauses.
pub const CALM_TEXTS: u32 = 6;
pub const CALM_TEXTS_PAUSED: u32 = 10;
/// How long a level that pauses has to have stood.
pub const SETTLED_AFTER: Duration = Duration::from_hours(1);
/// How far two re-screens have to lie apart where the level pauses.
pub const APART: Duration = Duration::from_hours(24);

/// One that is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rescreen {
    pub basis: Basis,
    /// The one that stood noted when it began.
    #[serde(default)]
    pub after: Option<u64>,
    /// Questions that were answered with a clear no.
    pub answered: u8,
    /// With this one the level falls, as far as is known.
    pub is_last: bool,
    /// The last reply gave support instead of the next question.
    #[serde(default)]
    pub is_resting: bool,
}

/// What is known when a text comes, beside the text and the place.
#[derive(Debug, Clone, Copy)]
pub struct Moment<'a> {
    /// The level that counted before it.
    pub counted: Level,
    /// What it was found to answer, where it has to be decided anew: the question may be forgotten by then, and its
    /// answer must not be.
    pub answered: Level,
    pub memory: &'a SafetyMemory,
    pub mode: Mode,
    pub now: Timestamp,
    /// The protocol goes on in this session.
    pub is_going_on: bool,
    /// The text shows strong feeling, or tears.
    pub is_hard: bool,
    /// Names a re-screen that this text completes.
    pub nonce: u64,
}

impl Rescreen {
    const SHORT: [Topic; 2] = [Topic::RescreenWish, Topic::RescreenThoughts];
    const LONG: [Topic; 4] =
        [Topic::RescreenWish, Topic::RescreenThoughts, Topic::RescreenPlan, Topic::RescreenIntent];

    /// What it asks next; `None` when it is complete.
    pub(super) fn next_topic(&self) -> Option<Topic> {
        let topics: &[Topic] = if self.basis.level.pauses() { &Self::LONG } else { &Self::SHORT };
        topics.get(usize::from(self.answered)).copied()
    }
}

/// How far two re-screens at a level have to lie apart; one is enough at elevated.
#[must_use]
pub fn apart(level: Level) -> Option<Duration> {
    level.pauses().then_some(APART)
}

impl CrisisTexts {
    /// Takes a text in: what it does to a re-screen that goes on, and whether one begins with the reply to it.
    pub(in crate::domain::safety) fn rescreen(
        &self,
        place: &mut CrisisPlace,
        text: &str,
        is_sign: bool,
        moment: &Moment<'_>,
    ) {
        place.calm = if is_sign { 0 } else { place.calm.saturating_add(1) };
        // What the store has taken in, or would refuse, need not be told to it again.
        place.negative = place.negative.filter(|negative| {
            !is_sign && negative.is_open(moment.memory) && moment.mode.ends_by_rescreens(negative.basis.level)
        });
        match place.rescreen {
            Some(rescreen) => place.rescreen = self.heard(rescreen, place, text, is_sign, moment),
            None if self.is_due(place, text, moment) => {
                place.rescreen = Some(Rescreen {
                    after: moment.memory.noted.map(|noted| noted.id),
                    basis: moment.memory.basis(),
                    answered: 0,
                    is_last: is_last(moment),
                    is_resting: false,
                });
            }
            None => {}
        }
    }

    /// The re-screen after an answer; `None` where it is void.
    fn heard(
        &self,
        mut rescreen: Rescreen,
        place: &mut CrisisPlace,
        text: &str,
        is_sign: bool,
        moment: &Moment<'_>,
    ) -> Option<Rescreen> {
        let level = rescreen.basis.level;
        // Who stands behind Attune may be others by now than when it began.
        let goes_on = moment.mode.ends_by_rescreens(level) && (level.pauses() || moment.is_going_on);
        let stands = goes_on && !is_sign && !moment.is_hard && moment.memory.basis() == rescreen.basis;
        if stands && rescreen.is_resting {
            rescreen.is_resting = false;
            return Some(rescreen);
        }
        let was_asked = rescreen.next_topic().is_some() && Topic::awaited(place) == rescreen.next_topic();
        if !was_asked || !stands || !self.answers.is_clear_no(text) {
            place.calm = 0;
            return None;
        }
        rescreen.answered += 1;
        Some(rescreen)
    }

    fn is_due(&self, place: &CrisisPlace, text: &str, moment: &Moment<'_>) -> bool {
        let memory = moment.memory;
        let is_calm = !moment.is_hard && place.negative.is_none() && is_at_ease(self.answers.read(text));
        if !is_calm || memory.level != moment.counted || memory.level == Level::None {
            return false;
        }
        if !memory.level.pauses() {
            return moment.is_going_on && place.calm >= CALM_TEXTS;
        }
        let is_settled = memory.since.is_some_and(|since| moment.now.since(since) >= SETTLED_AFTER);
        let is_apart = memory.noted.is_none_or(|noted| moment.now.since(noted.at) >= APART);
        let is_through = place.replies > 0 && place.next_topic().is_none();
        moment.mode.ends_by_rescreens(memory.level)
            && is_settled
            && is_apart
            && is_through
            && place.calm >= CALM_TEXTS_PAUSED
    }
}

impl CrisisPlace {
    /// Ends a re-screen that is complete: what is left is to tell the store.
    pub(in crate::domain::safety) fn complete_rescreen(&mut self, id: u64) -> Option<Rescreen> {
        let complete = self.rescreen.filter(|rescreen| rescreen.next_topic().is_none())?;
        self.negative = Some(Negative { id, basis: complete.basis, after: complete.after });
        self.rescreen = None;
        self.awaiting = None;
        self.calm = 0;
        Some(complete)
    }
}

fn is_last(moment: &Moment<'_>) -> bool {
    !moment.memory.level.pauses() || moment.memory.noted.is_some()
}

/// Whoever is angry, silent, or on the way out is not asked.
const fn is_at_ease(answer: Answer) -> bool {
    match answer {
        Answer::Called
        | Answer::Safe
        | Answer::Retraction
        | Answer::No
        | Answer::Yes
        | Answer::Thanks
        | Answer::Other => true,
        Answer::AsksIfHuman
        | Answer::HelpComing
        | Answer::Anger
        | Answer::Refusal
        | Answer::Leaving
        | Answer::Unsure
        | Answer::Silence => false,
    }
}
