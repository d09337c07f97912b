//! A light reading of what somebody answers in the crisis dialogue, so that it does not sound deaf. It decides which
//! words are acknowledged how, never whether somebody is safe.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::fault::Faults;
use super::fold::fold;
use super::lexicon::Lexicon;
use super::pattern::{Classes, Pattern};

/// How much of an answer is read, in characters.
const READ_MAX: usize = 400;
/// Within how many words a bare yes or no has to begin.
const BARE_WITHIN: usize = 3;
/// Up to so many words a text does nothing but answer.
const SHORT_WORDS: usize = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    AsksIfHuman,
    /// Help was called, or is on its way.
    HelpComing,
    Retraction,
    Refusal,
    Leaving,
    Unsure,
    No,
    Yes,
    Thanks,
    Silence,
    Other,
}

impl Answer {
    pub(super) const ALL: [Self; 11] = [
        Self::AsksIfHuman,
        Self::HelpComing,
        Self::Retraction,
        Self::Refusal,
        Self::Leaving,
        Self::Unsure,
        Self::No,
        Self::Yes,
        Self::Thanks,
        Self::Silence,
        Self::Other,
    ];

    /// The name of the texts that acknowledge it.
    pub(super) const fn texts(self) -> &'static str {
        match self {
            Self::AsksIfHuman => "ack_asks_if_human",
            Self::HelpComing => "ack_help_coming",
            Self::Retraction => "ack_retraction",
            Self::Refusal => "ack_refusal",
            Self::Leaving => "ack_leaving",
            Self::Unsure => "ack_unsure",
            Self::No => "ack_no",
            Self::Yes => "ack_yes",
            Self::Thanks => "ack_thanks",
            Self::Silence => "ack_silence",
            Self::Other => "ack_other",
        }
    }

    const fn is_bare(self) -> bool {
        matches!(self, Self::Yes | Self::No)
    }
}

/// The phrases by which answers are known.
pub(super) struct Answers {
    lexicon: Lexicon,
    patterns: Vec<(Answer, Pattern)>,
}

impl Answers {
    pub(super) fn parse(source: &BTreeMap<Answer, Vec<String>>, faults: &mut Faults) -> Self {
        let mut answers = Self { lexicon: Lexicon::new(), patterns: Vec::new() };
        let none = Classes::new();
        for (&answer, phrases) in source {
            for phrase in phrases {
                let parsed = Pattern::parse(phrase, &none, &mut answers.lexicon)
                    .map_err(|problem| format!("\"{phrase}\" {problem}"));
                if let Some(pattern) = faults.keep("answers", parsed) {
                    answers.patterns.push((answer, pattern));
                }
            }
        }
        answers
    }

    /// What a text of a few words answers; a longer one says more than that.
    pub(super) fn read_short(&self, text: &str) -> Option<Answer> {
        let words = text.split_whitespace().take(SHORT_WORDS + 1).count();
        (1..=SHORT_WORDS).contains(&words).then(|| self.read(text))
    }

    /// The first of [`Answer::ALL`] that the text shows.
    pub(super) fn read(&self, text: &str) -> Answer {
        let head: String = text.chars().take(READ_MAX).collect();
        if head.trim().is_empty() {
            return Answer::Silence;
        }
        let tokens = self.lexicon.read(&fold(&head));
        let shows = |answer: Answer| {
            let within = if answer.is_bare() { BARE_WITHIN } else { tokens.len() };
            self.patterns.iter().filter(|(own, _)| *own == answer).any(|(_, pattern)| {
                (0..tokens.len().min(within)).any(|at| pattern.end_of_match(&tokens, at, &mut 0).is_some())
            })
        };
        Answer::ALL.into_iter().find(|&answer| shows(answer)).unwrap_or(Answer::Other)
    }
}
