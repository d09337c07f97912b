//! Many patterns at once, each with what it means, found by the words with which they begin. Knows nothing of what the
//! meanings are.

use std::collections::BTreeMap;

use super::fault::Faults;
use super::lexicon::{Lexicon, Token, WORD_MAX, Word};
use super::pattern::{Classes, Pattern, hole};
use super::sentences::sentences;

/// How many of a pattern's needs are looked at.
const NEEDS_MAX: usize = 32;

/// A stretch of words, and what it means.
#[derive(Debug, Clone, Copy)]
pub(super) struct Match<M> {
    pub meaning: M,
    pub start: usize,
    pub end: usize,
}

/// A pattern that can begin with a word, and what can stand behind it.
#[derive(Clone, Copy)]
struct Candidate {
    pattern: usize,
    second_words: u64,
}

/// Patterns, and by which word they can begin.
pub(super) struct Phrases<M> {
    all: Vec<(M, Pattern)>,
    /// For each word, the patterns that can begin with it.
    beginning_with: Vec<Vec<Candidate>>,
    /// For each word, the patterns that need it or one like it, and which of their needs it meets.
    needing: Vec<Vec<(u32, u32)>>,
    /// For each pattern, all of its needs.
    needs: Vec<u32>,
}

impl<M: Copy> Phrases<M> {
    pub(super) const fn new() -> Self {
        Self { all: Vec::new(), beginning_with: Vec::new(), needing: Vec::new(), needs: Vec::new() }
    }

    /// Every match, in the order of the words.
    pub(super) fn matches(&self, tokens: &[Token], work: &mut u64) -> Vec<Match<M>> {
        self.matches_of(tokens, work, |_| true)
    }

    /// The same for what is `wanted` alone: the other patterns are not tried.
    pub(super) fn matches_of(
        &self,
        tokens: &[Token],
        work: &mut u64,
        wanted: impl Fn(M) -> bool,
    ) -> Vec<Match<M>> {
        let mut found = Vec::new();
        let mut met = vec![0; self.needs.len()];
        for sentence in sentences(tokens) {
            self.note_needs(&tokens[sentence.clone()], &mut met, |met, need| *met |= need);
            for start in sentence.clone() {
                let next = tokens.get(start + 1).map_or(u64::MAX, |next| hole(next.word));
                let is_possible = |it: &&Candidate| {
                    it.second_words & next != 0 && met[it.pattern] == self.needs[it.pattern]
                };
                for candidate in self.candidates(tokens[start].word).iter().filter(is_possible) {
                    let (meaning, pattern) = &self.all[candidate.pattern];
                    if !wanted(*meaning) {
                        continue;
                    }
                    *work += 1;
                    if let Some(end) = pattern.end_of_match(tokens, start, work) {
                        found.push(Match { meaning: *meaning, start, end });
                    }
                }
            }
            self.note_needs(&tokens[sentence], &mut met, |met, _| *met = 0);
        }
        found
    }

    fn candidates(&self, word: Word) -> &[Candidate] {
        self.beginning_with.get(usize::from(word)).map_or(&[][..], |them| them)
    }

    /// For each pattern, which of its needs the words of a sentence meet: most patterns are out before they are tried, and
    /// no match runs over the end of a sentence.
    fn note_needs(&self, sentence: &[Token], met: &mut [u32], note: impl Fn(&mut u32, u32)) {
        for token in sentence {
            for &(pattern, need) in self.needing.get(usize::from(token.word)).map_or(&[][..], |them| them) {
                note(&mut met[pattern as usize], need);
            }
        }
    }

    /// Compiles a pattern and takes it in. The error quotes it and says what is wrong with it.
    pub(super) fn learn(
        &mut self,
        meaning: M,
        source: &str,
        classes: &Classes,
        lexicon: &mut Lexicon,
    ) -> Result<(), String> {
        let (first, pattern) = Pattern::parse(source, classes, lexicon)
            .and_then(|pattern| Ok((pattern.first_words()?, pattern)))
            .map_err(|problem| format!("\"{source}\" {problem}"))?;
        self.add(meaning, pattern, &first);
        Ok(())
    }

    fn add(&mut self, meaning: M, pattern: Pattern, first: &[Word]) {
        let nth = self.all.len();
        let number = u32::try_from(nth).unwrap_or(u32::MAX);
        let candidate = Candidate { pattern: nth, second_words: pattern.second_words() };
        for &word in first {
            place(&mut self.beginning_with, word).push(candidate);
        }
        let mut all = 0;
        for (bit, words) in pattern.needs().iter().take(NEEDS_MAX).enumerate() {
            all |= 1 << bit;
            for &word in words {
                place(&mut self.needing, word).push((number, 1 << bit));
            }
        }
        self.needs.push(all);
        self.all.push((meaning, pattern));
    }
}

fn place<T>(by_word: &mut Vec<Vec<T>>, word: Word) -> &mut Vec<T> {
    let word = usize::from(word);
    if by_word.len() <= word {
        by_word.resize_with(word + 1, Vec::new);
    }
    &mut by_word[word]
}

/// A lexicon with these spellings in it. A meaning may not hold a spelling itself.
pub(super) fn lexicon_with(spellings: &BTreeMap<String, String>, faults: &mut Faults) -> Lexicon {
    let mut lexicon = Lexicon::new();
    for (spelling, meaning) in spellings {
        lexicon.spell(spelling, meaning);
    }
    for (spelling, meaning) in spellings {
        let misspelt = |word: &&str| *word != spelling && spellings.contains_key(*word);
        if let Some(word) = meaning.split_whitespace().find(misspelt) {
            faults.add(spelling.as_str(), format!("means {word}, which is a spelling itself"));
        }
    }
    for spelling in spellings.keys().filter(|spelling| spelling.len() > WORD_MAX) {
        faults.add(spelling.as_str(), "is longer than a word may be");
    }
    lexicon
}
