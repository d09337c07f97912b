//! The sentences of a text, each by its words. A pattern never matches over the end of one.

use std::ops::Range;

use super::lexicon::{Boundary, Token};

/// Each sentence in turn.
pub(super) fn sentences(tokens: &[Token]) -> impl Iterator<Item = Range<usize>> {
    let mut begin = 0;
    tokens.chunk_by(|_, next| next.before < Boundary::Sentence).map(move |words| {
        let sentence = begin..begin + words.len();
        begin = sentence.end;
        sentence
    })
}

/// All sentences of a text, to look up.
pub(super) struct Sentences(Vec<Range<usize>>);

impl Sentences {
    pub(super) fn of(tokens: &[Token]) -> Self {
        Self(sentences(tokens).collect())
    }

    /// The sentence in which a word stands.
    pub(super) fn with(&self, word: usize) -> Range<usize> {
        let place = self.0.partition_point(|sentence| sentence.end <= word);
        self.0.get(place).cloned().unwrap_or_default()
    }
}
