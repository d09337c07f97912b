//! A light reading of what somebody answers in the crisis dialogue, so that it does not sound deaf. It decides which
//! words are acknowledged how, never whether somebody is safe. One thing is read strictly: a clear no to a re-screen.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::fault::Faults;
use super::fold::fold;
use super::lexicon::{Lexicon, Token};
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
    /// A line, a doctor or a therapist was reached.
    Called,
    /// Help was called, or is on its way.
    HelpComing,
    /// The person says that they are safe, or not alone, now.
    Safe,
    Retraction,
    /// At the one who answers.
    Anger,
    Refusal,
    Leaving,
    Unsure,
    No,
    Yes,
    Thanks,
    Silence,
    Other,
}

/// What stands in the way of reaching somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Barrier {
    /// Police, hospital, losing control over what happens.
    Force,
    Cost,
    Burden,
    Shame,
    /// Asking for help has failed before.
    Tried,
    Nobody,
}

impl Barrier {
    /// In the order in which they are looked for.
    pub(super) const ALL: [Self; 6] =
        [Self::Force, Self::Cost, Self::Burden, Self::Shame, Self::Tried, Self::Nobody];

    pub(super) const fn texts(self) -> &'static str {
        match self {
            Self::Force => "barrier_force",
            Self::Cost => "barrier_cost",
            Self::Burden => "barrier_burden",
            Self::Shame => "barrier_shame",
            Self::Tried => "barrier_tried",
            Self::Nobody => "barrier_nobody",
        }
    }
}

impl Answer {
    pub(super) const ALL: [Self; 14] = [
        Self::AsksIfHuman,
        Self::Called,
        Self::HelpComing,
        Self::Safe,
        Self::Retraction,
        Self::Anger,
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
            Self::Called => "ack_called",
            Self::HelpComing => "ack_help_coming",
            Self::Safe => "ack_safe",
            Self::Retraction => "ack_retraction",
            Self::Anger => "ack_anger",
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

/// The phrases by which answers are known, as they are written.
#[derive(Deserialize)]
pub(super) struct Phrases {
    pub answers: BTreeMap<Answer, Vec<String>>,
    pub barriers: BTreeMap<Barrier, Vec<String>>,
    pub clear_no: Vec<String>,
    pub clear_no_beside: Vec<String>,
    pub emergency_numbers: Vec<String>,
}

pub(super) struct Answers {
    lexicon: Lexicon,
    patterns: Vec<(Answer, Pattern)>,
    barriers: Vec<(Barrier, Pattern)>,
    clear_no: Vec<Pattern>,
    clear_no_beside: Vec<Pattern>,
    emergency_numbers: Vec<String>,
}

impl Answers {
    pub(super) fn parse(source: Phrases, faults: &mut Faults) -> Self {
        let mut lexicon = Lexicon::new();
        let mut parse = |phrase: &String| {
            let parsed = Pattern::parse(phrase, &Classes::new(), &mut lexicon)
                .map_err(|problem| format!("\"{phrase}\" {problem}"));
            faults.keep("answers", parsed)
        };
        let patterns = kinds(&source.answers, &mut parse);
        let barriers = kinds(&source.barriers, &mut parse);
        let clear_no = source.clear_no.iter().filter_map(&mut parse).collect();
        let clear_no_beside = source.clear_no_beside.iter().filter_map(&mut parse).collect();
        Self {
            patterns,
            barriers,
            clear_no,
            clear_no_beside,
            lexicon,
            emergency_numbers: source.emergency_numbers,
        }
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
        let folded = fold(&head);
        let tokens = self.lexicon.read(&folded);
        let shows = |answer: Answer| {
            let within = if answer.is_bare() { BARE_WITHIN } else { tokens.len() };
            self.patterns.iter().filter(|(own, _)| *own == answer).any(|(_, pattern)| {
                (0..tokens.len().min(within)).any(|at| pattern.end_of_match(&tokens, at, &mut 0).is_some())
            })
        };
        match Answer::ALL.into_iter().find(|&answer| shows(answer)).unwrap_or(Answer::Other) {
            Answer::HelpComing if self.names_only_lines(&folded) => Answer::Called,
            answer => answer,
        }
    }

    /// Whether a text begins with a yes, whatever else it says: "yes, leave me alone" is one.
    pub(super) fn begins_with_yes(&self, text: &str) -> bool {
        let tokens = self.tokens(text);
        let ends = |answer: Answer, at: usize| {
            let own = self.patterns.iter().filter(move |(own, _)| *own == answer);
            own.filter_map(|(_, pattern)| pattern.end_of_match(&tokens, at, &mut 0)).max()
        };
        (0..tokens.len().min(BARE_WITHIN))
            .take_while(|&at| ends(Answer::No, at).is_none())
            .find_map(|at| ends(Answer::Yes, at))
            .is_some_and(|end| ends(Answer::No, end).is_none())
    }

    /// Whether there are numbers in a text, and none of them is for emergencies.
    fn names_only_lines(&self, folded: &str) -> bool {
        let numbers = || folded.split(|c: char| !c.is_ascii_digit()).filter(|number| number.len() > 1);
        numbers().count() > 0
            && !numbers().any(|number| self.emergency_numbers.iter().any(|own| own == number))
    }

    pub(super) fn barrier(&self, text: &str) -> Option<Barrier> {
        let tokens = self.tokens(text);
        let shows = |barrier: Barrier| {
            self.barriers.iter().filter(|(own, _)| *own == barrier).any(|(_, pattern)| {
                (0..tokens.len()).any(|at| pattern.end_of_match(&tokens, at, &mut 0).is_some())
            })
        };
        Barrier::ALL.into_iter().find(|&barrier| shows(barrier))
    }

    /// Whether a text says no, and nothing besides that could mean anything else.
    pub(super) fn is_clear_no(&self, text: &str) -> bool {
        let folded = fold(text);
        let is_plain = |c: char| c.is_ascii_lowercase() || matches!(c, ' ' | '\n' | ',' | '.' | '!' | '\'');
        if text.chars().count() > READ_MAX || !folded.chars().all(is_plain) {
            return false;
        }
        let tokens = self.lexicon.read(&folded);
        let longest = |patterns: &[Pattern], at: usize| {
            let ends = patterns.iter().filter_map(|pattern| pattern.end_of_match(&tokens, at, &mut 0));
            ends.filter(|end| *end > at).max()
        };
        let (mut at, mut is_no) = (0, false);
        while at < tokens.len() {
            let no = longest(&self.clear_no, at);
            is_no |= no.is_some();
            let Some(end) = no.or_else(|| longest(&self.clear_no_beside, at)) else { return false };
            at = end;
        }
        is_no
    }

    fn tokens(&self, text: &str) -> Vec<Token> {
        let head: String = text.chars().take(READ_MAX).collect();
        self.lexicon.read(&fold(&head))
    }
}

fn kinds<K: Copy>(
    source: &BTreeMap<K, Vec<String>>,
    parse: &mut impl FnMut(&String) -> Option<Pattern>,
) -> Vec<(K, Pattern)> {
    let all = source.iter().flat_map(|(&kind, phrases)| phrases.iter().map(move |phrase| (kind, phrase)));
    all.filter_map(|(kind, phrase)| Some((kind, parse(phrase)?))).collect()
}
