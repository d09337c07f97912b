//! Keeps what a model only thinks, between `<think>` and `</think>` at a reply's start, out of the reply.

const OPENING: &str = "<think>";
const CLOSING: &str = "</think>";

/// A reply's text passes through it in pieces. White space at the reply's start is dropped, so that a reply without a
/// word is no piece at all.
#[derive(Default)]
pub(super) struct Spoken {
    phase: Phase,
    /// What cannot be judged yet: a few bytes.
    held: String,
}

#[derive(Default)]
enum Phase {
    #[default]
    Start,
    Thinking,
    Speaking,
}

impl Spoken {
    /// What of it is said; never empty.
    pub(super) fn push(&mut self, text: String) -> Option<String> {
        if matches!(self.phase, Phase::Speaking) {
            return Some(text).filter(|text| !text.is_empty());
        }
        self.held.push_str(&text);
        while self.step() {}
        matches!(self.phase, Phase::Speaking).then(|| std::mem::take(&mut self.held))
    }

    /// What was held when the reply ended: the start of a tag that never became one.
    pub(super) fn rest(&mut self) -> Option<String> {
        let rest = std::mem::take(&mut self.held);
        (matches!(self.phase, Phase::Start) && !rest.is_empty()).then_some(rest)
    }

    /// True when it got to another phase that may judge the rest.
    fn step(&mut self) -> bool {
        match self.phase {
            Phase::Start => self.start(),
            Phase::Thinking => self.think(),
            Phase::Speaking => false,
        }
    }

    fn start(&mut self) -> bool {
        let begin = self.held.len() - self.held.trim_start().len();
        self.held.drain(..begin);
        if OPENING.starts_with(&self.held) && self.held.len() < OPENING.len() {
            return false;
        }
        if self.held.starts_with(OPENING) {
            self.held.drain(..OPENING.len());
            self.phase = Phase::Thinking;
        } else {
            self.phase = Phase::Speaking;
        }
        true
    }

    fn think(&mut self) -> bool {
        if let Some(at) = self.held.find(CLOSING) {
            self.held.drain(..at + CLOSING.len());
            self.phase = Phase::Start;
            return true;
        }
        // The closing tag may have begun in the last bytes.
        let keep = self.held.len().saturating_sub(CLOSING.len() - 1);
        self.held.drain(..self.held.floor_char_boundary(keep));
        false
    }
}
