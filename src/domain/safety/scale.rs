//! What a text's words weigh for danger all together, as learned from labelled messages: a second opinion beside the rules.
//!
//! Enough weight is a sign by itself, where it says more than the rules. Where it speaks against a rule's sign, it may be
//! [doubt](super::doubt).
//!
//! The weights are data (`prompts/safety/weights.en.tsv`), made by `scripts/weigh`. Deterministic: the same text weighs the
//! same, in whatever order the file stands.

use std::hash::Hasher as _;
use std::iter::once;
use std::ops::RangeInclusive;

use super::doubt::Doubt;
use super::fault::{Fault, Faults};
use super::gram::{ByGram, hash_of, hash_of_word, joined};
use super::level::Level;
use super::plain::{is_end, words_of};
use super::rules::Tier;
use super::screen::Hit;
use crate::domain::fnv::Fnv;

const FILE: &str = "weights";
/// The ids under which it speaks.
const RULE: &str = "weighed.words";
const RULE_PAUSING: &str = "weighed.pausing";
/// How many words in a row are weighed together, at the most.
const GRAM_MAX: usize = 3;
/// A word that nothing is known of is weighed by its letters, so many in a row; one without end is not.
const LETTERS: RangeInclusive<usize> = 3..=5;
const SPELT_MAX: usize = 40;
/// Words that a text has to have before its weight is a sign, and one that pauses: a bare "goodbye" weighs much and says little.
const WORDS_MIN: usize = 4;
const WORDS_MIN_TO_PAUSE: usize = 8;
/// Words from which on a text is not weighed any further, so that the time it takes has an end.
const WORDS_MAX: usize = 4_000;
/// Known grams for which room is made at first.
const KNOWN_FIRST: usize = 2_048;
/// Stands for the beginning and the end of a sentence, for a word that may be any, and before letters.
const BEGIN: &str = "<";
const END: &str = ">";
const ANY: &str = "_";
const SPELT: &str = "~";
/// The share of its words that has to be known, in tenths, before a text is taken for harmless: what is written in slips
/// or in another language weighs nothing either way.
const KNOWN_TENTHS: usize = 7;

/// Words that a text has to have before anything in it is doubted: fewer say too little against a plain sign.
const DOUBTED_WORDS_MIN: usize = 12;

/// Weights for the two questions: is this danger, and is it danger that pauses.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Weight {
    pub(super) danger: f32,
    pub(super) pausing: f32,
}

impl Weight {
    fn plus(self, other: Self) -> Self {
        Self { danger: self.danger + other.danger, pausing: self.pausing + other.pausing }
    }

    fn times(self, factor: f32) -> Self {
        Self { danger: self.danger * factor, pausing: self.pausing * factor }
    }

    pub(super) fn max(self, other: Self) -> Self {
        Self { danger: self.danger.max(other.danger), pausing: self.pausing.max(other.pausing) }
    }
}

/// What single words, pairs and triples of them, and runs of letters weigh.
pub struct Scale {
    bias: Weight,
    /// From which weight on a text is a sign by itself.
    sign: Weight,
    /// Below which weight a sign that a rule has found counts less.
    doubt: Weight,
    weights: ByGram<Weight>,
}

impl Scale {
    /// Reads lines of a name or gram, its weight for danger, and that for danger that pauses, with tabs between; those that
    /// begin with `#` are notes.
    pub(super) fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::of(FILE);
        let (mut bias, mut sign, mut doubt) = (None, None, None);
        let mut weights = ByGram::default();
        for line in source.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            match parsed(line) {
                Some(("=bias", weight)) => bias = Some(weight),
                Some(("=sign", weight)) => sign = Some(weight),
                Some(("=doubt", weight)) => doubt = Some(weight),
                Some((gram, weight)) => {
                    if weights.insert(hash_of(gram), weight).is_some() {
                        faults.add(gram, "stands twice");
                    }
                }
                None => faults.add(line, "is no gram with its two weights"),
            }
        }
        if let (Some(bias), Some(sign), Some(doubt)) = (bias, sign, doubt) {
            return faults.unless_any(Self { bias, sign, doubt, weights });
        }
        faults.add("=bias, =sign, =doubt", "have to be there");
        Err(faults.told())
    }

    pub(super) fn knows(&self, word: &str) -> bool {
        self.weights.contains_key(&hash_of_word(word))
    }

    /// Weighs a folded text. Each known gram counts once; the sum is divided by the root of their number, so that long
    /// texts weigh no more than short ones.
    pub(super) fn weigh<'t>(&'t self, folded: &'t str) -> Weighing<'t> {
        let mut pan = Pan {
            scale: self,
            known: Vec::with_capacity(folded.len().min(KNOWN_FIRST)),
            words: 0,
            words_known: 0,
            work: 0,
        };
        for sentence in folded.split(is_end) {
            if pan.words >= WORDS_MAX {
                break;
            }
            pan.add(sentence);
        }
        pan.weighing()
    }
}

