//! A second look at texts in which no rule has found a sign: how much their words weigh together, as learned from labelled
//! messages. It raises to elevated and never above it, so that the most it can do is to have a kind question asked.
//!
//! The weights are data (`prompts/safety/weights.en.tsv`), made by `scripts/weigh`. Deterministic: the same text weighs the
//! same, in whatever order the file stands.

use std::collections::HashMap;
use std::hash::Hasher as _;

use super::fault::{Fault, Faults};
use super::level::Level;
use super::rules::Tier;
use super::screen::Hit;
use crate::domain::fnv::Fnv;

const FILE: &str = "weights";
const WEIGHTS: &str = include_str!("../../../prompts/safety/weights.en.tsv");
/// The id under which it speaks.
pub(super) const RULE: &str = "weighed.words";
/// How many words in a row are weighed together, at the most.
const GRAM_MAX: usize = 3;
/// Stands for the beginning and the end of a sentence, and for a word that may be any.
const BEGIN: &str = "<";
const END: &str = ">";
const ANY: &str = "_";

/// What single words, pairs and triples weigh.
pub struct Scale {
    bias: f64,
    /// From which weight on a text is a sign.
    threshold: f64,
    /// By the hash of a gram: 64 bits are enough for some ten thousand of them.
    weights: HashMap<u64, f64>,
}

/// A text on the scale.
pub(super) struct Weighing<'t> {
    pub(super) weight: f64,
    pub(super) threshold: f64,
    known: Vec<Known<'t>>,
}

impl Scale {
    /// The weights inside of the binary.
    pub(super) fn embedded() -> Result<Self, Vec<Fault>> {
        Self::parse(WEIGHTS)
    }

    /// Reads `name or gram, tab, weight` lines; those that begin with `#` are notes.
    pub(super) fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::of(FILE);
        let (mut bias, mut threshold, mut weights) = (None, None, HashMap::new());
        for line in source.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let parsed = line.split_once('\t').and_then(|(gram, weight)| Some((gram, weight.parse().ok()?)));
            match parsed {
                Some(("=bias", weight)) => bias = Some(weight),
                Some(("=threshold", weight)) => threshold = Some(weight),
                Some((gram, weight)) => drop(weights.insert(hash_of(gram.split(' ')), weight)),
                None => faults.add(line, "is no gram with its weight"),
            }
        }
        if let (Some(bias), Some(threshold)) = (bias, threshold) {
            return faults.unless_any(Self { bias, threshold, weights });
        }
        faults.add("=bias, =threshold", "have to be there");
        Err(faults.told())
    }

    /// The sign that a folded text weighs enough to be; `None` where it does not.
    pub(super) fn sign(&self, folded: &str) -> Option<Hit> {
        let weighing = self.weigh(folded);
        (weighing.weight >= weighing.threshold).then(|| Hit {
            rule: RULE.to_owned(),
            tier: Tier::Weighed,
            level: Level::Elevated,
            phrase: weighing.heaviest().next().unwrap_or_default().to_owned(),
        })
    }

    /// Weighs a folded text. Each known gram counts once; the sum is divided by the root of their number, so that long
    /// texts weigh no more than short ones.
    pub(super) fn weigh<'t>(&self, folded: &'t str) -> Weighing<'t> {
        let mut known: Vec<Known<'t>> = Vec::with_capacity(folded.len() / 2);
        for sentence in folded.split(is_end) {
            let words = words_of(sentence);
            if !words.is_empty() {
                grams(sentence, &words, |hash, text| {
                    known.extend(self.weights.get(&hash).map(|&weight| Known { hash, text, weight }));
                });
            }
        }
        known.sort_unstable_by_key(|known| known.hash);
        known.dedup_by_key(|known| known.hash);
        let sum: f64 = known.iter().map(|known| known.weight).sum();
        let count = u32::try_from(known.len().max(1)).unwrap_or(u32::MAX);
        Weighing { weight: self.bias + sum / f64::from(count).sqrt(), threshold: self.threshold, known }
    }
}

/// A gram of a text whose weight is known.
struct Known<'t> {
    hash: u64,
    text: &'t str,
    weight: f64,
}

