//! The words compiled: every phrase as numbers, found by its first word.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::source::{Derived, Emotion, FactRule, RawRule, Source};
use super::spread::spread;
use super::tokens::Vocabulary;
use crate::domain::fault::Fault;
use crate::domain::guard::Subject;
use crate::domain::language::Language;

/// Signals that follow from a text's length alone, each with the words that it takes.
pub(super) const LENGTHS: [(&str, usize); 3] = [("words", 1), ("many_words", 4), ("long_text", 80)];
/// The signal of an emotion at its highest intensity.
pub(super) const STRONG_EMOTION: &str = "strong_emotion";
/// The signal of a text in a language that these words are not of.
pub const OTHER_LANGUAGE: &str = "other_language";
const UNWORDED: [&str; 2] = [STRONG_EMOTION, OTHER_LANGUAGE];

/// A language's words for everything that is noticed.
#[derive(Debug)]
pub struct Lexicon {
    pub(super) language: Language,
    pub(super) vocabulary: Vocabulary,
    pub(super) rules: Vec<Rule>,
    /// Phrases by the number of their first word, longest first.
    pub(super) phrases: Vec<Vec<Phrase>>,
    pub(super) roles: Roles,
    pub(super) derived: Vec<Derived>,
    pub(super) categories: Vec<(String, String)>,
    pub(super) spelling: HashMap<String, String>,
    pub(super) reflection: Reflection,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub id: String,
    pub signal: String,
    pub negatable: bool,
    pub words_max: Option<usize>,
    pub fact: Option<FactRule>,
    pub emotion: Option<Emotion>,
}

#[derive(Debug)]
pub(super) struct Phrase {
    pub words: Vec<u32>,
    pub rule: usize,
    pub anchor: Anchor,
}

/// Where in a clause a phrase counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Anywhere,
    Start,
    Whole,
}

/// What single words do to the words around them.
#[derive(Debug)]
pub(super) struct Roles {
    pub negators: BTreeSet<u32>,
    pub close_negators: BTreeSet<u32>,
    pub lifts: BTreeSet<u32>,
    pub breaks: BTreeSet<u32>,
    pub soft_breaks: BTreeSet<u32>,
    pub subjects: BTreeSet<u32>,
    pub stronger: BTreeSet<u32>,
    pub weaker: BTreeSet<u32>,
}

/// How a client's words are turned to be said back.
#[derive(Debug)]
pub(super) struct Reflection {
    pub pairs: BTreeMap<String, String>,
    pub awkward: BTreeSet<String>,
    pub trailing: Vec<String>,
}

impl Lexicon {
    /// Reads a lexicon's file.
    ///
    /// # Errors
    /// All faults of the file that can be seen together.
    pub fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        let source: Source =
            toml::from_str(source).map_err(|error| vec![Fault::new("lexicon", error.to_string())])?;
        let faults = faults(&source);
        if faults.is_empty() { Ok(compile(source)) } else { Err(faults) }
    }

    /// The names of all signals that may be found.
    pub fn signals(&self) -> impl Iterator<Item = &str> {
        let said = self.rules.iter().map(|rule| rule.signal.as_str());
        let derived = self.derived.iter().map(|derived| derived.signal.as_str());
        said.chain(derived).chain(unworded())
    }

    /// The names of all facts that may be told.
    pub fn facts(&self) -> impl Iterator<Item = &str> {
        self.rules.iter().filter_map(|rule| rule.fact.as_ref()).map(|fact| fact.name.as_str())
    }
}

/// Signals that no word shows by itself.
fn unworded<'a>() -> impl Iterator<Item = &'a str> {
    LENGTHS.iter().map(|&(signal, _)| signal).chain(UNWORDED)
}

