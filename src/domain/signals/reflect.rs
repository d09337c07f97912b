//! A client's words, turned so that Attune can say them back. Where they would sound wrong, nothing is said back.

use super::lexicon::Reflection;

/// The longest reflection, in words and in characters.
const WORDS_MAX: usize = 14;
const CHARS_MAX: usize = 120;

impl Reflection {
    /// `I can't sleep at night` to `you can't sleep at night`; `None` where that would be awkward.
    pub(super) fn reflect(&self, text: &str) -> Option<String> {
        let text = self.without_trailing(text);
        let words: Vec<&str> = text.split_whitespace().collect();
        let fits = (1..=WORDS_MAX).contains(&words.len()) && text.len() <= CHARS_MAX;
        // No digits: a number said back is a date, a telephone or an address more often than a wish.
        let plain = text.chars().all(|c| c.is_alphabetic() || c.is_whitespace() || "'-".contains(c));
        if !fits || !plain {
            return None;
        }
        let mut said: Vec<String> = Vec::with_capacity(words.len());
        for word in words {
            let lower = word.to_lowercase();
            if self.awkward.contains(&lower) {
                return None;
            }
            let word = self.pairs.get(&lower).cloned().unwrap_or_else(|| as_written(word, lower));
            let word = match (said.last().map(String::as_str), word.as_str()) {
                (Some("you"), "am") => "are".to_owned(),
                (Some("you"), "was") => "were".to_owned(),
                _ => word,
            };
            said.push(word);
        }
        Some(said.join(" "))
    }

    fn without_trailing<'t>(&self, text: &'t str) -> &'t str {
        let mut text = text.trim();
        while let Some(rest) = self.trailing.iter().find_map(|end| cut(text, end)) {
            text = rest;
        }
        text
    }
}

/// A name keeps its capital; a shout does not.
fn as_written(word: &str, lower: String) -> String {
    if word.chars().skip(1).any(char::is_uppercase) { lower } else { word.to_owned() }
}

fn cut<'t>(text: &'t str, end: &str) -> Option<&'t str> {
    let at = text.len().checked_sub(end.len())?;
    let tail = text.get(at..)?;
    let head = text.get(..at)?;
    (tail.eq_ignore_ascii_case(end) && head.ends_with(' ')).then(|| head.trim_end())
}

#[cfg(test)]
mod tests {
    use crate::domain::signals::{ENGLISH, Lexicon};

    fn said(text: &str) -> Option<String> {
        Lexicon::parse(ENGLISH).expect("the shipped lexicon").reflection.reflect(text)
    }

    #[test]
    fn the_first_person_becomes_the_second() {
        for (from, to) in [
            ("I can't sleep at night", "you can't sleep at night"),
            ("I am afraid of my boss", "you are afraid of your boss"),
            ("I was alone with myself", "you were alone with yourself"),
            ("to feel calm again please", "to feel calm"),
            ("when Anna shouts at me", "when Anna shouts at you"),
        ] {
            assert_eq!(said(from).as_deref(), Some(to), "{from}");
        }
    }

    #[test]
    fn what_would_sound_wrong_is_not_said_back() {
        for awkward in [
            "to hurt my boss",
            "to starve myself",
            "to punch him",
            "to call Anna on 01632 960123",
            "visit www.example.com",
            "write to me@example.org",
            "you never help me",
            "we fight",
            "I hate my life",
            "a {b}",
            "",
            &"word ".repeat(15),
            &"w".repeat(8_000),
        ] {
            assert_eq!(said(awkward), None, "{awkward}");
        }
    }
}
