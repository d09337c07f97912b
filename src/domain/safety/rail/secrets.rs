//! What must not leak: the canary in any disguise, and the instructions by the word.
//!
//! Only windows and hashes of them are kept; they are neither printed nor compared with anything but replies.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::fold::fold;

/// How many characters of the canary in a row give it away.
const WINDOW: usize = 8;
/// How many words of the instructions in a row give them away.
const RUN: usize = 8;

/// What must not be said.
pub struct Secrets {
    /// Of the canary forwards and backwards, folded.
    plain: HashSet<[u8; WINDOW]>,
    /// Of the same in base64, where case counts.
    encoded: HashSet<[u8; WINDOW]>,
    runs: HashSet<u64>,
    words: RandomState,
}

/// What of a reply is remembered for it: its last characters and words, in which a leak may have begun.
#[derive(Clone, Default)]
pub(super) struct Trail {
    plain: Window,
    encoded: Window,
    words: [u64; RUN],
    words_count: usize,
}

#[derive(Clone, Copy, Default)]
struct Window {
    last: [u8; WINDOW],
    count: usize,
}

impl Secrets {
    /// `canary` is what the system prompt holds to be watched for; `instructions` is what may not be repeated, which
    /// need not be all of the prompt: whatever the model may say by the word should not be in it.
    #[must_use]
    pub fn new(canary: &str, instructions: &str) -> Self {
        let canary = fold(canary);
        let reversed: String = canary.chars().rev().collect();
        let mut secrets = Self {
            plain: HashSet::new(),
            encoded: HashSet::new(),
            runs: HashSet::new(),
            words: RandomState::new(),
        };
        for form in [&canary, &reversed] {
            secrets.plain.extend(windows(form));
            for cased in [form.clone(), form.to_ascii_uppercase()] {
                (0..3).for_each(|offset| secrets.encoded.extend(windows(&encoded(&cased, offset))));
            }
        }
        let mut trail = Trail::default();
        for word in words(&fold(instructions)) {
            if let Some(run) = trail.run_with(secrets.hash(word)) {
                secrets.runs.insert(run);
            }
        }
        secrets
    }

    /// Whether a secret comes out with the next sentence, which the trail then remembers.
    pub(super) fn leak_in(&self, sentence: &str, trail: &mut Trail) -> bool {
        let folded = fold(sentence);
        let mut leaks = false;
        for byte in alphanumerics(&folded) {
            leaks |= trail.plain.with(byte).is_some_and(|window| self.plain.contains(&window));
        }
        for byte in alphanumerics(sentence) {
            leaks |= trail.encoded.with(byte).is_some_and(|window| self.encoded.contains(&window));
        }
        for word in words(&folded) {
            leaks |= trail.run_with(self.hash(word)).is_some_and(|run| self.runs.contains(&run));
        }
        leaks
    }

    fn hash(&self, word: &str) -> u64 {
        self.words.hash_one(word)
    }
}

impl Trail {
    /// The last words with this one, as one number, once there are enough of them.
    fn run_with(&mut self, word: u64) -> Option<u64> {
        self.words.rotate_left(1);
        self.words[RUN - 1] = word;
        self.words_count = (self.words_count + 1).min(RUN);
        let joined = self
            .words
            .iter()
            .fold(0_u64, |sum, word| sum.rotate_left(7).wrapping_mul(0x0100_0000_01b3) ^ word);
        (self.words_count == RUN).then_some(joined)
    }
}

impl Window {
    fn with(&mut self, byte: u8) -> Option<[u8; WINDOW]> {
        self.last.rotate_left(1);
        self.last[WINDOW - 1] = byte;
        self.count = (self.count + 1).min(WINDOW);
        (self.count == WINDOW).then_some(self.last)
    }
}

fn windows(text: &str) -> Vec<[u8; WINDOW]> {
    let mut window = Window::default();
    alphanumerics(text).filter_map(|byte| window.with(byte)).collect()
}

/// The part of a text's base64 that does not depend on what stands around it, `offset` bytes behind a block's start.
fn encoded(text: &str, offset: usize) -> String {
    let mut whole = STANDARD.encode([vec![0; offset], text.as_bytes().to_vec()].concat());
    let sextets = (offset + text.len()) * 8 / 6;
    whole.truncate(sextets);
    whole.split_off((offset * 8).div_ceil(6))
}

fn alphanumerics(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().filter(u8::is_ascii_alphanumeric)
}

fn words(folded: &str) -> impl Iterator<Item = &str> {
    folded
        .split(|letter: char| !letter.is_alphanumeric() && letter != '\'')
        .map(|word| word.trim_matches('\''))
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::{Secrets, Trail};
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    const CANARY: &str = "3f9a0c77be51d2086e4a91fc";
    const INSTRUCTIONS: &str =
        "Speak warmly to the person. Ask exactly one question about the body, never two at once.";

    fn leaks(sentences: &[&str]) -> bool {
        let (secrets, mut trail) = (Secrets::new(CANARY, INSTRUCTIONS), Trail::default());
        sentences.iter().any(|sentence| secrets.leak_in(sentence, &mut trail))
    }

    #[test]
    fn the_canary_is_seen_in_every_disguise() {
        let upper = CANARY.to_uppercase();
        let reversed: String = CANARY.chars().rev().collect();
        let spaced: String = CANARY.chars().flat_map(|letter| [letter, '-', ' ']).collect();
        let invisible: String = CANARY.chars().flat_map(|letter| [letter, '\u{200b}']).collect();
        for disguised in [CANARY, &upper, &reversed, &spaced, &invisible] {
            assert!(leaks(&[&format!("It is {disguised}, so.")]), "{disguised}");
        }
        for from in 0..=CANARY.len() - 8 {
            assert!(leaks(&[&CANARY[from..from + 8]]));
        }
    }

    #[test]
    fn the_canary_is_seen_in_base64_wherever_it_begins() {
        for before in ["", "a", "ab", "abc"] {
            assert!(leaks(&[&STANDARD.encode(format!("{before}{CANARY}xyz"))]), "{before}");
        }
    }

    #[test]
    fn the_canary_is_seen_in_pieces_over_many_sentences() {
        assert!(leaks(&["3f.", "9a.", "0c.", "77."]));
        assert!(!leaks(&["3f.", "9a.", "and then", "0c.", "77."]));
    }

    #[test]
    fn eight_words_of_the_instructions_in_a_row_are_seen_and_seven_are_not() {
        assert!(leaks(&["So I ASK exactly one, question about", "the body. Never mind."]));
        assert!(!leaks(&["Ask exactly one question about the body, and rest."]));
    }
}
