//! How well the rules do on labelled texts, in figures. Pure; no figure and no line of it holds a word of a text.

mod case;
mod report;
mod share;

#[cfg(test)]
mod tests;

pub use case::{BadCase, Case, Label};
pub use report::{Confusion, Fired, Group, Report, Timings};
pub use share::Share;

use std::collections::BTreeMap;

use super::level::Level;
use super::rules::Tier;
use super::screen::Screening;

/// What the rules made of a labelled text.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Counted from 1.
    pub line: usize,
    pub label: Label,
    pub found: Level,
    /// Ids and tiers of the rules that spoke.
    pub rules: Vec<(String, Tier)>,
    pub groups: BTreeMap<String, String>,
    pub length_bytes: usize,
    pub took_us: f64,
}

impl Outcome {
    /// Drops the text and keeps what is counted of it.
    #[must_use]
    pub fn of(line: usize, case: Case, screening: Screening, took_us: f64) -> Self {
        Self {
            line,
            label: case.label,
            found: screening.level,
            rules: screening.hits.into_iter().map(|hit| (hit.rule, hit.tier)).collect(),
            groups: case.groups,
            length_bytes: case.text.len(),
            took_us,
        }
    }

    /// Whether the text should be noticed at `at` and is not, or is and should not be, or pauses without need, or does
    /// not pause where it should.
    #[must_use]
    pub fn is_miss(&self, at: Level) -> bool {
        let pauses_otherwise = |label: Level| label.pauses() != self.found.pauses();
        self.label.reaches(at) != (self.found >= at) || self.label.level().is_some_and(pauses_otherwise)
    }
}
