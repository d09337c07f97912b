//! The scripted responder: says a decision's texts in one of their wordings. Needs nothing and cannot fail.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::protocol::{Decision, Place, Protocol};
use crate::domain::texts::{COME_BACK, Texts};

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

    /// Says what was decided, filled with the facts of `place`, and notes there which wordings were used. A question
    /// whose wordings were all used is pointed back to instead.
    pub fn reply(&self, protocol: &Protocol, decision: &Decision, place: &mut Place, seed: u64) -> Script {
        let Place { facts, said, .. } = place;
        let mut say = |key: &str| self.texts_of(protocol, key).say(key, facts, said, seed);
        Script(decision.texts.iter().filter_map(|key| say(key).or_else(|| say(COME_BACK))).collect())
    }

    /// What was decided in a wording that holds nothing of what the client told.
    pub fn draft(&self, protocol: &Protocol, decision: &Decision, seed: u64) -> Script {
        let (facts, mut said) = (BTreeMap::new(), BTreeMap::new());
        let mut say = |key: &String| self.texts_of(protocol, key).say(key, &facts, &mut said, seed);
        Script(decision.texts.iter().filter_map(&mut say).collect())
    }

    /// A protocol's own text goes before the shared one.
    fn texts_of<'t>(&'t self, protocol: &'t Protocol, key: &str) -> &'t Texts {
        if protocol.texts().has(key) { protocol.texts() } else { &self.texts }
    }
}

#[cfg(test)]
#[path = "scripted_tests.rs"]
mod tests;
