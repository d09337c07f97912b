//! The lexicon's file as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::guard::Guard;
use crate::domain::language::Language;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    /// The language that these words are of, as in ISO 639-1.
    pub language: Language,
    /// Words that turn around what follows them in their clause.
    pub negators: Vec<String>,
    /// Words that turn around only the very next word.
    pub close_negators: Vec<String>,
    /// Words that lift a negator right before them ("can't stop").
    pub lifts: Vec<String>,
    /// Words with which a clause begins.
    pub breaks: Vec<String>,
    /// Words with which a clause begins where one of `subjects` follows.
    pub soft_breaks: Vec<String>,
    pub subjects: Vec<String>,
    pub stronger: Vec<String>,
    pub weaker: Vec<String>,
    /// Words that make a fact unfit to be said back.
    pub awkward: Vec<String>,
    /// Words that are cut off a fact's end.
    pub trailing: Vec<String>,
    /// Signal to category on the wire; the first that was noticed counts.
    pub categories: Vec<(String, String)>,
    /// Non-words and what was meant.
    pub spelling: BTreeMap<String, String>,
    /// First person to second.
    pub reflection: BTreeMap<String, String>,
    #[serde(rename = "rule")]
    pub rules: Vec<RawRule>,
    #[serde(rename = "derived")]
    pub derived: Vec<Derived>,
}

/// Words that show something.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRule {
    pub id: String,
    pub signal: String,
    /// Found anywhere.
    #[serde(default)]
    pub phrases: Vec<String>,
    /// Found where a clause begins.
    #[serde(default)]
    pub starts: Vec<String>,
    /// Found where they are a whole clause.
    #[serde(default)]
    pub answers: Vec<String>,
    #[serde(default = "yes")]
    pub negatable: bool,
    /// The rule reads only texts of so many words.
    pub words_max: Option<usize>,
    pub fact: Option<FactRule>,
    pub emotion: Option<Emotion>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FactRule {
    pub name: String,
    pub take: Take,
    #[serde(default)]
    pub prefix: String,
    /// A fact of more words is not kept.
    pub words_max: Option<usize>,
    /// Words with which a main clause begins, at which the fact ends ...
    #[serde(default)]
    pub until: Vec<String>,
    /// ... but after these words they belong to it.
    #[serde(default)]
    pub joints: Vec<String>,
    /// How a phrase is said in a text, where not as it stands.
    #[serde(default)]
    pub forms: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Take {
    /// The phrase itself.
    Phrase,
    /// What follows it in its clause.
    Rest,
    /// It and what follows it.
    From,
    /// The whole clause.
    Clause,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Emotion {
    pub group: String,
    /// 1 mild, 2 plain, 3 strong.
    pub intensity: u8,
}

/// A signal that follows from others.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Derived {
    pub signal: String,
    pub when: Guard,
}

fn yes() -> bool {
    true
}
