//! What Attune says, as data: several wordings of each text, with slots for what the client told.
//!
//! Chooses wordings so that none comes back before all of its text's others were used. Never invents a word.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hasher as _;

use super::fault::Fault;
use super::fnv::Fnv;

/// The English texts.
pub const ENGLISH: &str = include_str!("../../prompts/texts/en.toml");

/// The text that is said where a question has no wording left that was not used.
pub const COME_BACK: &str = "come_back";

/// The fewest wordings of a text that have no slot: a slot may stay empty, and nothing is said twice in a row.
const PLAIN_MIN: usize = 2;

/// All texts by key. Invariant: every text has at least two wordings without a slot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Texts(BTreeMap<String, Vec<Wording>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Wording {
    text: String,
    slots: BTreeSet<String>,
}

impl Texts {
    /// Reads `key = ["wording", "wording with {slot}"]` lines.
    ///
    /// # Errors
    /// All faults of the file.
    pub fn parse(source: &str) -> Result<Self, Vec<Fault>> {
        Self::of(toml::from_str(source).map_err(|error| vec![Fault::new("texts", error.message())])?)
    }

    /// Reads texts that stand in another file.
    ///
    /// # Errors
    /// All faults of the texts.
    pub fn of(source: toml::Value) -> Result<Self, Vec<Fault>> {
        let raw: BTreeMap<String, Vec<String>> =
            source.try_into().map_err(|error: toml::de::Error| vec![Fault::new("texts", error.message())])?;
        let mut faults = Vec::new();
        let mut known = BTreeSet::new();
        let mut texts = BTreeMap::new();
        for (key, wordings) in raw {
            for twin in wordings.iter().filter(|text| !known.insert((*text).clone())) {
                faults.push(Fault::new(format!("text {key}"), format!("'{twin}' stands twice in the file")));
            }
            match wordings.into_iter().map(Wording::parse).collect::<Result<Vec<_>, _>>() {
                Ok(wordings) => drop(texts.insert(key, wordings)),
                Err(what) => faults.push(Fault::new(format!("text {key}"), what)),
            }
        }
        let texts = Self(texts);
        faults.extend(texts.too_few());
        if faults.is_empty() { Ok(texts) } else { Err(faults) }
    }

    /// These texts, and of the shared ones those under other keys.
    #[must_use]
    pub fn over(&self, shared: &Self) -> Self {
        let mut all = shared.0.clone();
        all.extend(self.0.clone());
        Self(all)
    }

    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Every wording of a text, slots unfilled.
    pub fn wordings(&self, key: &str) -> impl Iterator<Item = &str> {
        self.0.get(key).into_iter().flatten().map(|wording| wording.text.as_str())
    }

    /// The slots that a text's wordings use.
    #[must_use]
    pub fn slots(&self, key: &str) -> BTreeSet<&str> {
        self.0.get(key).into_iter().flatten().flat_map(|w| w.slots.iter().map(String::as_str)).collect()
    }

    /// Says a text: a wording that has not been used since the others, preferring those whose slots `facts` can fill,
    /// and notes it in `said`. `None` when there is no such text, and when it is a question that was asked in all of its
    /// wordings: none is asked twice in the same words.
    pub fn say(
        &self,
        key: &str,
        facts: &BTreeMap<String, String>,
        said: &mut BTreeMap<String, Vec<u16>>,
        seed: u64,
    ) -> Option<String> {
        let wordings = self.0.get(key)?;
        let used = said.entry(key.to_owned()).or_default();
        let fillable: Vec<u16> = (0u16..)
            .zip(wordings)
            .filter(|(_, wording)| wording.slots.iter().all(|slot| facts.contains_key(slot)))
            .map(|(index, _)| index)
            .collect();
        let is_used_up = fillable.iter().all(|index| used.contains(index));
        if is_used_up && wordings.iter().any(|wording| wording.text.contains('?')) {
            return None;
        }
        let index = choose(wordings, &fillable, used, seed ^ fingerprint(key))?;
        used.push(index);
        Some(wordings.get(usize::from(index))?.fill(facts))
    }

    fn too_few(&self) -> impl Iterator<Item = Fault> {
        self.0.iter().filter_map(|(key, wordings)| {
            let plain = wordings.iter().filter(|wording| wording.slots.is_empty()).count();
            (plain < PLAIN_MIN).then(|| {
                Fault::new(
                    format!("text {key}"),
                    format!("has {plain} wordings without a slot; two are needed"),
                )
            })
        })
    }
}

