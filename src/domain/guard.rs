//! Conditions as data: `["goal|vision", "!vague", "flag:told"]` holds when each entry has an alternative that is true.
//!
//! A bare name is a signal; `flag:`, `fact:` and `full:` ask what a place remembers. `!` turns one alternative around.

use serde::Deserialize;

/// What a condition asks about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Was it noticed in this text?
    Signal(String),
    /// Has it become true?
    Flag(String),
    /// Was it told?
    Fact(String),
    /// Has the counter reached its limit?
    Full(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Literal {
    pub subject: Subject,
    pub negated: bool,
}

/// All entries, each of which is a list of alternatives. The empty guard always holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Guard(Vec<Vec<Literal>>);

impl Guard {
    pub fn holds(&self, is_true: impl Fn(&Subject) -> bool) -> bool {
        self.0.iter().all(|any| any.iter().any(|literal| is_true(&literal.subject) != literal.negated))
    }

    pub fn literals(&self) -> impl Iterator<Item = &Literal> {
        self.0.iter().flatten()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<Vec<String>> for Guard {
    type Error = String;

    fn try_from(entries: Vec<String>) -> Result<Self, String> {
        entries
            .iter()
            .map(|entry| entry.split('|').map(literal).collect())
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn literal(text: &str) -> Result<Literal, String> {
    let (negated, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let (kind, name) = text.split_once(':').unwrap_or(("signal", text));
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
        return Err(format!("'{text}' is no condition: names have a-z, 0-9 and _"));
    }
    let name = name.to_owned();
    let subject = match kind {
        "signal" => Subject::Signal(name),
        "flag" => Subject::Flag(name),
        "fact" => Subject::Fact(name),
        "full" => Subject::Full(name),
        _ => return Err(format!("'{kind}:' is unknown; there are flag:, fact: and full:")),
    };
    Ok(Literal { subject, negated })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(entries: &[&str]) -> Result<Guard, String> {
        Guard::try_from(entries.iter().map(|&entry| entry.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn every_entry_needs_one_true_alternative() {
        let guard = guard(&["goal|problem", "!vague", "flag:told"]).expect("well-formed");
        let holds = |found: &[&str]| {
            guard.holds(|subject| match subject {
                Subject::Signal(name) | Subject::Flag(name) | Subject::Fact(name) | Subject::Full(name) => {
                    found.contains(&name.as_str())
                }
            })
        };
        assert!(holds(&["problem", "told"]));
        assert!(!holds(&["problem"]));
        assert!(!holds(&["told"]));
        assert!(!holds(&["goal", "told", "vague"]));
    }

    #[test]
    fn an_empty_guard_always_holds() {
        assert!(guard(&[]).expect("empty").holds(|_| false));
    }

    #[test]
    fn a_condition_that_cannot_be_read_says_why() {
        for bad in ["", "!", "flag:", "sign:goal", "Goal", "goal||vague"] {
            assert!(guard(&[bad]).is_err(), "{bad:?}");
        }
    }
}
