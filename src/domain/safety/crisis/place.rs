//! Where the crisis dialogue stands in a session. Bounded: names of the dialogue's own, counts and marks; never a word
//! that somebody wrote.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::rescreen::Rescreen;
use super::topic::Topic;
use crate::domain::safety::level::Negative;

/// After so many refusals nothing more is asked about the danger itself.
const REFUSALS_MAX: u8 = 2;
/// So many replies in a row may hold a question; the one after them supports.
const QUESTIONS_RUNNING_MAX: u8 = 2;
/// Of so many replies it is known that they were said: longer than a dialogue is read in one go.
const TOLD_MAX: usize = 48;

/// What the dialogue remembers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of the dialogue, each stored by its name"
)]
pub struct CrisisPlace {
    /// How many replies the dialogue gave.
    pub replies: u32,
    /// How many safety questions stood in other replies.
    pub safety_questions: u32,
    /// The topics asked about, or answered unasked, by name.
    pub asked: BTreeSet<String>,
    /// The topic of the last question, while its answer is awaited.
    pub awaiting: Option<String>,
    pub refusals: u8,
    /// How many replies in a row held a question.
    pub questions_running: u8,
    /// The imminent script has begun.
    pub imminent: bool,
    /// Something has already been done or taken.
    pub hurt: bool,
    /// The person said that help was called or comes; the number is not pressed on them any more.
    pub help_coming: bool,
    /// Distance from what could hurt was spoken of, after something had been done.
    pub distance_told: bool,
    /// It was said that somebody of the team is on duty.
    pub duty_told: bool,
    /// It was said, in the last reply, that the language of the text is not read.
    pub language_told: bool,
    pub resources_shown: bool,
    /// The barriers for which a word was found.
    pub barriers: BTreeSet<String>,
    /// The parts of the safety plan that the person has named.
    pub plan: BTreeSet<String>,
    /// The plan was read back.
    pub plan_read: bool,
    /// How many texts in a row have shown no sign.
    pub calm: u32,
    /// The re-screen that is going on.
    pub rescreen: Option<Rescreen>,
    /// A re-screen that is complete; the store has to be told of it, if it was not.
    pub negative: Option<Negative>,
    /// Which variant of each text was said last.
    pub said: BTreeMap<String, u16>,
    /// Marks of the latest replies, so that none is given twice.
    pub told: Vec<u32>,
}

impl CrisisPlace {
    pub(super) fn has_asked(&self, topic: Topic) -> bool {
        self.asked.contains(topic.texts())
    }

    /// A topic that need not be asked about: it was, or the person spoke of it by themselves.
    pub(super) fn settle(&mut self, topic: Topic) {
        self.asked.insert(topic.texts().to_owned());
    }

    /// Whether it is time for a reply that asks nothing.
    pub(super) fn is_tired_of_questions(&self) -> bool {
        self.questions_running >= QUESTIONS_RUNNING_MAX
    }

    /// What is to be asked about next; `None` when everything is.
    pub(super) fn next_topic(&self) -> Option<Topic> {
        if self.help_coming && self.imminent {
            return None;
        }
        let imminent: &[Topic] = match (self.imminent, self.hurt) {
            (true, true) => &[Topic::Company],
            (true, false) => &Topic::IMMINENT,
            (false, _) => &[],
        };
        // Whoever is in danger now is not questioned about it any further, nor is one who keeps refusing.
        let spared = self.imminent || self.refusals >= REFUSALS_MAX;
        let danger: &[Topic] = if spared { &[] } else { &Topic::DANGER };
        // Whoever has taken something needs help to come, not what eases an evening.
        let support: &[Topic] = if self.hurt { &Topic::HURT } else { &Topic::SUPPORT };
        let mut topics = imminent.iter().chain(danger).chain(support);
        topics.find(|topic| !self.has_asked(**topic)).copied()
    }

    /// Whether a reply was given in this dialogue not long ago.
    pub(super) fn has_told(&self, reply: &str) -> bool {
        self.told.contains(&mark(reply))
    }

    pub(super) fn tell(&mut self, reply: &str) {
        let surplus = (self.told.len() + 1).saturating_sub(TOLD_MAX);
        self.told.drain(..surplus);
        self.told.push(mark(reply));
    }
}

/// FNV-1a over Attune's own words. Two replies that share a mark cost a variant, nothing else.
fn mark(reply: &str) -> u32 {
    reply.bytes().fold(0x811c_9dc5, |mark, byte| (mark ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
