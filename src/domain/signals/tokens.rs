//! A text as words in clauses. Letters and digits make words; an apostrophe holds one together; a picture is a word.

use std::collections::HashMap;

/// Stands for every word that no rule mentions.
pub(super) const UNKNOWN: u32 = 0;

/// The words that the rules mention, by number.
#[derive(Debug, Default)]
pub(super) struct Vocabulary(HashMap<Box<str>, u32>);

impl Vocabulary {
    pub(super) fn learn(&mut self, word: &str) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX - 1) + 1;
        *self.0.entry(word.into()).or_insert(next)
    }

    pub(super) fn number(&self, word: &str) -> u32 {
        self.0.get(word).copied().unwrap_or(UNKNOWN)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// A word: where it stands in the text, its number, and the number of its clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub start: usize,
    pub end: usize,
    pub word: u32,
    pub clause: u32,
}

/// Splits a text into words. Clauses end at punctuation; words that break clauses are the reader's to know.
pub(super) fn tokens(text: &str, vocabulary: &Vocabulary) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(text.len() / 4);
    let mut lower = String::new();
    let mut clause = 0;
    let mut chars = text.char_indices().peekable();
    while let Some((start, first)) = chars.next() {
        if !is_wordlike(first) {
            clause += u32::from(ends_clause(first, chars.peek().map(|&(_, next)| next)));
            continue;
        }
        lower.clear();
        lower.extend(first.to_lowercase());
        let mut end = start + first.len_utf8();
        while let Some(&(at, next)) = chars.peek() {
            let joins = next == '\'' && text[at + 1..].chars().next().is_some_and(char::is_alphanumeric);
            if !first.is_alphanumeric() || !(next.is_alphanumeric() || joins) {
                break;
            }
            lower.extend(next.to_lowercase());
            end = at + next.len_utf8();
            chars.next();
        }
        tokens.push(Token { start, end, word: vocabulary.number(&lower), clause });
    }
    tokens
}

/// Letters and digits of any script, and pictures.
fn is_wordlike(letter: char) -> bool {
    letter.is_alphanumeric() || letter >= '\u{1F000}' || ('\u{2600}'..='\u{27BF}').contains(&letter)
}

fn ends_clause(mark: char, next: Option<char>) -> bool {
    match mark {
        '.' | ',' | ';' | ':' | '!' | '?' | '\n' | '…' | '–' | '—' | '(' | ')' | '。' | '，' => true,
        '-' => next.is_none_or(char::is_whitespace),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(&str, u32)> {
        let found = tokens(text, &Vocabulary::default());
        found.iter().map(|token| (&text[token.start..token.end], token.clause)).collect()
    }

    #[test]
    fn an_apostrophe_holds_a_word_together_and_a_quote_does_not() {
        assert_eq!(words("I don't 'know'"), [("I", 0), ("don't", 0), ("know", 0)]);
    }

    #[test]
    fn punctuation_parts_clauses_and_a_hyphen_in_a_word_does_not() {
        assert_eq!(words("well-being, yes"), [("well", 0), ("being", 0), ("yes", 1)]);
        assert_eq!(words("no - yes"), [("no", 0), ("yes", 1)]);
    }

    #[test]
    fn dots_and_blanks_have_no_words_and_a_picture_is_one() {
        assert_eq!(words(" ... \t"), []);
        assert_eq!(words("👍").len(), 1);
    }
}
