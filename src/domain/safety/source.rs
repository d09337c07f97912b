//! The files of the rules as they are written, and those inside of the binary.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::fault::{Fault, read_toml};
use super::level::Level;
use super::pattern::Classes;
use super::rules::Tier;

const FILE: &str = "rules";

/// A file of rules, and by what name faults speak of it.
#[derive(Debug, Clone, Copy)]
pub struct RuleFile<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        [$(RuleFile { name: $name, text: include_str!(concat!("../../../prompts/safety/rules/", $name)) }),*]
    };
}

/// The rules inside of the binary, in the order in which they are read.
pub(super) static SHIPPED: [RuleFile<'static>; 20] = shipped![
    "words.en.toml",
    "chat.en.toml",
    "classes.en.toml",
    "context.en.toml",
    "idioms.en.toml",
    "plan.en.toml",
    "attempt.en.toml",
    "farewell.en.toml",
    "active.en.toml",
    "method.en.toml",
    "self_harm.en.toml",
    "passive.en.toml",
    "act.en.toml",
    "after_all.en.toml",
    "life.en.toml",
    "coded.en.toml",
    "others.en.toml",
    "distress.en.toml",
    "marks.en.toml",
    "other_languages.en.toml",
];

/// The file with the spellings, which the output rail reads the same way.
pub(super) const WORDS: &str = SHIPPED[0].text;

/// All files together.
#[derive(Default)]
pub(super) struct Source {
    pub spellings: BTreeMap<String, String>,
    pub masked: Vec<String>,
    /// Words whose typing slips are read as they are meant, and real words that look like a slip.
    pub slips: Vec<String>,
    pub no_slips: Vec<String>,
    pub classes: Classes,
    pub context: ContextSource,
    pub idioms: Vec<IdiomSource>,
    pub rules: Vec<RuleSource>,
    pub sums: Vec<SumSource>,
    /// Spellings and classes that more than one file holds.
    pub doubles: Vec<String>,
}

/// A sign that weak signs add up to, where enough different ones stand in one text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SumSource {
    pub id: String,
    pub tier: Tier,
    /// Ids of rules.
    pub of: Vec<String>,
    pub at_least: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    #[serde(default)]
    spellings: BTreeMap<String, String>,
    #[serde(default)]
    masked: Vec<String>,
    #[serde(default)]
    slips: Vec<String>,
    #[serde(default)]
    no_slips: Vec<String>,
    #[serde(default)]
    classes: Classes,
    #[serde(default)]
    context: ContextSource,
    #[serde(default)]
    idioms: Vec<IdiomSource>,
    #[serde(default)]
    rules: Vec<RuleSource>,
    #[serde(default)]
    sums: Vec<SumSource>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ContextSource {
    pub negations: Vec<String>,
    pub not_negations: Vec<String>,
    pub scope_ends: Vec<String>,
    pub reports: Vec<String>,
    pub others: Vec<String>,
    pub selves: Vec<String>,
    pub past: Vec<String>,
    pub recent: Vec<String>,
    pub recovered: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdiomSource {
    pub patterns: Vec<String>,
    /// The most that a sign inside of the idiom still counts.
    #[serde(default)]
    pub at_most: Level,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "a rule has them independently of one another")]
pub(super) struct RuleSource {
    pub id: String,
    pub tier: Tier,
    pub patterns: Vec<String>,
    /// False where "not" belongs to the sign itself: "do not want to live".
    #[serde(default = "yes")]
    pub negatable: bool,
    /// True where it may lie so long ago that it no longer pauses.
    #[serde(default)]
    pub ages: bool,
    /// What it says is so plain, or so grave, that the weight of the words is not asked.
    #[serde(default)]
    pub firm: bool,
    #[serde(default)]
    pub takes_back: bool,
    /// Counts only beside a sign of one of these tiers anywhere in the text.
    #[serde(default)]
    pub needs: Vec<Tier>,
    /// The same with ids of rules.
    #[serde(default)]
    pub beside: Vec<String>,
}

const fn yes() -> bool {
    true
}

impl Source {
    /// Reads every file; the faults of all that cannot be read are reported together.
    pub(super) fn read(files: &[RuleFile<'_>]) -> Result<Self, Vec<Fault>> {
        let (mut source, mut unreadable) = (Self::default(), Vec::new());
        for file in files {
            match read_toml(FILE, file.text) {
                Ok(part) => source.take(part),
                Err(faults) => unreadable.extend(faults.into_iter().map(|fault| fault.within(file.name))),
            }
        }
        if unreadable.is_empty() { Ok(source) } else { Err(unreadable) }
    }

    fn take(&mut self, part: Part) {
        self.doubles.extend(part.spellings.keys().filter(|it| self.spellings.contains_key(*it)).cloned());
        self.doubles.extend(part.classes.keys().filter(|it| self.classes.contains_key(*it)).cloned());
        self.spellings.extend(part.spellings);
        self.classes.extend(part.classes);
        self.masked.extend(part.masked);
        self.slips.extend(part.slips);
        self.no_slips.extend(part.no_slips);
        self.idioms.extend(part.idioms);
        self.rules.extend(part.rules);
        self.sums.extend(part.sums);
        self.context.take(part.context);
    }
}

impl ContextSource {
    fn take(&mut self, other: Self) {
        self.negations.extend(other.negations);
        self.not_negations.extend(other.not_negations);
        self.scope_ends.extend(other.scope_ends);
        self.reports.extend(other.reports);
        self.others.extend(other.others);
        self.selves.extend(other.selves);
        self.past.extend(other.past);
        self.recent.extend(other.recent);
        self.recovered.extend(other.recovered);
    }
}
