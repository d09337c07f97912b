//! A reply while the model writes it: what may go out, and where it has to stop.

use std::sync::Arc;

use super::super::fold::fold;
use super::class::Class;
use super::machine::is_machine;
use super::rules::Rail;
use super::secrets::{Secrets, Trail};
use super::sentence::end_of_first;

/// A sentence of fewer words is remembered together with what stood before it, so that nothing is said in bits.
const WORDS_FEW: usize = 6;
/// More than this in one go, in bytes, is no sentence: the model rambles. Less than what is held at most.
const SENTENCE_MAX: usize = 500;
/// How much is remembered behind such a sentence, in bytes.
const BEFORE_MAX: usize = 200;

/// What may go out now.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Release {
    /// Whole checked sentences, exactly as they were written.
    pub text: String,
    /// What the sentence behind them would have said. Nothing goes out after that.
    pub stopped: Option<Class>,
}

/// One reply of a model, read as it comes.
pub struct Reading {
    rail: Arc<Rail>,
    secrets: Arc<Secrets>,
    /// Written and not yet checked.
    held: String,
    /// What went out last: a sentence, and short ones with those before them.
    before: String,
    trail: Trail,
    stopped: Option<Class>,
}

impl Rail {
    /// Begins to read a reply that must not tell `secrets`.
    #[must_use]
    pub fn read(self: &Arc<Self>, secrets: &Arc<Secrets>) -> Reading {
        Reading {
            rail: Arc::clone(self),
            secrets: Arc::clone(secrets),
            held: String::new(),
            before: String::new(),
            trail: Trail::default(),
            stopped: None,
        }
    }
}

impl Reading {
    /// Takes more of what the model wrote, and gives what may go out of it. However the text is cut into chunks, the
    /// same is released in all, and it stops at the same sentence.
    #[must_use]
    pub fn push(&mut self, chunk: &str) -> Release {
        if self.stopped.is_some() {
            return self.release(String::new());
        }
        let mut held = std::mem::take(&mut self.held);
        held.push_str(chunk);
        let mut checked = 0;
        while let Some(length) = end_of_first(&held[checked..]) {
            if !self.passes(&held[checked..checked + length]) {
                held.truncate(checked);
                return self.release(held);
            }
            checked += length;
        }
        self.held = held.split_off(checked);
        self.release(held)
    }

    /// The model is done: gives the rest, checked.
    #[must_use]
    pub fn finish(&mut self) -> Release {
        let rest = std::mem::take(&mut self.held);
        let passes = self.stopped.is_none() && self.passes(&rest);
        self.release(if passes { rest } else { String::new() })
    }

    const fn release(&self, text: String) -> Release {
        Release { text, stopped: self.stopped }
    }

    fn passes(&mut self, sentence: &str) -> bool {
        self.stopped = self.verdict(sentence);
        self.remember(sentence);
        self.stopped.is_none()
    }

    fn verdict(&mut self, sentence: &str) -> Option<Class> {
        if self.secrets.leak_in(sentence, &mut self.trail) {
            return Some(Class::Leak);
        }
        let joined = [self.before.as_str(), sentence].concat();
        if sentence.len() > SENTENCE_MAX || is_machine(&joined, sentence) {
            return Some(Class::Machine);
        }
        let mut folded = readable(&self.before);
        let seam = folded.len();
        folded.push_str(&readable(sentence));
        self.rail.verdict(&folded, seam)
    }

    fn remember(&mut self, sentence: &str) {
        if sentence.split_whitespace().nth(WORDS_FEW - 1).is_some() {
            self.before.clear();
        }
        self.before.push_str(sentence);
        if sentence.len() < BEFORE_MAX && self.before.len() > BEFORE_MAX {
            let from = self.before.floor_char_boundary(self.before.len() - BEFORE_MAX);
            let gap = self.before[from..].find(char::is_whitespace).map_or(0, |gap| from + gap);
            self.before.drain(..gap);
        }
    }
}

/// Folded for the rules, with a space between a number and its unit.
fn readable(text: &str) -> String {
    let folded = fold(text);
    let mut spaced = String::with_capacity(folded.len() + 8);
    let (mut last, mut in_number) = (' ', false);
    for letter in folded.chars() {
        let is_digit = letter.is_ascii_digit();
        if in_number && letter.is_alphabetic() {
            spaced.push(' ');
        }
        in_number = is_digit && (in_number || !last.is_alphanumeric());
        spaced.push(letter);
        last = letter;
    }
    spaced
}