fn parsed(line: &str) -> Option<(&str, Weight)> {
    let number = |field: &str| field.parse().ok().filter(|weight: &f32| weight.is_finite());
    let (gram, weights) = line.split_once('\t')?;
    let (danger, pausing) = weights.split_once('\t')?;
    Some((gram, Weight { danger: number(danger)?, pausing: number(pausing)? }))
}

/// Which of the two weights is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needle {
    Danger,
    Pausing,
}

/// A text on the scale.
pub(super) struct Weighing<'t> {
    scale: &'t Scale,
    pub(super) weight: Weight,
    /// Lookups that it took.
    pub(super) work: u64,
    words: usize,
    words_known: usize,
    known: Vec<Known<'t>>,
}

/// A gram of a text whose weight is known.
struct Known<'t> {
    hash: u64,
    text: &'t str,
    weight: Weight,
}

impl<'t> Weighing<'t> {
    /// From which weight on it is a sign.
    pub(super) const fn sign_from(&self) -> Weight {
        self.scale.sign
    }

    /// What the text is a sign of by its weight alone; `None` where it is none.
    pub(super) fn sign(&self) -> Option<Hit> {
        if self.words < WORDS_MIN {
            return None;
        }
        let (danger, pausing) =
            (self.weight.danger >= self.scale.sign.danger, self.weight.pausing >= self.scale.sign.pausing);
        let (rule, level, by) = if pausing && self.words >= WORDS_MIN_TO_PAUSE {
            (RULE_PAUSING, Level::High, Needle::Pausing)
        } else if danger || pausing {
            (RULE, Level::Elevated, Needle::Danger)
        } else {
            return None;
        };
        let phrase = self.heaviest(by, 1).concat();
        Some(Hit { rule: rule.to_owned(), tier: Tier::Weighed, level, phrase })
    }

    /// Weighs a part of the text by itself.
    pub(super) fn weigh_part<'p>(&self, part: &'p str) -> Weighing<'p>
    where
        't: 'p,
    {
        self.scale.weigh(part)
    }

    /// What is doubted of a sign around which the words have this weight.
    pub(super) fn doubt_of(&self, around: Weight) -> Doubt {
        let (weight, doubt) = (around.max(self.weight), self.scale.doubt);
        Doubt {
            asking: weight.danger < doubt.danger,
            pausing: weight.danger < 0.0 && weight.pausing < doubt.pausing,
        }
    }

    /// Whether it may be taken for harmless: it has enough words, and enough of them are known.
    pub(super) const fn may_doubt(&self) -> bool {
        self.words >= DOUBTED_WORDS_MIN && self.words_known * 10 >= self.words * KNOWN_TENTHS
    }

    /// The grams that weigh most, heaviest first. The person's own words: they can be neither logged nor stored.
    pub(super) fn heaviest(&self, by: Needle, most: usize) -> Vec<&'t str> {
        let weight = |known: &Known<'t>| match by {
            Needle::Danger => known.weight.danger,
            Needle::Pausing => known.weight.pausing,
        };
        let mut known: Vec<(&str, f32)> =
            self.known.iter().map(|known| (known.text, weight(known))).collect();
        let heavier = |a: &(&str, f32), b: &(&str, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(b.0));
        if most < known.len() {
            known.select_nth_unstable_by(most, heavier);
            known.truncate(most);
        }
        known.sort_unstable_by(heavier);
        known.into_iter().map(|(text, _)| text).collect()
    }
}

/// What lies on the scale so far.
struct Pan<'t> {
    scale: &'t Scale,
    known: Vec<Known<'t>>,
    words: usize,
    words_known: usize,
    work: u64,
}

impl<'t> Pan<'t> {
    /// Every gram of a sentence: one to three words in a row, its ends among them, pairs with one word between, and the
    /// letters of words that are not known.
    fn add(&mut self, sentence: &'t str) {
        let words = words_of(sentence, WORDS_MAX - self.words);
        if words.is_empty() {
            return;
        }
        self.words += words.len();
        let (begin, end, any) = (hash_of_word(BEGIN), hash_of_word(END), hash_of_word(ANY));
        let hashes: Vec<u64> =
            once(begin).chain(words.iter().map(|word| hash_of_word(word.text))).chain(once(end)).collect();
        let slice = |from: usize, to: usize| {
            let first = words.get(from.max(1) - 1).map_or(0, |word| word.start);
            let end = words.get(to.min(words.len()).max(1) - 1).map_or(0, |word| word.end);
            sentence.get(first..end).unwrap_or_default()
        };
        for (from, rest) in (0..hashes.len()).map(|from| (from, &hashes[from..])) {
            if let Some(word) = from.checked_sub(1).and_then(|at| words.get(at)) {
                self.add_word(word.text, rest[0]);
            }
            let mut hash = rest[0];
            for (behind, &next) in rest.iter().enumerate().take(GRAM_MAX).skip(1) {
                hash = joined(hash, next);
                self.lay(hash, || slice(from, from + behind));
            }
            if let (1.., [first, _, third, _, ..]) = (from, rest) {
                self.lay(joined(joined(*first, any), *third), || slice(from, from + 2));
            }
        }
    }

