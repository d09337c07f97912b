//! A text as it is weighed: words that the scale does not know are written as the rules read them, so that who writes
//! `k!ll` is weighed for what they mean.

use std::borrow::Cow;

use super::lexicon::{Lexicon, NUMBER, Token};
use super::scale::Scale;

pub(super) struct Plain<'t> {
    pub(super) text: Cow<'t, str>,
    /// From which place of the folded text on, and by how much, places lie further on here.
    shifts: Vec<(usize, isize)>,
}

impl<'t> Plain<'t> {
    /// Reads a folded text, of which `tokens` are the words. Most texts stand as they are.
    pub(super) fn of(folded: &'t str, tokens: &[Token], lexicon: &Lexicon, scale: &Scale) -> Self {
        let (mut text, mut shifts, mut copied) = (String::new(), Vec::new(), 0);
        for (nth, token) in tokens.iter().enumerate() {
            // A spelling may stand for several words, which all lie where it does.
            let is_done = token.start < copied;
            if token.word <= NUMBER || is_done || scale.knows(&folded[token.start..token.end]) {
                continue;
            }
            text.push_str(&folded[copied..token.start]);
            for (at, word) in tokens[nth..].iter().take_while(|other| other.start == token.start).enumerate()
            {
                text.push_str(if at > 0 { " " } else { "" });
                text.push_str(lexicon.name(word.word));
            }
            copied = token.end;
            shifts.push((copied, text.len().cast_signed() - copied.cast_signed()));
        }
        if shifts.is_empty() {
            return Self { text: Cow::Borrowed(folded), shifts };
        }
        text.push_str(&folded[copied..]);
        Self { text: Cow::Owned(text), shifts }
    }

    /// Where a place of the folded text lies, which is no place within a word that was replaced.
    pub(super) fn place(&self, at: usize) -> usize {
        let before = self.shifts.partition_point(|(from, _)| *from <= at);
        at.saturating_add_signed(before.checked_sub(1).map_or(0, |last| self.shifts[last].1))
    }
}

pub(super) fn is_end(letter: char) -> bool {
    matches!(letter, '.' | '!' | '?' | '\n' | ';' | ':')
}

/// A word and where it stands.
pub(super) struct Word<'t> {
    pub(super) text: &'t str,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The first `most` words of a sentence.
pub(super) fn words_of(sentence: &str, most: usize) -> Vec<Word<'_>> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '\'';
    let mut words = Vec::with_capacity(sentence.len() / 5 + 1);
    let mut start = None;
    for (at, letter) in sentence.char_indices().chain([(sentence.len(), ' ')]) {
        match (start, is_word(letter)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                start = None;
                let text = sentence.get(from..at).unwrap_or_default().trim_matches('\'');
                if !text.is_empty() {
                    words.push(Word { text, start: from, end: at });
                }
            }
            (None, false) | (Some(_), true) => {}
        }
        if words.len() == most {
            break;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, Vec<usize>) {
        let scale = Scale::parse("=bias\t0\t0\n=sign\t1\t1\n=doubt\t0\t0\ni\t0\t0\nkill\t0\t0\n")
            .expect("well-formed");
        let mut lexicon = Lexicon::new();
        for word in ["i", "kill", "myself", "end"] {
            lexicon.learn(word);
        }
        lexicon.spell("kms", "kill myself");
        let tokens = lexicon.read(text);
        let plain = Plain::of(text, &tokens, &lexicon, &scale);
        (plain.text.clone().into_owned(), tokens.iter().map(|token| plain.place(token.start)).collect())
    }

    #[test]
    fn words_that_are_not_known_are_written_as_they_are_read() {
        assert_eq!(read("i k1ll you"), ("i kill you".to_owned(), vec![0, 2, 7]));
        assert_eq!(read("i kms, e n d"), ("i kill myself, end".to_owned(), vec![0, 2, 2, 15]));
        assert_eq!(read("i kill, and zebras"), ("i kill, and zebras".to_owned(), vec![0, 2, 8, 12]));
    }
}
