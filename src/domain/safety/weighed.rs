//! A text that was weighed whole, sentence by sentence and around its signs. Decides nothing about levels.

use std::ops::Range;

use super::doubt::Doubts;
use super::lexicon::{Boundary, Token};
use super::plain::Plain;
use super::scale::{Weighing, Weight};
use super::screen::Hit;

/// Signs of a text that are weighed by themselves; those behind them count whole.
const SIGNS_MAX: usize = 200;
/// How many words before and behind a sign are weighed with it.
const AROUND: usize = 4;

/// A text as it was weighed, and its words.
pub(super) struct Weighed<'t> {
    pub(super) plain: &'t Plain<'t>,
    pub(super) tokens: &'t [Token],
    pub(super) weighing: &'t Weighing<'t>,
}

impl<'t> Weighed<'t> {
    pub(super) fn of(
        plain: Option<&'t Plain<'t>>,
        tokens: &'t [Token],
        weighing: Option<&'t Weighing<'t>>,
    ) -> Option<Self> {
        plain.zip(weighing).map(|(plain, weighing)| Self { plain, tokens, weighing })
    }

    /// Which of the signs, each given by its words and in order, are doubted.
    pub(super) fn doubts(&self, signs: impl Iterator<Item = Range<usize>>) -> Doubts {
        if !self.weighing.may_doubt() {
            return Doubts::none();
        }
        let (mut doubts, mut work) = (Vec::new(), 0);
        let mut sentence = (0..0, Weight::default());
        for sign in signs.take(SIGNS_MAX) {
            if !sentence.0.contains(&sign.start) {
                let words = self.sentence(sign.start);
                sentence = (words.clone(), self.weight(&words, &mut work));
            }
            let (words, weight) = &sentence;
            let first = sign.start.saturating_sub(AROUND).max(words.start);
            let around = first..(sign.end + AROUND).min(words.end);
            let weight = self.weight(&around, &mut work).max(*weight);
            doubts.push((sign, self.weighing.doubt_of(weight)));
        }
        Doubts::of(doubts, work)
    }

    /// What the text is a sign of by its weight alone, without the sentences in which these signs stand, given in order.
    pub(super) fn sign_outside(&self, signs: impl Iterator<Item = Range<usize>>) -> Option<Hit> {
        let (mut rest, mut next) = (String::new(), 0);
        for sign in signs {
            if sign.start < next {
                continue;
            }
            let words = self.sentence(sign.start);
            rest.push_str(self.text(&(next..words.start)));
            next = words.end;
        }
        rest.push_str(self.text(&(next..self.tokens.len())));
        self.weighing.weigh_part(&rest).sign()
    }

    /// The words of the sentence in which a word stands.
    fn sentence(&self, word: usize) -> Range<usize> {
        let begins = |at: &usize| self.tokens[*at].before == Boundary::Sentence;
        let start = (1..=word).rev().find(begins).unwrap_or(0);
        let end = (word + 1..self.tokens.len()).find(begins).unwrap_or(self.tokens.len());
        start..end
    }

    fn text(&self, words: &Range<usize>) -> &str {
        let place = |word: usize| {
            self.tokens.get(word).map_or(self.plain.text.len(), |token| self.plain.place(token.start))
        };
        self.plain.text.get(place(words.start)..place(words.end)).unwrap_or_default()
    }

    fn weight(&self, words: &Range<usize>, work: &mut u64) -> Weight {
        let weighing = self.weighing.weigh_part(self.text(words));
        *work += weighing.work;
        weighing.weight
    }
}

#[cfg(test)]
mod tests {
    use super::super::level::Level;
    use super::super::lexicon::Lexicon;
    use super::super::scale::Scale;
    use super::super::scale::tests::TINY;
    use super::*;

    /// What a sign of a level counts that is the word with this number.
    fn lowered(text: &str, level: Level, word: usize) -> Level {
        let (scale, mut lexicon) = (Scale::parse(TINY).expect("well-formed"), Lexicon::new());
        lexicon.learn("rope");
        let tokens = lexicon.read(text);
        let plain = Plain::of(text, &tokens, &lexicon, &scale);
        let weighed = Weighed { plain: &plain, tokens: &tokens, weighing: &scale.weigh(&plain.text) };
        let sign = word..word + 1;
        weighed.doubts(std::iter::once(sign.clone())).lowered(level, &sign)
    }

    #[test]
    fn a_sign_counts_less_where_nothing_around_it_weighs_for_it() {
        let talk = "homework so ".repeat(6);
        assert_eq!(lowered(&talk, Level::Crisis, 0), Level::Elevated);
        assert_eq!(lowered(&talk, Level::Elevated, 0), Level::None);
        assert_eq!(lowered("homework so", Level::Crisis, 0), Level::Crisis, "a few words say too little");
        assert_eq!(lowered(&format!("{talk}. rope"), Level::Crisis, 12), Level::Crisis, "its own sentence");
        let strange = "homework mine here ".repeat(6);
        assert_eq!(lowered(&strange, Level::High, 0), Level::High, "too little is known");
        assert_eq!(Doubts::none().lowered(Level::High, &(7..8)), Level::High);
    }

    #[test]
    fn a_sign_of_the_weight_is_looked_for_outside_of_given_sentences() {
        let sign_beside = |text: &str, word: usize| {
            let (scale, lexicon) = (Scale::parse(TINY).expect("well-formed"), Lexicon::new());
            let tokens = lexicon.read(text);
            let plain = Plain::of(text, &tokens, &lexicon, &scale);
            let weighed = Weighed { plain: &plain, tokens: &tokens, weighing: &scale.weigh(&plain.text) };
            let sign = weighed.sign_outside(std::iter::once(word..word + 1));
            sign.map(|sign| sign.phrase)
        };
        assert_eq!(sign_beside("they have a rope. they have homework", 0), None);
        assert_eq!(sign_beside("they have homework. they have a rope", 0).as_deref(), Some("rope"));
        assert_eq!(sign_beside("they have a rope there. they have a home", 5).as_deref(), Some("rope"));
    }

    #[test]
    fn no_amount_of_small_talk_in_the_same_sentence_outweighs_the_words_around_a_sign() {
        let talk = "homework so ".repeat(50);
        assert_eq!(lowered(&talk, Level::Crisis, 50), Level::Elevated, "small talk alone");
        assert_eq!(lowered(&format!("{talk}rope {talk}"), Level::Crisis, 100), Level::Crisis);
    }
}
