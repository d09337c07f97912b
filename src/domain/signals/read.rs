//! Reading a text: cleaning, correcting, finding phrases, and what follows from them.

use std::borrow::Cow;

use super::lexicon::{Anchor, LENGTHS, Lexicon, OTHER_LANGUAGE, Phrase, Rule, STRONG_EMOTION};
use super::source::{FactRule, Take};
use super::tokens::{Token, UNKNOWN, tokens};
use super::{Detection, EmotionalState, Found, Signals};
use crate::domain::guard::Subject;
use crate::domain::language::written_in;

/// How far back a negation reaches within its clause, in words.
const NEGATION_REACH: usize = 6;
/// The intensity from which an emotion is a strong one.
const STRONG: u8 = 3;
/// How far a clause is looked at, in words to each side; a longer one is not said back anyway.
const CLAUSE_MAX: usize = 40;
/// The most phrases that the wire shows of one kind.
const SHOWN_MAX: usize = 10;

impl Lexicon {
    /// What a text shows. Linear in its length.
    #[must_use]
    pub fn read(&self, text: &str) -> Signals {
        let cleaned = clean(text);
        let (corrected, corrections) = self.correct(&cleaned);
        let mut tokens = tokens(&corrected, &self.vocabulary);
        self.part_clauses(&mut tokens);
        let hits = self.hits(&tokens);
        let mut signals = Signals { spelling_corrections: corrections, ..Signals::default() };
        let page = Page { lexicon: self, text: &corrected, tokens: &tokens };
        page.note_hits(&hits, &mut signals);
        page.note_lengths(&mut signals);
        signals.emotional_state = page.emotions(&hits);
        if signals.emotional_state.intensity >= STRONG {
            note(&mut signals, STRONG_EMOTION, "intensity");
        }
        if let Some(other) = written_in(text).filter(|language| *language != self.language) {
            note(&mut signals, OTHER_LANGUAGE, &format!("language.{}", other.code()));
        }
        self.derive(&mut signals);
        signals.input_category = self.category(&signals);
        signals.thinking = page.detection(&hits, "thinking", &signals);
        signals.past = page.detection(&hits, "past", &signals);
        signals.dont_know = page.detection(&hits, "dont_know_said", &signals);
        signals.cleaned_input = cleaned;
        signals.corrected_input = corrected;
        signals
    }

    fn correct(&self, cleaned: &str) -> (String, Vec<(String, String)>) {
        let (mut corrections, mut lower) = (Vec::new(), String::new());
        let words = cleaned.split_inclusive(' ').map(|word| {
            let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
            lower.clear();
            lower.extend(bare.chars().flat_map(char::to_lowercase));
            let Some(right) = self.spelling.get(lower.as_str()) else {
                return Cow::Borrowed(word);
            };
            let right = if bare.starts_with(char::is_uppercase) { capitalised(right) } else { right.clone() };
            corrections.push((bare.to_owned(), right.clone()));
            Cow::Owned(word.replacen(bare, &right, 1))
        });
        (words.collect(), corrections)
    }

    /// Gives a new clause to words that begin one.
    fn part_clauses(&self, tokens: &mut [Token]) {
        let mut added = 0;
        for at in 0..tokens.len() {
            let next = tokens.get(at + 1).map_or(UNKNOWN, |token| token.word);
            let Some(token) = tokens.get_mut(at) else { break };
            let begins = self.roles.breaks.contains(&token.word)
                || (self.roles.soft_breaks.contains(&token.word) && self.roles.subjects.contains(&next));
            added += u32::from(begins);
            token.clause += added;
        }
    }