    fn add_word(&mut self, word: &'t str, hash: u64) {
        if self.lay(hash, || word) {
            self.words_known += 1;
        } else if word.len() <= SPELT_MAX {
            self.add_letters(word);
        }
    }

    fn add_letters(&mut self, word: &'t str) {
        // As in the weights: the word between ^ and $.
        let spelt: Vec<u8> = [b"^", word.as_bytes(), b"$"].concat();
        for length in LETTERS {
            for letters in spelt.windows(length) {
                let mut hash = Fnv::default();
                hash.write(SPELT.as_bytes());
                hash.write(letters);
                self.lay(hash.finish(), || word);
            }
        }
    }

    /// Whether the gram is known.
    fn lay(&mut self, hash: u64, text: impl FnOnce() -> &'t str) -> bool {
        self.work += 1;
        let weight = self.scale.weights.get(&hash).copied();
        self.known.extend(weight.map(|weight| Known { hash, text: text(), weight }));
        weight.is_some()
    }

    fn weighing(mut self) -> Weighing<'t> {
        self.known.sort_unstable_by_key(|known| known.hash);
        self.known.dedup_by_key(|known| known.hash);
        let sum = self.known.iter().fold(Weight::default(), |sum, known| sum.plus(known.weight));
        let count = u16::try_from(self.known.len().max(1)).unwrap_or(u16::MAX);
        let weight = self.scale.bias.plus(sum.times(1.0 / f32::from(count).sqrt()));
        let Self { scale, known, words, words_known, work } = self;
        Weighing { scale, weight, work, words, words_known, known }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const TINY: &str = "# a note\n=bias\t-1\t-2\n=sign\t0.5\t3\n=doubt\t-1.5\t-2.5\nempty\t2\t0\nso empty\t1\t0\n< so\t0.5\t0\n\
        empty >\t0.25\t0\nso _ inside\t3\t0\nso\t0\t0\nrope\t9\t9\n~^emp\t0.75\t0\nhomework\t-8\t-8\n";

    fn scale() -> Scale {
        Scale::parse(TINY).expect("well-formed")
    }

    fn danger(text: &str) -> f32 {
        scale().weigh(text).weight.danger
    }

    fn is_about(found: f32, expected: f32) -> bool {
        (found - expected).abs() < 1e-5
    }

    #[test]
    fn known_grams_add_up_by_the_root_of_their_number() {
        // < so, so, so empty, empty, empty >
        assert!(is_about(danger("so empty"), -1.0 + 3.75 / 5f32.sqrt()));
        assert!(is_about(danger("nothing known"), -1.0) && is_about(danger(""), -1.0));
    }

    #[test]
    fn grams_end_with_their_sentence_and_count_once() {
        assert!(is_about(danger("so. empty"), danger("empty. so! empty. so")));
        assert!(is_about(danger("so very inside"), -1.0 + 3.5 / 3f32.sqrt()));
    }

    #[test]
    fn a_word_that_is_not_known_is_weighed_by_its_letters() {
        assert!(is_about(danger("emptty"), -1.0 + 0.75) && !is_about(danger("empty"), -1.0 + 0.75));
    }

    #[test]
    fn a_sign_names_the_words_that_weigh_most_and_pauses_where_they_weigh_enough() {
        let sign = |text| scale().weigh(text).sign().map(|hit| (hit.rule, hit.level, hit.phrase));
        let is = |rule: &str, level, phrase: &str| Some((rule.to_owned(), level, phrase.to_owned()));
        assert_eq!(sign("i feel so empty"), is(RULE, Level::Elevated, "empty"));
        assert_eq!(sign("they have a rope"), is(RULE, Level::Elevated, "rope"), "few words pause nothing");
        let longer = "they have a rope and they have a rope";
        assert_eq!(sign(longer), is(RULE_PAUSING, Level::High, "rope"));
        assert_eq!((sign("i feel full today"), sign("rope")), (None, None));
    }

    #[test]
    fn a_text_without_end_is_weighed_in_a_time_that_has_one() {
        let work = |words: usize| scale().weigh(&"so empty ".repeat(words / 2)).work;
        assert_eq!(work(WORDS_MAX * 2), work(WORDS_MAX * 8));
    }

    #[test]
    fn what_is_no_weight_is_a_fault() {
        assert!(Scale::parse("=bias\t1\t1\n").is_err());
        assert!(Scale::parse(&format!("{TINY}word\n")).is_err());
        assert!(Scale::parse(&format!("{TINY}word\t1\n")).is_err());
        assert!(Scale::parse(&format!("{TINY}word\tmuch\t1\n")).is_err());
        assert!(Scale::parse(&format!("{TINY}word\tNaN\t1\n")).is_err());
        assert!(Scale::parse(&format!("{TINY}word\t1\t1\t1\n")).is_err());
        assert!(Scale::parse(&format!("{TINY}rope\t1\t1\n")).is_err(), "a gram that stands twice");
    }
}
