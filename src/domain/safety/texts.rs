//! The words of the crisis dialogue as data, and the rule that none is said twice in a row.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::answer::{Answer, Answers, Barrier, Phrases};
use super::crisis::{CrisisPlace, Topic};
use super::fault::{Fault, Faults, read_toml};

const FILE: &str = "crisis";
/// The fewest ways of saying anything, of saying what may come more than twice, and of staying with somebody.
const VARIANTS_MIN: usize = 3;
const REPEATED_MIN: usize = 6;
const STAYING_MIN: usize = 12;
/// Questions that may come again: with a new sign, for somebody else, in another re-screen, where nothing is remembered.
const ASKED_AGAIN: [&str; 8] = [
    "ask_elevated",
    "ask_their_danger",
    "ask_today",
    "ask_already_hurt",
    "ask_rescreen_wish",
    "ask_rescreen_thoughts",
    "ask_rescreen_plan",
    "ask_rescreen_intent",
];
/// What a dialogue says once, or twice at the most.
const SAID_ONCE: [&str; 4] = ["hurt", "distance", "plan_back", "rescreen_passed"];
/// The texts that stand beside the questions and acknowledgements.
const PARTS: [&str; 31] = [
    "barrier_force_now",
    "open_high",
    "open_crisis",
    "open_method",
    "open_self_harm",
    "open_return",
    "open_third_person",
    "open_elevated",
    "ai",
    "ai_on_duty",
    "on_duty",
    "off_duty",
    "ack_asks_if_human_on_duty",
    "line",
    "emergency",
    "hurt",
    "distance",
    "now_imminent",
    "language_not_read",
    "plan_back",
    "rescreen_opening",
    "rescreen_noted",
    "rescreen_passed",
    "stay_high",
    "stay_crisis",
    "stay_help_coming",
    "support",
    "third_person_help",
    "third_person_now",
    "third_person_unsure",
    "third_person_you",
];
const PLACEHOLDERS: [&str; 3] = ["{line}", "{emergency}", "{parts}"];
/// The parts of a safety plan, in their order.
const PLAN: [&str; 4] = ["part_warning", "part_eases", "part_whom", "part_place"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    answers: BTreeMap<Answer, Vec<String>>,
    barriers: BTreeMap<Barrier, Vec<String>>,
    clear_no: Vec<String>,
    clear_no_beside: Vec<String>,
    emergency_numbers: Vec<String>,
    parts: BTreeMap<String, String>,
    texts: BTreeMap<String, Vec<String>>,
}

/// Everything that the crisis dialogue says, in one language.
pub struct CrisisTexts {
    pub(super) answers: Answers,
    parts: BTreeMap<String, String>,
    texts: BTreeMap<String, Vec<String>>,
}

impl CrisisTexts {
    /// Reads the texts; every fault in them is reported.
    pub fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        let source: Source = read_toml(FILE, source)?;
        let mut faults = Faults::of(FILE);
        let phrases = Phrases {
            answers: source.answers,
            barriers: source.barriers,
            clear_no: source.clear_no,
            clear_no_beside: source.clear_no_beside,
            emergency_numbers: source.emergency_numbers,
        };
        let answers = Answers::parse(phrases, &mut faults);
        let texts = Self { answers, parts: source.parts, texts: source.texts };
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
            .chain(Barrier::ALL.into_iter().map(Barrier::texts))
            .chain(Topic::ALL.into_iter().map(Topic::texts))
            .collect();
        for missing in names.iter().filter(|name| !self.texts.contains_key(**name)) {
            faults.add(*missing, "is missing");
        }
        for unknown in self.texts.keys().filter(|name| !names.contains(&name.as_str())) {
            faults.add(unknown, "is a name that nothing says");
        }
        if !self.parts.keys().map(String::as_str).eq(sorted(PLAN)) {
            faults.add("parts", format!("has to hold these and no others: {}", PLAN.join(" ")));
        }
    }

    /// The next way of saying `name`: the first by the seed, then each in its turn, so that no two in a row are alike.
    /// `choice`: the seed, and how many ways are passed over because the whole reply was given before.
    pub(super) fn next(&self, name: &'static str, place: &mut CrisisPlace, choice: (u64, u16)) -> &str {
        let variants = self.texts.get(name).map_or(&[][..], |variants| variants);
        let count = u64::try_from(variants.len().max(1)).unwrap_or(1);
        let (seed, passed_over) = (choice.0, u64::from(choice.1) % count.saturating_sub(1).max(1));
        let nth = place.said.get(name).map_or_else(
            || seed.wrapping_add(passed_over) % count,
            |&last| (u64::from(last) + 1 + passed_over) % count,
        );
        place.said.insert(name.to_owned(), u16::try_from(nth).unwrap_or(0));
        usize::try_from(nth).ok().and_then(|nth| variants.get(nth)).map_or("", |text| text)
    }

    /// The parts of a plan as one phrase.
    pub(super) fn parts(&self, plan: &BTreeSet<String>) -> String {
        let named = PLAN.iter().filter(|part| plan.contains(**part));
        let parts: Vec<&str> = named.filter_map(|part| self.parts.get(*part)).map(String::as_str).collect();
        match parts.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{}, and {last}", rest.join(", ")),
            Some((last, _)) => (*last).to_owned(),
            None => String::new(),
        }
    }

    /// Every text, for tests and for those who review them.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().flat_map(|(name, texts)| texts.iter().map(|text| (name.as_str(), text.as_str())))
    }
}

fn check_variants(name: &str, variants: &[String], faults: &mut Faults) {
    let fewest = fewest(name);
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

fn fewest(name: &str) -> usize {
    let is_question = name.starts_with("ask_");
    if name.starts_with("stay_") {
        STAYING_MIN
    } else if (is_question && !ASKED_AGAIN.contains(&name))
        || name.starts_with("barrier_")
        || SAID_ONCE.contains(&name)
    {
        VARIANTS_MIN
    } else {
        REPEATED_MIN
    }
}

fn sorted<const N: usize>(mut names: [&'static str; N]) -> [&'static str; N] {
    names.sort_unstable();
    names
}
