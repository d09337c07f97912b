//! The examples: read from JSON Lines, checked whole, and known by a hash over all that they say.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::fault::Fault;
use crate::domain::labels;

/// The examples inside of the binary.
pub const SHIPPED: &str = include_str!("../../prompts/corpus/en.jsonl");

/// Fewer under a label would make every reply an echo of the same words.
pub const PER_LABEL_MIN: usize = 3;
/// More than anybody writes by hand; all of them are kept in memory.
const PASSAGES_MAX: usize = 10_000;
/// Characters. What is said has to leave room in a prompt for two more.
const ID_MAX: usize = 64;
const TEXT_MAX: usize = 600;

/// A short exchange, and what to learn from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passage {
    pub id: String,
    /// Under what it is looked up; one of [`labels::all`].
    pub label: String,
    pub substate: String,
    /// Who speaks of what, and what the therapist does with it.
    pub situation: String,
    pub client: String,
    pub therapist: String,
}

/// Examples with ids of their own, in a stable order.
#[derive(Debug, Clone)]
pub struct Corpus {
    passages: Vec<Arc<Passage>>,
    overridden: Vec<String>,
    hash: String,
}

impl Corpus {
    /// The examples inside of the binary.
    ///
    /// # Errors
    /// All of their faults.
    pub fn shipped() -> Result<Self, Vec<Fault>> {
        Self::of(parse(SHIPPED)?, Vec::new())
    }

    /// The same with a user's own beside them. One of the same id takes the place of the shipped one.
    ///
    /// # Errors
    /// All faults of the user's file, each with its line; and of what both make together.
    pub fn with_own(source: &str) -> Result<Self, Vec<Fault>> {
        let mut passages = parse(SHIPPED)?;
        let places: HashMap<String, usize> =
            passages.iter().enumerate().map(|(place, passage)| (passage.id.clone(), place)).collect();
        let mut overridden = Vec::new();
        for own in parse(source)? {
            if let Some(place) = places.get(&own.id) {
                overridden.push(own.id.clone());
                passages[*place] = own;
            } else {
                passages.push(own);
            }
        }
        Self::of(passages, overridden)
    }

    fn of(passages: Vec<Passage>, overridden: Vec<String>) -> Result<Self, Vec<Fault>> {
        let hash = hash(&passages);
        let corpus = Self { passages: passages.into_iter().map(Arc::new).collect(), overridden, hash };
        let faults = corpus.faults();
        if faults.is_empty() { Ok(corpus) } else { Err(faults) }
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.passages.len() > PASSAGES_MAX {
            faults.push(Fault::new("file", format!("holds more than {PASSAGES_MAX} examples")));
        }
        for (label, count) in self.counts().into_iter().filter(|(_, count)| *count < PER_LABEL_MIN) {
            let what = format!("has {count} example(s), and at least {PER_LABEL_MIN} are needed");
            faults.push(Fault::new(format!("label {label}"), what));
        }
        faults
    }

    #[must_use]
    pub fn passages(&self) -> &[Arc<Passage>] {
        &self.passages
    }

    /// The ids of shipped examples that a user's own stand for.
    #[must_use]
    pub fn overridden(&self) -> &[String] {
        &self.overridden
    }

    /// 16 hexadecimal digits that change with every word of every example.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// How many examples each label has.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<&str, usize> {
        let mut counts: BTreeMap<&str, usize> = labels::all().map(|(label, _)| (label, 0)).collect();
        for passage in &self.passages {
            *counts.entry(&passage.label).or_default() += 1;
        }
        counts
    }
}

/// Reads examples, one in a line; empty lines are passed over.
///
/// # Errors
/// All faults, each with its line.
pub fn parse(source: &str) -> Result<Vec<Passage>, Vec<Fault>> {
    let (mut passages, mut faults) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    let lines = source.strip_prefix('\u{feff}').unwrap_or(source).lines().enumerate();
    for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
        let at = format!("line {}", number + 1);
        match serde_json::from_str::<Passage>(line) {
            Ok(passage) => {
                faults.extend(faults_of(&passage).into_iter().map(|what| Fault::new(&at, what)));
                if !seen.insert(passage.id.clone()) {
                    faults.push(Fault::new(&at, format!("the id '{}' stands twice", passage.id)));
                }
                passages.push(passage);
            }
            // Lines are told by number; the error's own counts within this one.
            Err(error) => faults.push(Fault::new(&at, reason(&error))),
        }
    }
    if faults.is_empty() { Ok(passages) } else { Err(faults) }
}

fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or_else(|| text.clone(), |(reason, _)| reason.to_owned())
}

fn faults_of(passage: &Passage) -> Vec<String> {
    let mut faults = Vec::new();
    let is_of_id = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if passage.id.is_empty() || passage.id.len() > ID_MAX || !passage.id.chars().all(is_of_id) {
        faults.push(format!("'id' has to be 1 to {ID_MAX} letters, digits and - _ ."));
    }
    if !labels::is_known(&passage.label) {
        faults.push(format!("the label '{}' is not on the list", passage.label));
    }
    let texts = [
        ("substate", &passage.substate),
        ("situation", &passage.situation),
        ("client", &passage.client),
        ("therapist", &passage.therapist),
    ];
    for (name, text) in texts {
        // One line, so that no example can look like the beginning of another message.
        let is_sound = text.chars().count() <= TEXT_MAX && !text.chars().any(char::is_control);
        if text.trim().is_empty() || !is_sound {
            faults.push(format!("'{name}' has to be one line of 1 to {TEXT_MAX} characters"));
        }
    }
    if passage.therapist.matches('?').count() > 1 {
        faults.push("'therapist' asks more than one question".to_owned());
    }
    faults
}

fn hash(passages: &[Passage]) -> String {
    let mut digest = Sha256::new();
    for passage in passages {
        let parts = [
            &passage.id,
            &passage.label,
            &passage.substate,
            &passage.situation,
            &passage.client,
            &passage.therapist,
        ];
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
    }
    digest.finalize().iter().take(8).fold(String::with_capacity(16), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
#[path = "corpus_tests.rs"]
mod tests;
