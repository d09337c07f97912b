//! What the weight of the words takes from a sign that a rule has found, where all of these weigh against it: the few words
//! around it, its sentence, and the whole text. What would pause asks a question, what would ask is silent. So no amount of
//! small talk hides what somebody says plainly; and what stands beside a doubted sign still does.

use std::ops::Range;

use super::level::Level;

/// Which signs are doubted: those that would ask a question, those that would pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Doubt {
    pub(super) asking: bool,
    pub(super) pausing: bool,
}

impl Doubt {
    const fn lowered(self, level: Level) -> Level {
        match level {
            Level::High | Level::Crisis if self.pausing => Level::Elevated,
            Level::Elevated if self.asking => Level::None,
            Level::None | Level::Elevated | Level::High | Level::Crisis => level,
        }
    }
}

/// What is doubted, by the words of the sign, in their order; nothing that was not weighed.
pub(super) struct Doubts {
    signs: Vec<(Range<usize>, Doubt)>,
    /// Lookups that it took.
    pub(super) work: u64,
}

impl Doubts {
    pub(super) const fn none() -> Self {
        Self { signs: Vec::new(), work: 0 }
    }

    /// Of signs by their words, in their order, which it took so much work to weigh.
    pub(super) const fn of(signs: Vec<(Range<usize>, Doubt)>, work: u64) -> Self {
        Self { signs, work }
    }

    /// What a sign of a level counts that spans these words: less where it is doubted.
    pub(super) fn lowered(&self, level: Level, words: &Range<usize>) -> Level {
        let place =
            self.signs.binary_search_by_key(&(words.start, words.end), |(sign, _)| (sign.start, sign.end));
        place.ok().and_then(|at| self.signs.get(at)).map_or(level, |(_, doubt)| doubt.lowered(level))
    }
}
