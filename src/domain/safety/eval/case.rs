//! Labelled texts, as they stand in a file of JSON Lines.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::safety::level::Level;

/// The longest name or value by which figures are broken down, in bytes. What is longer, or no single word, might be
/// somebody's words.
const GROUP_MAX: usize = 32;

/// What a reader says that a text shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    Level(Level),
    /// Danger or none, without saying how much.
    Danger(bool),
}

impl Label {
    /// Whether a screening should reach `at`.
    pub(super) fn reaches(self, at: Level) -> bool {
        match self {
            Self::Level(level) => level >= at,
            Self::Danger(is_danger) => is_danger,
        }
    }

    pub(super) const fn level(self) -> Option<Level> {
        match self {
            Self::Level(level) => Some(level),
            Self::Danger(_) => None,
        }
    }

    /// `crisis`, or `true`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Level(level) => level.as_str(),
            Self::Danger(true) => "true",
            Self::Danger(false) => "false",
        }
    }
}

/// Why a line is no labelled text. It holds nothing of the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCase {
    #[error("is no JSON object")]
    NoObject,
    #[error("has no \"text\" that is a string")]
    NoText,
    #[error("has no \"label\" that is none, elevated, high, crisis, true or false")]
    NoLabel,
}

/// A labelled text. It can be neither printed nor stored.
pub struct Case {
    pub text: String,
    pub label: Label,
    /// Members whose values are single words, such as `kind` or `style`.
    pub groups: BTreeMap<String, String>,
}

impl Case {
    /// Reads a line. `level` may stand for `label`.
    pub fn parse(line: &str) -> Result<Self, BadCase> {
        let Ok(Value::Object(mut members)) = serde_json::from_str(line) else {
            return Err(BadCase::NoObject);
        };
        let Some(Value::String(text)) = members.remove("text") else { return Err(BadCase::NoText) };
        let label = members.remove("label").or_else(|| members.remove("level"));
        let label = label.and_then(|label| read_label(&label)).ok_or(BadCase::NoLabel)?;
        Ok(Self { text, label, groups: groups(members) })
    }
}

fn read_label(label: &Value) -> Option<Label> {
    match label {
        Value::Bool(is_danger) => Some(Label::Danger(*is_danger)),
        Value::String(name) => match name.as_str() {
            "true" => Some(Label::Danger(true)),
            "false" => Some(Label::Danger(false)),
            name => Level::parse(name).map(Label::Level),
        },
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn groups(members: Map<String, Value>) -> BTreeMap<String, String> {
    let single = |(name, value): (String, Value)| match value {
        Value::String(value) if is_word(&name) && is_word(&value) => Some((name, value)),
        _ => None,
    };
    members.into_iter().filter_map(single).collect()
}

fn is_word(text: &str) -> bool {
    (1..=GROUP_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_may_name_a_level_or_only_danger() {
        let label = |line| Case::parse(line).map(|case| case.label).ok();
        assert_eq!(label(r#"{"text":"a","label":"high"}"#), Some(Label::Level(Level::High)));
        assert_eq!(label(r#"{"text":"a","level":"none"}"#), Some(Label::Level(Level::None)));
        assert_eq!(label(r#"{"text":"a","label":true}"#), Some(Label::Danger(true)));
        assert_eq!(label(r#"{"text":"a","label":"false"}"#), Some(Label::Danger(false)));
    }

    #[test]
    fn a_line_that_is_none_says_why() {
        let bad = |line| Case::parse(line).err();
        assert_eq!(bad("[]"), Some(BadCase::NoObject));
        assert_eq!(bad(r#"{"label":"high"}"#), Some(BadCase::NoText));
        assert_eq!(bad(r#"{"text":"a","label":"severe"}"#), Some(BadCase::NoLabel));
        assert_eq!(bad(r#"{"text":"a","label":3}"#), Some(BadCase::NoLabel));
    }

    #[test]
    fn only_single_words_become_groups() {
        let line = r#"{"text":"a","label":"none","kind":"idiom","note":"two words","n":3}"#;
        let groups = Case::parse(line).map(|case| case.groups).ok();
        assert_eq!(groups, Some(BTreeMap::from([("kind".to_owned(), "idiom".to_owned())])));
    }
}