impl<'t> Weighing<'t> {
    /// The grams that weigh most for danger, heaviest first. The person's own words: they can be neither logged nor
    /// stored.
    pub(super) fn heaviest(&self) -> impl Iterator<Item = &'t str> {
        let mut known: Vec<(&str, f64)> = self.known.iter().map(|known| (known.text, known.weight)).collect();
        known.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
        known.into_iter().map(|(text, _)| text)
    }
}

fn is_end(letter: char) -> bool {
    matches!(letter, '.' | '!' | '?' | '\n' | ';' | ':')
}

/// A word and where it stands.
struct Word<'t> {
    text: &'t str,
    start: usize,
    end: usize,
}

fn words_of(sentence: &str) -> Vec<Word<'_>> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '\'';
    let mut words = Vec::new();
    let mut start = None;
    for (at, letter) in sentence.char_indices().chain([(sentence.len(), ' ')]) {
        match (start, is_word(letter)) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                start = None;
                let text = sentence.get(from..at).unwrap_or_default().trim_matches('\'');
                if !text.is_empty() {
                    words.push(Word { text, start: from, end: at });
                }
            }
            (None, false) | (Some(_), true) => {}
        }
    }
    words
}

/// Every gram of a sentence: one to three words in a row, its ends among them, and pairs with one word between.
fn grams<'t>(sentence: &'t str, words: &[Word<'t>], mut each: impl FnMut(u64, &'t str)) {
    let last = words.len() + 1;
    let text_at = |at: usize| match at {
        0 => BEGIN,
        at if at == last => END,
        at => words.get(at - 1).map_or("", |word| word.text),
    };
    let slice = |from: usize, to: usize| {
        let first = words.get(from.max(1) - 1).map_or(0, |word| word.start);
        let end = words.get(to.min(words.len()).max(1) - 1).map_or(0, |word| word.end);
        sentence.get(first..end).unwrap_or_default()
    };
    for from in 0..=last {
        for to in from..=(from + GRAM_MAX - 1).min(last) {
            if from == to && (from == 0 || from == last) {
                continue;
            }
            each(hash_of((from..=to).map(text_at)), slice(from, to));
        }
        if from >= 1 && from + 2 < last {
            each(hash_of([text_at(from), ANY, text_at(from + 2)].into_iter()), slice(from, from + 2));
        }
    }
}

fn hash_of<'w>(words: impl Iterator<Item = &'w str>) -> u64 {
    let mut hash = Fnv::default();
    for word in words {
        hash.write(word.as_bytes());
        hash.write(b" ");
    }
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &str = "# a note\n=bias\t-1\n=threshold\t0.5\nempty\t2\nso empty\t1\n< so\t0.5\nempty >\t0.25\nso _ inside\t3\n";

    fn scale() -> Scale {
        Scale::parse(TINY).expect("well-formed")
    }

    #[test]
    fn known_grams_add_up_by_the_root_of_their_number() {
        let weighing = scale().weigh("so empty").weight;
        // < so, so empty, empty, empty >
        assert!((weighing - (-1.0 + 3.75 / 2.0)).abs() < 1e-9, "{weighing}");
        assert!((scale().weigh("nothing known").weight + 1.0).abs() < 1e-9);
        assert!((scale().weigh("").weight + 1.0).abs() < 1e-9);
    }

    #[test]
    fn grams_end_with_their_sentence_and_count_once() {
        assert!(
            (scale().weigh("so. empty").weight - scale().weigh("empty. so! empty. so").weight).abs() < 1e-9
        );
        assert!((scale().weigh("so very inside").weight - (-1.0 + 3.5 / 2f64.sqrt())).abs() < 1e-9);
    }

    #[test]
    fn a_sign_names_the_words_that_weigh_most() {
        let hit = scale().sign("i feel so empty").expect("a sign");
        assert_eq!((hit.rule.as_str(), hit.level, hit.phrase.as_str()), (RULE, Level::Elevated, "empty"));
        assert!(scale().sign("i feel full").is_none());
    }

    #[test]
    fn what_is_no_weight_is_a_fault() {
        assert!(Scale::parse("=bias\t1\n").is_err());
        assert!(Scale::parse(&format!("{TINY}word\n")).is_err());
        assert!(Scale::parse(&format!("{TINY}word\tmuch\n")).is_err());
    }
}