fn compile(source: Source) -> Lexicon {
    let mut vocabulary = Vocabulary::default();
    let mut numbers = |words: &[String]| words.iter().map(|word| vocabulary.learn(word)).collect();
    let roles = Roles {
        negators: numbers(&source.negators),
        close_negators: numbers(&source.close_negators),
        lifts: numbers(&source.lifts),
        breaks: numbers(&source.breaks),
        soft_breaks: numbers(&source.soft_breaks),
        subjects: numbers(&source.subjects),
        stronger: numbers(&source.stronger),
        weaker: numbers(&source.weaker),
    };
    let phrases = phrases(&source, &mut vocabulary);
    let compiled = source.rules.into_iter().map(|raw| Rule {
        id: raw.id,
        signal: raw.signal,
        negatable: raw.negatable,
        words_max: raw.words_max,
        fact: raw.fact,
        emotion: raw.emotion,
    });
    Lexicon {
        language: source.language,
        rules: compiled.collect(),
        phrases: by_first_word(phrases, vocabulary.len()),
        vocabulary,
        roles,
        derived: source.derived,
        categories: source.categories,
        spelling: source.spelling.into_iter().collect(),
        reflection: Reflection {
            pairs: source.reflection,
            awkward: source.awkward.into_iter().collect(),
            trailing: source.trailing,
        },
    }
}

fn phrases(source: &Source, vocabulary: &mut Vocabulary) -> Vec<Phrase> {
    let mut phrases = Vec::new();
    for (rule, raw) in source.rules.iter().enumerate() {
        for (text, anchor) in written(raw) {
            phrases.extend(spread(text).unwrap_or_default().iter().map(|text| Phrase {
                words: text.split(' ').map(|word| vocabulary.learn(word)).collect(),
                rule,
                anchor,
            }));
        }
    }
    phrases
}

/// A rule's phrases as they are written, each with where it counts.
fn written(raw: &RawRule) -> impl Iterator<Item = (&String, Anchor)> {
    let kinds =
        [(&raw.phrases, Anchor::Anywhere), (&raw.starts, Anchor::Start), (&raw.answers, Anchor::Whole)];
    kinds.into_iter().flat_map(|(texts, anchor)| texts.iter().map(move |text| (text, anchor)))
}

fn by_first_word(phrases: Vec<Phrase>, words: usize) -> Vec<Vec<Phrase>> {
    let mut by_first: Vec<Vec<Phrase>> = (0..=words).map(|_| Vec::new()).collect();
    for phrase in phrases {
        let first = phrase.words.first().and_then(|&word| usize::try_from(word).ok());
        if let Some(list) = first.and_then(|first| by_first.get_mut(first)) {
            list.push(phrase);
        }
    }
    for list in &mut by_first {
        list.sort_by_key(|phrase| std::cmp::Reverse(phrase.words.len()));
    }
    by_first
}

fn faults(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    for rule in &source.rules {
        let at = format!("rule {}", rule.id);
        if !ids.insert(&rule.id) {
            faults.push(Fault::new(&at, "its id stands twice"));
        }
        if written(rule).next().is_none() {
            faults.push(Fault::new(&at, "has no words"));
        }
        for (text, _) in written(rule) {
            let wrong = match spread(text) {
                Ok(phrases) => phrases.iter().find_map(|phrase| phrase_fault(source, phrase)),
                Err(wrong) => Some(wrong),
            };
            faults.extend(wrong.map(|wrong| Fault::new(&at, wrong)));
        }
    }
    faults.extend(unknown_signals(source));
    faults
}

fn phrase_fault(source: &Source, text: &str) -> Option<String> {
    let words: Vec<&str> = text.split(' ').collect();
    let wordlike = |c: char| !c.is_uppercase() && (c.is_alphanumeric() || !c.is_ascii() || c == '\'');
    if words.iter().any(|word| word.is_empty() || !word.chars().all(wordlike)) {
        return Some(format!("'{text}' is no phrase: lower-case words, one space between"));
    }
    let across = words.iter().skip(1).any(|word| source.breaks.iter().any(|begins| begins == word));
    across.then(|| format!("'{text}' can never be found: a clause begins inside it"))
}

fn unknown_signals(source: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut known: BTreeSet<&str> = source.rules.iter().map(|rule| rule.signal.as_str()).collect();
    known.extend(unworded());
    for derived in &source.derived {
        let at = format!("derived {}", derived.signal);
        for literal in derived.when.literals() {
            match &literal.subject {
                Subject::Signal(name) if known.contains(name.as_str()) => {}
                Subject::Signal(name) | Subject::Flag(name) | Subject::Fact(name) | Subject::Full(name) => {
                    faults.push(Fault::new(&at, format!("'{name}' is not found before it")));
                }
            }
        }
        known.insert(&derived.signal);
    }
    for (signal, _) in source.categories.iter().filter(|(signal, _)| !known.contains(signal.as_str())) {
        faults.push(Fault::new("categories", format!("'{signal}' is no signal")));
    }
    faults
}
