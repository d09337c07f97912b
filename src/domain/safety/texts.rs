//! The words of the crisis dialogue as data, and the rule that none is said twice in a row.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::answer::{Answer, Answers};
use super::crisis::{CrisisPlace, Topic};
use super::fault::{Fault, Faults, read_toml};

const FILE: &str = "crisis";
/// The fewest ways of saying anything, and of staying with somebody.
const VARIANTS_MIN: usize = 3;
const STAYING_MIN: usize = 8;
/// The texts that stand beside the questions and acknowledgements.
const PARTS: [&str; 15] = [
    "open_high",
    "open_crisis",
    "open_method",
    "open_self_harm",
    "open_third_person",
    "open_elevated",
    "ai",
    "line",
    "emergency",
    "hurt",
    "now_imminent",
    "stay_high",
    "stay_crisis",
    "stay_help_coming",
    "third_person_help",
];
const PLACEHOLDERS: [&str; 2] = ["{line}", "{emergency}"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    answers: BTreeMap<Answer, Vec<String>>,
    texts: BTreeMap<String, Vec<String>>,
}

/// Everything that the crisis dialogue says, in one language.
pub struct CrisisTexts {
    pub(super) answers: Answers,
    texts: BTreeMap<String, Vec<String>>,
}

impl CrisisTexts {
    /// Reads the texts; every fault in them is reported.
    pub fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        let source: Source = read_toml(FILE, source)?;
        let mut faults = Faults::of(FILE);
        let answers = Answers::parse(&source.answers, &mut faults);
        let texts = Self { answers, texts: source.texts };
        texts.check_names(&mut faults);
        for (name, variants) in &texts.texts {
            check_variants(name, variants, &mut faults);
        }
        faults.unless_any(texts)
    }

    fn check_names(&self, faults: &mut Faults) {
        let names: Vec<&str> = PARTS
            .into_iter()
            .chain(Answer::ALL.into_iter().map(Answer::texts))
            .chain(Topic::ALL.into_iter().map(Topic::texts))
            .collect();
        for missing in names.iter().filter(|name| !self.texts.contains_key(**name)) {
            faults.add(*missing, "is missing");
        }
        for unknown in self.texts.keys().filter(|name| !names.contains(&name.as_str())) {
            faults.add(unknown, "is a name that nothing says");
        }
    }

    /// The next way of saying `name`: the first by the seed, then each in its turn, so that no two in a row are alike.
    pub(super) fn next(&self, name: &'static str, place: &mut CrisisPlace, seed: u64) -> &str {
        let variants = self.texts.get(name).map_or(&[][..], |variants| variants);
        let count = u64::try_from(variants.len().max(1)).unwrap_or(1);
        let nth = place.said.get(name).map_or(seed % count, |&last| (u64::from(last) + 1) % count);
        place.said.insert(name.to_owned(), u16::try_from(nth).unwrap_or(0));
        usize::try_from(nth).ok().and_then(|nth| variants.get(nth)).map_or("", |text| text)
    }

    /// Every text, for tests and for those who review them.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().flat_map(|(name, texts)| texts.iter().map(|text| (name.as_str(), text.as_str())))
    }
}

fn check_variants(name: &str, variants: &[String], faults: &mut Faults) {
    let fewest = if name.starts_with("stay_") { STAYING_MIN } else { VARIANTS_MIN };
    if variants.len() < fewest {
        faults.add(name, format!("needs at least {fewest} variants"));
    }
    // One question in a reply, and it stands where the questions are.
    let questions = usize::from(name.starts_with("ask_"));
    for text in variants {
        if text.matches('?').count() != questions {
            faults.add(name, format!("has to hold {questions} question marks: \"{text}\""));
        }
        let plain = PLACEHOLDERS.iter().fold(text.clone(), |text, placeholder| text.replace(placeholder, ""));
        if plain.contains(['{', '}']) {
            faults.add(name, format!("has an unknown placeholder: \"{text}\""));
        }
    }
    let mut distinct = variants.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() != variants.len() {
        faults.add(name, "says the same twice");
    }
}
