//! The scripted responder: says a decision's texts in one of their wordings. Needs nothing and cannot fail.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::protocol::{Decision, Place};
use crate::domain::texts::Texts;

/// Writes replies from texts. The same decision, place and seed give the same reply.
#[derive(Debug, Clone)]
pub struct Scripted {
    texts: Arc<Texts>,
}

/// What is said to the client, text by text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script(Vec<String>);

impl Script {
    #[must_use]
    pub fn whole(&self) -> String {
        self.0.join(" ")
    }

    /// The last of its texts: the question, where it asks one.
    #[must_use]
    pub fn last(&self) -> &str {
        self.0.last().map(String::as_str).unwrap_or_default()
    }
}

impl Scripted {
    #[must_use]
    pub fn new(texts: Arc<Texts>) -> Self {
        Self { texts }
    }

    /// Says what was decided, filled with the facts of `place`, and notes there which wordings were used.
    pub fn reply(&self, decision: &Decision, place: &mut Place, seed: u64) -> Script {
        let Place { facts, said, .. } = place;
        Script(decision.texts.iter().filter_map(|key| self.texts.say(key, facts, said, seed)).collect())
    }

    /// What was decided in a wording that holds nothing of what the client told.
    pub fn draft(&self, decision: &Decision, seed: u64) -> Script {
        let (facts, mut said) = (BTreeMap::new(), BTreeMap::new());
        let texts = decision.texts.iter();
        Script(texts.filter_map(|key| self.texts.say(key, &facts, &mut said, seed)).collect())
    }
}

#[cfg(test)]
#[path = "scripted_tests.rs"]
mod tests;