    fn hits(&self, tokens: &[Token]) -> Vec<Hit<'_>> {
        let mut hits = Vec::new();
        for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.word != UNKNOWN) {
            let candidates = usize::try_from(token.word).ok().and_then(|word| self.phrases.get(word));
            for phrase in candidates.into_iter().flatten() {
                let Some(rule) = self.rules.get(phrase.rule) else { continue };
                let fits =
                    rule.words_max.is_none_or(|most| tokens.len() <= most) && stands(phrase, tokens, at);
                if fits && !(rule.negatable && self.is_negated(tokens, at)) {
                    hits.push(Hit { rule, index: phrase.rule, at, len: phrase.words.len() });
                }
            }
        }
        hits
    }

    fn is_negated(&self, tokens: &[Token], at: usize) -> bool {
        let Some(clause) = tokens.get(at).map(|token| token.clause) else { return false };
        let before = tokens.get(at.saturating_sub(NEGATION_REACH)..at).unwrap_or_default();
        let before: Vec<u32> = before.iter().filter(|token| token.clause == clause).map(|t| t.word).collect();
        let close = before.last().is_some_and(|word| self.roles.close_negators.contains(word));
        let lifted = |next: Option<&u32>| next.is_some_and(|word| self.roles.lifts.contains(word));
        let far = before
            .iter()
            .enumerate()
            .any(|(n, word)| self.roles.negators.contains(word) && !lifted(before.get(n + 1)));
        close || far
    }

    fn derive(&self, signals: &mut Signals) {
        for derived in &self.derived {
            let holds = derived.when.holds(|subject| match subject {
                Subject::Signal(name) => signals.has(name),
                Subject::Flag(_) | Subject::Fact(_) | Subject::Full(_) => false,
            });
            if holds {
                note(signals, &derived.signal, "derived");
            }
        }
    }

    fn category(&self, signals: &Signals) -> String {
        let category = self.categories.iter().find(|(signal, _)| signals.has(signal));
        category.map_or_else(|| "general".to_owned(), |(_, category)| category.clone())
    }
}

/// A phrase found.
struct Hit<'l> {
    rule: &'l Rule,
    index: usize,
    at: usize,
    len: usize,
}

/// A text with its words, for what looks at both.
struct Page<'a> {
    lexicon: &'a Lexicon,
    text: &'a str,
    tokens: &'a [Token],
}

impl Page<'_> {
    fn note_hits(&self, hits: &[Hit<'_>], signals: &mut Signals) {
        let mut in_order: Vec<&Hit<'_>> = hits.iter().collect();
        in_order.sort_by_key(|hit| hit.index);
        for hit in in_order {
            note(signals, &hit.rule.signal, &hit.rule.id);
            if let Some(fact) = &hit.rule.fact
                && !signals.facts.contains_key(&fact.name)
                && let Some(value) = self.fact(hit)
            {
                signals.facts.insert(fact.name.clone(), value);
            }
        }
    }

    fn note_lengths(&self, signals: &mut Signals) {
        for (signal, _) in LENGTHS.iter().filter(|(_, words)| self.tokens.len() >= *words) {
            note(signals, signal, "length");
        }
    }

    fn fact(&self, hit: &Hit<'_>) -> Option<String> {
        let rule = hit.rule.fact.as_ref()?;
        let (first, last) = self.clause(hit.at)?;
        let phrase_end = hit.at + hit.len - 1;
        let part = match rule.take {
            Take::Phrase => self.slice(hit.at, phrase_end)?,
            Take::Rest => self.slice(phrase_end + 1, last)?,
            Take::From => self.slice(hit.at, last)?,
            Take::Clause => self.slice(first, last)?,
        };
        if rule.take == Take::Phrase {
            let phrase = part.to_lowercase();
            let said = rule.forms.get(&phrase).unwrap_or(&phrase);
            return Some(format!("{}{said}", rule.prefix));
        }
        let part = self.uncapitalised(before_main_clause(part, rule));
        if rule.words_max.is_some_and(|most| part.split(' ').count() > most) {
            return None;
        }
        self.lexicon.reflection.reflect(&part).map(|said| format!("{}{said}", rule.prefix))
    }

    /// A word that the rules know is no name, so its capital is only that of a sentence's beginning.
    fn uncapitalised<'t>(&self, part: &'t str) -> Cow<'t, str> {
        let end = part.find(' ').unwrap_or(part.len());
        let (first, rest) = part.split_at(end);
        let lower = first.to_lowercase();
        let known = self.lexicon.vocabulary.number(&lower) != UNKNOWN;
        if known && lower != first { Cow::Owned(lower + rest) } else { Cow::Borrowed(part) }
    }

    /// The first and the last word of a word's clause, a conjunction at its head left out.
    fn clause(&self, at: usize) -> Option<(usize, usize)> {
        let clause = self.tokens.get(at)?.clause;
        let head = self
            .tokens
            .get(..at)?
            .iter()
            .rev()
            .take(CLAUSE_MAX)
            .take_while(|token| token.clause == clause)
            .count();
        let tail =
            self.tokens.get(at..)?.iter().take(CLAUSE_MAX).take_while(|token| token.clause == clause).count();
        let first = at - head;
        let joins = |token: &Token| {
            self.lexicon.roles.breaks.contains(&token.word)
                || self.lexicon.roles.soft_breaks.contains(&token.word)
        };
        let joined = head > 0 && self.tokens.get(first).is_some_and(joins);
        Some((first + usize::from(joined), at + tail - 1))
    }

    fn slice(&self, first: usize, last: usize) -> Option<&str> {
        if first > last {
            return None;
        }
        self.text.get(self.tokens.get(first)?.start..self.tokens.get(last)?.end)
    }

    fn emotions(&self, hits: &[Hit<'_>]) -> EmotionalState {
        let mut state = EmotionalState { primary_emotion: "neutral".to_owned(), ..EmotionalState::default() };
        for hit in hits {
            let Some(emotion) = &hit.rule.emotion else { continue };
            let intensity = self.intensity(hit, emotion.intensity);
            if !state.categories.contains(&emotion.group) {
                state.categories.push(emotion.group.clone());
            }
            if intensity > state.intensity {
                state.intensity = intensity;
                state.primary_emotion.clone_from(&emotion.group);
            }
        }
        state
    }

    /// The word's own intensity, changed by the two words before it.
    fn intensity(&self, hit: &Hit<'_>, own: u8) -> u8 {
        let before = self.tokens.get(hit.at.saturating_sub(2)..hit.at).unwrap_or_default();
        let roles = &self.lexicon.roles;
        let stronger = before.iter().any(|token| roles.stronger.contains(&token.word));
        let weaker = before.iter().any(|token| roles.weaker.contains(&token.word));
        (own + u8::from(stronger)).saturating_sub(u8::from(weaker)).clamp(1, 3)
    }

    fn detection(&self, hits: &[Hit<'_>], signal: &str, signals: &Signals) -> Detection {
        let mut phrases_found: Vec<String> = Vec::new();
        for hit in hits.iter().filter(|hit| hit.rule.signal == signal) {
            let phrase = self.slice(hit.at, hit.at + hit.len - 1).unwrap_or_default().to_lowercase();
            if phrases_found.len() < SHOWN_MAX && !phrases_found.iter().any(|found| found.contains(&phrase)) {
                phrases_found.push(phrase);
            }
        }
        let detected = !phrases_found.is_empty();
        let context = match (detected, signals.has("dont_know")) {
            (false, _) => "none",
            (true, true) => "alone",
            (true, false) => "with_answer",
        };
        Detection { detected, phrases_found, context }
    }
}

/// `when he calls I freeze` without what comes after the call. The rule's own words are never cut.
fn before_main_clause<'t>(part: &'t str, rule: &FactRule) -> &'t str {
    let mut before = "";
    for (number, (at, word)) in part
        .split(' ')
        .scan(0, |at, word| {
            let start = *at;
            *at += word.len() + 1;
            Some((start, word))
        })
        .enumerate()
    {
        let is = |list: &[String], word: &str| list.iter().any(|listed| listed.eq_ignore_ascii_case(word));
        if number > 2 && is(&rule.until, word) && !is(&rule.joints, before) {
            return part.get(..at).unwrap_or(part).trim_end();
        }
        before = word;
    }
    part
}

