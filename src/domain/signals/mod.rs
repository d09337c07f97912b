//! What a text shows: emotion, body, goal, consent, and the like. Whole words, with negation, never substrings.
//!
//! The words are data (`prompts/signals/`), compiled once. Reading is linear in the text. Never judges danger: that is
//! `safety`, which reads the text as it came.

mod lexicon;
mod read;
mod reflect;
mod source;
mod spread;
mod tokens;

use std::collections::BTreeMap;

use serde::Serialize;

pub use lexicon::{Lexicon, OTHER_LANGUAGE};

/// The English words.
pub const ENGLISH: &str = include_str!("../../../prompts/signals/en.toml");

/// Something noticed, and the rule that noticed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub signal: String,
    pub rule: String,
}

/// What was noticed in one text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signals {
    pub(super) found: Vec<Found>,
    pub(super) facts: BTreeMap<String, String>,
    /// The text with its spaces, quotes and invisible characters put in order.
    pub cleaned_input: String,
    /// The same with words corrected that are none.
    pub corrected_input: String,
    /// What was corrected, each from and to.
    pub spelling_corrections: Vec<(String, String)>,
    pub emotional_state: EmotionalState,
    pub input_category: String,
    pub thinking: Detection,
    pub past: Detection,
    pub dont_know: Detection,
}

/// Emotions by group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
pub struct EmotionalState {
    /// Groups in the order in which they were named.
    pub categories: Vec<String>,
    /// 0 none, 1 mild, 2 plain, 3 strong.
    pub intensity: u8,
    /// The strongest group, `neutral` when there is none.
    pub primary_emotion: String,
}

/// Something that the wire shows with the words that showed it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Detection {
    pub detected: bool,
    pub phrases_found: Vec<String>,
    /// `alone`, `with_answer` when more was said, `none` when not detected.
    #[serde(skip)]
    pub context: &'static str,
}

impl Signals {
    #[must_use]
    pub fn has(&self, signal: &str) -> bool {
        self.found.iter().any(|found| found.signal == signal)
    }

    /// What the client told by name, in words that fit Attune's texts: in the second person.
    #[must_use]
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.get(name).map(String::as_str)
    }

    /// Everything that the client told, by name.
    pub fn facts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.facts.iter().map(|(name, said)| (name.as_str(), said.as_str()))
    }

    /// Everything noticed with its rule, in the order of the rules.
    #[must_use]
    pub fn found(&self) -> &[Found] {
        &self.found
    }
}

#[cfg(test)]
mod tests;
