//! The scripted responder: says a decision's texts in one of their wordings. Needs nothing and cannot fail.

use std::sync::Arc;

use crate::domain::protocol::{Decision, Place};
use crate::domain::texts::Texts;

/// Writes replies from texts. The same decision, place and seed give the same reply.
#[derive(Debug, Clone)]
pub struct Scripted {
    texts: Arc<Texts>,
}

/// What is said to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub text: String,
}

impl Scripted {
    #[must_use]
    pub fn new(texts: Arc<Texts>) -> Self {
        Self { texts }
    }

    /// Says what was decided, filled with the facts of `place`, and notes there which wordings were used.
    pub fn reply(&self, decision: &Decision, place: &mut Place, seed: u64) -> Reply {
        let Place { facts, said, .. } = place;
        let spoken: Vec<String> =
            decision.texts.iter().filter_map(|key| self.texts.say(key, facts, said, seed)).collect();
        Reply { text: spoken.join(" ") }
    }
}

#[cfg(test)]
#[path = "scripted_tests.rs"]
mod tests;