/// Whether a phrase stands at a word: all its words in one clause, and at its anchor.
fn stands(phrase: &Phrase, tokens: &[Token], at: usize) -> bool {
    let Some(found) = tokens.get(at..at + phrase.words.len()) else { return false };
    let clause = found.first().map(|token| token.clause);
    let same = found
        .iter()
        .zip(&phrase.words)
        .all(|(token, &word)| token.word == word && Some(token.clause) == clause);
    let outside = |token: Option<&Token>| token.map(|token| token.clause) != clause;
    let begins = || outside(at.checked_sub(1).and_then(|before| tokens.get(before)));
    let ends = || outside(tokens.get(at + phrase.words.len()));
    same && match phrase.anchor {
        Anchor::Anywhere => true,
        Anchor::Start => begins(),
        Anchor::Whole => begins() && ends(),
    }
}

fn note(signals: &mut Signals, signal: &str, rule: &str) {
    if !signals.has(signal) {
        signals.found.push(Found { signal: signal.to_owned(), rule: rule.to_owned() });
    }
}

/// Straight quotes, single spaces, nothing invisible.
fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\u{2018}' | '\u{2019}' | '\u{02BC}' | '`' => cleaned.push('\''),
            '\u{201C}' | '\u{201D}' => cleaned.push('"'),
            '\u{AD}'
            | '\u{61C}'
            | '\u{180E}'
            | '\u{200B}'..='\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}'
            | '\u{FEFF}' => {}
            space if space.is_whitespace() || space.is_control() => {
                if !cleaned.is_empty() && !cleaned.ends_with(' ') {
                    cleaned.push(' ');
                }
            }
            letter => cleaned.push(letter),
        }
    }
    cleaned.truncate(cleaned.trim_end().len());
    cleaned
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