/// An unused wording. When all are used, everything but the last is free again.
fn choose(wordings: &[Wording], fillable: &[u16], used: &mut Vec<u16>, seed: u64) -> Option<u16> {
    if fillable.iter().all(|index| used.contains(index)) {
        let last = used.last().copied();
        used.clear();
        used.extend(last.filter(|_| fillable.len() > 1));
    }
    let fresh: Vec<u16> = fillable.iter().copied().filter(|index| !used.contains(index)).collect();
    let richness =
        |index: u16| wordings.get(usize::from(index)).map_or(0, |wording| wording.slots.len().min(1));
    let richest = fresh.iter().map(|&index| richness(index)).max()?;
    let best: Vec<u16> = fresh.into_iter().filter(|&index| richness(index) == richest).collect();
    let count = u64::try_from(best.len()).ok()?;
    best.get(usize::try_from(scatter(seed) % count).ok()?).copied()
}

impl Wording {
    fn parse(text: String) -> Result<Self, String> {
        let mut slots = BTreeSet::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            let (slot, after) = after.split_once('}').ok_or("a slot is not closed")?;
            if before.contains('}')
                || slot.is_empty()
                || !slot.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            {
                return Err(format!("'{{{slot}}}' is no slot"));
            }
            slots.insert(slot.to_owned());
            rest = after;
        }
        if rest.contains('}') || text.trim().is_empty() || text.starts_with('{') {
            return Err("a wording has words, starts with one, and closes its slots".to_owned());
        }
        Ok(Self { text, slots })
    }

    fn fill(&self, facts: &BTreeMap<String, String>) -> String {
        let mut filled = String::with_capacity(self.text.len());
        let mut rest = self.text.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let (slot, after) = after.split_once('}').unwrap_or((after, ""));
            filled.push_str(facts.get(slot).map_or("", String::as_str));
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

/// Keeps two texts of one reply from taking the same place in their lists.
fn fingerprint(key: &str) -> u64 {
    let mut hash = Fnv::default();
    hash.write(key.as_bytes());
    hash.finish()
}

/// `SplitMix64`'s finish, so that seeds that count up choose unalike.
const fn scatter(seed: u64) -> u64 {
    let seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    seed ^ (seed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Texts {
        Texts::parse(source).expect("well-formed")
    }

    fn facts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn no_wording_comes_back_before_all_were_used_and_never_twice_in_a_row() {
        let texts = texts("hi = ['a', 'b', 'c']");
        for seed in 0..50 {
            let mut said = BTreeMap::new();
            let spoken: Vec<String> =
                (0..9).filter_map(|n| texts.say("hi", &facts(&[]), &mut said, seed + n)).collect();
            assert_eq!(spoken[..3].iter().collect::<BTreeSet<_>>().len(), 3);
            assert!(spoken.windows(2).all(|pair| pair[0] != pair[1]), "{spoken:?}");
            assert!(said["hi"].len() <= 3);
        }
    }

    #[test]
    fn a_wording_whose_slot_cannot_be_filled_is_not_chosen() {
        let texts = texts("hi = ['a', 'b', 'You want {goal}.']");
        let mut said = BTreeMap::new();
        assert_ne!(texts.say("hi", &facts(&[]), &mut said, 1), Some("You want {goal}.".to_owned()));
        let filled = texts.say("hi", &facts(&[("goal", "peace")]), &mut said, 1);
        assert_eq!(filled.as_deref(), Some("You want peace."));
    }

    #[test]
    fn what_a_client_said_is_never_read_as_a_slot() {
        let texts = texts("hi = ['a', 'b', 'You want {goal}.']");
        let filled = texts.say("hi", &facts(&[("goal", "{problem}")]), &mut BTreeMap::new(), 1);
        assert_eq!(filled.as_deref(), Some("You want {problem}."));
    }

    #[test]
    fn a_stored_wording_that_no_longer_exists_is_harmless() {
        let texts = texts("hi = ['a', 'b']");
        let mut said = BTreeMap::from([("hi".to_owned(), vec![7, 900, 0, 1])]);
        assert!(texts.say("hi", &facts(&[]), &mut said, 3).is_some());
        assert!(said["hi"].len() <= 2);
    }

    #[test]
    fn all_faults_are_reported_together() {
        let faults = Texts::parse("a = ['x {y', 'z', 'w']\nb = ['one']\nc = ['same', 'same', 'other']\n")
            .expect_err("three faults");
        let places: Vec<&str> = faults.iter().map(|fault| fault.at.as_str()).collect();
        assert_eq!(places, ["text a", "text c", "text b"]);
    }

    #[test]
    fn an_unknown_text_is_none() {
        assert_eq!(texts("hi = ['a', 'b']").say("ho", &facts(&[]), &mut BTreeMap::new(), 0), None);
    }
}
