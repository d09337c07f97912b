//! The prompts as they are read from their file.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::domain::digest::version_of;
use crate::domain::fault::Fault;

/// The English prompts.
pub const ENGLISH: &str = include_str!("../../../prompts/model/en.toml");

const SYSTEM_SLOTS: [&str; 4] = ["canary", "draft", "examples", "task"];
const CHOOSE_SLOTS: [&str; 2] = ["canary", "options"];

/// A system prompt, and a task for every decision that a model may put into words. Every slot stands exactly where it
/// is filled.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prompts {
    pub(super) system: String,
    pub(super) choose: String,
    /// Decisions that are said in the script's words alone.
    script: BTreeSet<String>,
    pub(super) tasks: BTreeMap<String, String>,
    #[serde(skip)]
    hash: String,
}

impl Prompts {
    /// Reads a file of prompts.
    ///
    /// # Errors
    /// All of its faults.
    pub fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        let mut prompts: Self =
            toml::from_str(source).map_err(|error| vec![Fault::new("prompts", error.message())])?;
        prompts.hash = version_of(source);
        let faults = prompts.faults();
        if faults.is_empty() { Ok(prompts) } else { Err(faults) }
    }

    /// Which prompts these are: SHA-256 over the file, its first 16 digits.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Everything that a model is told and must not tell on: without examples and drafts, which it may well repeat.
    pub fn instructions(&self) -> impl Iterator<Item = &str> {
        [self.system.as_str(), self.choose.as_str()]
            .into_iter()
            .chain(self.tasks.values().map(String::as_str))
    }

    /// Decisions of a protocol that are neither given a task nor left to the script.
    pub fn unknown<'d>(&self, decisions: impl Iterator<Item = &'d str>) -> BTreeSet<&'d str> {
        decisions
            .filter(|decision| !self.tasks.contains_key(*decision) && !self.script.contains(*decision))
            .collect()
    }

    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        for (name, text, slots) in [
            ("system", &self.system, SYSTEM_SLOTS.as_slice()),
            ("choose", &self.choose, CHOOSE_SLOTS.as_slice()),
        ] {
            for slot in slots.iter().filter(|slot| text.matches(&format!("{{{slot}}}")).count() != 1) {
                faults.push(Fault::new(name, format!("'{{{slot}}}' has to stand there once")));
            }
        }
        for (name, task) in &self.tasks {
            if task.trim().is_empty() || task.contains(['{', '}']) {
                faults.push(Fault::new(format!("task {name}"), "is empty or has a slot"));
            }
            if self.script.contains(name) {
                faults.push(Fault::new(format!("task {name}"), "is left to the script as well"));
            }
        }
        faults
    }
}
