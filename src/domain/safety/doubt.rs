//! What the weight of the words takes from a sign that a rule has found, where both the sentence in which it stands and the
//! whole text weigh against it: what would pause asks a question, what would ask is silent. In short texts alone, so that no
//! amount of small talk hides what somebody says; and what stands beside a doubted sign still does.

use super::level::Level;
use super::plain::{Plain, is_end};
use super::scale::Weighing;

/// Sentences of a text that are weighed by themselves; signs behind them count whole.
const SENTENCES_MAX: usize = 1_000;

/// Which signs of a sentence are doubted: those that would ask a question, those that would pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Doubt {
    pub(super) asking: bool,
    pub(super) pausing: bool,
}

/// What is doubted, by where it stands; nothing behind the last sentence that was weighed.
pub(super) struct Doubts<'r> {
    plain: Option<&'r Plain<'r>>,
    /// Those that were weighed, by their ends, in order.
    sentences: Vec<(usize, Doubt)>,
}

impl Doubts<'_> {
    pub(super) const fn none() -> Self {
        Self { plain: None, sentences: Vec::new() }
    }

    /// What a sign of a level counts that stands at a place of the folded text: less where it is doubted.
    pub(super) fn lowered(&self, level: Level, at: usize) -> Level {
        let place = self.plain.map_or(at, |plain| plain.place(at));
        let sentence = self.sentences.partition_point(|(end, _)| *end <= place);
        let doubt = self.sentences.get(sentence).map_or_else(Doubt::default, |(_, doubt)| *doubt);
        match level {
            Level::High | Level::Crisis if doubt.pausing => Level::Elevated,
            Level::Elevated if doubt.asking => Level::None,
            Level::None | Level::Elevated | Level::High | Level::Crisis => level,
        }
    }
}

impl Weighing<'_> {
    /// For each sentence that has one of `places`, whether a sign in it is doubted. `plain` is the text that was weighed; the
    /// places are in the folded text, and in order.
    pub(super) fn doubts<'r>(&self, plain: &'r Plain<'r>, places: impl Iterator<Item = usize>) -> Doubts<'r> {
        if !self.may_doubt() {
            return Doubts::none();
        }
        let mut sentences: Vec<(usize, Doubt)> = Vec::new();
        for place in places.map(|place| plain.place(place)) {
            let is_weighed = sentences.last().is_some_and(|(end, _)| place < *end);
            if is_weighed || sentences.len() == SENTENCES_MAX {
                continue;
            }
            let (before, behind) = plain.text.split_at_checked(place).unwrap_or((&plain.text, ""));
            let start = before.rfind(is_end).unwrap_or(0);
            let end = behind.find(is_end).map_or(plain.text.len(), |length| before.len() + length);
            sentences.push((end, self.doubt_of(&plain.text[start..end])));
        }
        Doubts { plain: Some(plain), sentences }
    }
}

#[cfg(test)]
mod tests {
    use super::super::lexicon::Lexicon;
    use super::super::scale::Scale;
    use super::super::scale::tests::TINY;
    use super::*;

    #[test]
    fn a_sign_counts_less_where_neither_its_sentence_nor_the_text_weighs_for_it() {
        let scale = || Scale::parse(TINY).expect("well-formed");
        let lowered = |text: &str, level, at| {
            let scale = scale();
            let plain = Plain::of(text, &[], &Lexicon::new(), &scale);
            scale.weigh(text).doubts(&plain, [at].into_iter()).lowered(level, at)
        };
        assert_eq!(lowered("homework", Level::Crisis, 0), Level::Elevated);
        assert_eq!(lowered("homework", Level::Elevated, 0), Level::None);
        assert_eq!(
            lowered("homework. rope", Level::Crisis, 10),
            Level::Crisis,
            "its own sentence speaks for it"
        );
        assert_eq!(lowered("homework mine here", Level::High, 0), Level::High, "too little is known");
        let small_talk = "homework so ".repeat(13);
        assert_eq!(
            lowered(&small_talk, Level::Crisis, 0),
            Level::Crisis,
            "nothing is doubted in a long text"
        );
        assert_eq!(Doubts::none().lowered(Level::High, 7), Level::High);
    }
}
