//! A text that was weighed whole, sentence by sentence and around its signs. Decides nothing about levels.

use std::ops::Range;

use super::doubt::Doubts;
use super::lexicon::Token;
use super::plain::Plain;
use super::scale::{Weighing, Weight};
use super::screen::Hit;
use super::sentences::Sentences;

/// Signs of a text that are weighed by themselves; those behind them count whole.
const SIGNS_MAX: usize = 200;
/// How many words before and behind a sign are weighed with it.
const AROUND: usize = 4;

/// A text as it was weighed, and its words.
pub(super) struct Weighed<'t> {
    pub(super) plain: &'t Plain<'t>,
    pub(super) tokens: &'t [Token],
    pub(super) sentences: &'t Sentences,
    pub(super) weighing: &'t Weighing<'t>,
}

impl<'t> Weighed<'t> {
    pub(super) fn of(
        plain: Option<&'t Plain<'t>>,
        tokens: &'t [Token],
        sentences: &'t Sentences,
        weighing: Option<&'t Weighing<'t>>,
    ) -> Option<Self> {
        plain.zip(weighing).map(|(plain, weighing)| Self { plain, tokens, sentences, weighing })
    }

    /// Which of the signs, each given by its words and in order, are doubted.
    pub(super) fn doubts(&self, signs: impl Iterator<Item = Range<usize>>) -> Doubts {
        if !self.weighing.may_doubt() {
            return Doubts::none();
        }
        let mut signs: Vec<Range<usize>> = signs.take(SIGNS_MAX).collect();
        signs.sort_unstable_by_key(|sign| (sign.start, sign.end));
        signs.dedup();
        let (mut doubts, mut work) = (Vec::with_capacity(signs.len()), 0);
        let (mut sentence, mut its_weight) = (0..0, Weight::default());
        for sign in signs {
            if !sentence.contains(&sign.start) {
                sentence = self.sentences.with(sign.start);
                its_weight = self.weight(&sentence, &mut work);
            }
            let first = sign.start.saturating_sub(AROUND).max(sentence.start);
            let around = first..(sign.end + AROUND).min(sentence.end);
            let weight = if around == sentence { its_weight } else { self.weight(&around, &mut work) };
            doubts.push((sign, self.weighing.doubt_of(weight.max(its_weight))));
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
            let words = self.sentences.with(sign.start);
            rest.push_str(self.text(&(next..words.start)));
            next = words.end;
        }
        rest.push_str(self.text(&(next..self.tokens.len())));
        self.weighing.weigh_part(&rest).sign()
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
    use std::iter::once;

    use super::super::level::Level;
    use super::super::lexicon::Lexicon;
    use super::super::scale::Scale;
    use super::super::scale::tests::TINY;
    use super::*;

    /// Reads and weighs a text in which "rope" is a word of the rules.
    fn with_weighed<T>(text: &str, told: impl FnOnce(&Weighed<'_>) -> T) -> T {
        let (scale, mut lexicon) = (Scale::parse(TINY).expect("well-formed"), Lexicon::new());
        lexicon.learn("rope");
        let tokens = lexicon.read(text);
        let plain = Plain::of(text, &tokens, &lexicon, &scale);
        let (sentences, weighing) = (Sentences::of(&tokens), scale.weigh(&plain.text));
        told(&Weighed { plain: &plain, tokens: &tokens, sentences: &sentences, weighing: &weighing })
    }

    /// What a sign of a level counts that is the word with this number.
    fn lowered(text: &str, level: Level, word: usize) -> Level {
        let sign = word..word + 1;
        with_weighed(text, |weighed| weighed.doubts(once(sign.clone())).lowered(level, &sign))
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
            let sign = with_weighed(text, |weighed| weighed.sign_outside(once(word..word + 1)));
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
