//! How much danger a person is in, and what is remembered of it for a client.

use std::fmt;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::time::Timestamp;

/// After the Columbia scale. Ordered: a higher level is more danger.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    #[default]
    None,
    Elevated,
    High,
    Crisis,
}

impl Level {
    pub const ALL: [Self; 4] = [Self::None, Self::Elevated, Self::High, Self::Crisis];

    /// At high and crisis the protocol rests and the crisis dialogue speaks.
    #[must_use]
    pub fn pauses(self) -> bool {
        self >= Self::High
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Elevated => "elevated",
            Self::High => "high",
            Self::Crisis => "crisis",
        }
    }

    /// Reads the wire name. `standard`, which an older design writes, means none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "none" | "standard" => Some(Self::None),
            "elevated" => Some(Self::Elevated),
            "high" => Some(Self::High),
            "crisis" => Some(Self::Crisis),
            _ => None,
        }
    }
}

/// The most rule ids that a memory keeps.
const WHY_MAX: usize = 20;

/// What is remembered of a client's danger, apart from any session and its TTL, until it is cleared.
///
/// Invariant: the level falls only through [`SafetyMemory::clear`] and [`SafetyMemory::lower`]; `epoch` counts every
/// rise and every clearing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SafetyMemory {
    pub level: Level,
    /// When the present level was reached.
    pub since: Option<Timestamp>,
    /// Ids of the rules that raised it; never any text.
    pub why: Vec<String>,
    pub epoch: u64,
    /// The epoch of the last clearing: a session's own level from before it no longer counts.
    pub cleared_epoch: u64,
    pub cleared_at: Option<Timestamp>,
    /// Why the level was last cleared, as a code, where re-screens did it.
    #[serde(default)]
    pub cleared_why: Option<String>,
    /// Counts every sign, also one that raised nothing: a re-screen is void when one came since it began.
    #[serde(default)]
    pub signs: u64,
    /// The last negative re-screen that was noted.
    #[serde(default)]
    pub noted: Option<Noted>,
}

/// On what a re-screen is made, and a clinician decides: where any of it has changed, neither counts any more. Told as
/// `high.3.5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Basis {
    pub level: Level,
    pub epoch: u64,
    pub signs: u64,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.level.as_str(), self.epoch, self.signs)
    }
}

impl Basis {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let mut next = || parts.next();
        let (level, epoch, signs) = (Level::parse(next()?)?, next()?.parse().ok()?, next()?.parse().ok()?);
        next().is_none().then_some(Self { level, epoch, signs })
    }
}

/// A completed re-screen in which every answer was a clear no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Negative {
    /// Names it, so that telling it twice counts once.
    pub id: u64,
    pub basis: Basis,
    /// The one that stood noted when it began. One that began before another was noted lies too near it, however late the
    /// store is told.
    #[serde(default)]
    pub after: Option<u64>,
}

impl Negative {
    /// Whether the store can still be told of it: nothing has changed, no other was noted, and it was not told.
    #[must_use]
    pub fn is_open(&self, memory: &SafetyMemory) -> bool {
        let noted = memory.noted.map(|noted| noted.id);
        self.basis == memory.basis() && noted == self.after && noted != Some(self.id)
    }
}

/// A negative re-screen as it was noted, at the store's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    pub id: u64,
    pub at: Timestamp,
}

/// What a negative re-screen did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lowering {
    /// The level is none now.
    Cleared,
    /// It stands as the first of two; nothing fell.
    Noted,
    /// Something has changed since it was made; nothing did now.
    Refused,
}

impl SafetyMemory {
    /// Raises the level to at least `level`; true when it rose. A sign, which has a reason, counts in any case.
    pub fn raise(&mut self, level: Level, why: &[String], now: Timestamp) -> bool {
        if level > Level::None && !why.is_empty() {
            self.signs += 1;
            self.noted = None;
        }
        if level <= self.level {
            return false;
        }
        self.level = level;
        self.since = Some(now);
        self.epoch += 1;
        self.noted = None;
        self.note(why);
        true
    }

    /// Sets the level back to none, as a clinician does.
    pub fn clear(&mut self, now: Timestamp) {
        self.epoch += 1;
        self.level = Level::None;
        self.since = None;
        self.why.clear();
        self.cleared_epoch = self.epoch;
        self.cleared_at = Some(now);
        self.cleared_why = None;
        self.noted = None;
    }

    #[must_use]
    pub fn basis(&self) -> Basis {
        Basis { level: self.level, epoch: self.epoch, signs: self.signs }
    }

    /// Takes a negative re-screen in. Without `apart` one is enough, which it never is at high and crisis; with it, two
    /// that lie so far apart are. Told again, the same one changes nothing more.
    pub fn lower(
        &mut self,
        negative: &Negative,
        apart: Option<Duration>,
        why: &str,
        now: Timestamp,
    ) -> Lowering {
        let is_known = self.noted.is_some_and(|noted| noted.id == negative.id);
        if is_known && self.level == Level::None {
            return Lowering::Cleared;
        }
        if self.level == Level::None || self.basis() != negative.basis {
            return Lowering::Refused;
        }
        let suffices = match (apart, self.noted) {
            (None, _) if self.level.pauses() => return Lowering::Refused,
            (None, _) => true,
            (Some(apart), Some(noted)) => !is_known && now.since(noted.at) >= apart,
            (Some(_), None) => {
                self.noted = Some(Noted { id: negative.id, at: now });
                false
            }
        };
        if !suffices {
            return Lowering::Noted;
        }
        self.clear(now);
        self.cleared_why = Some(why.to_owned());
        self.noted = Some(Noted { id: negative.id, at: now });
        Lowering::Cleared
    }

    fn note(&mut self, why: &[String]) {
        for rule in why {
            if self.why.len() < WHY_MAX && !self.why.contains(rule) {
                self.why.push(rule.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_rises_by_itself_and_falls_only_by_clearing() {
        let mut memory = SafetyMemory::default();
        assert!(memory.raise(Level::High, &["si.active.1".to_owned()], Timestamp::from_millis(1)));
        assert!(!memory.raise(Level::Elevated, &[], Timestamp::from_millis(2)));
        assert_eq!((memory.level, memory.since), (Level::High, Some(Timestamp::from_millis(1))));
        memory.clear(Timestamp::from_millis(3));
        assert_eq!((memory.level, memory.cleared_epoch), (Level::None, 2));
    }

    const DAY: Duration = Duration::from_hours(24);

    fn at(level: Level) -> SafetyMemory {
        let mut memory = SafetyMemory::default();
        memory.raise(level, &["rule.1".to_owned()], Timestamp::default());
        memory
    }

    fn told(memory: &mut SafetyMemory, id: u64, apart: Option<Duration>, now: Timestamp) -> Lowering {
        let negative = Negative { id, basis: memory.basis(), after: memory.noted.map(|noted| noted.id) };
        memory.lower(&negative, apart, "rescreen", now)
    }

    #[test]
    fn one_negative_rescreen_lowers_elevated_and_nothing_higher() {
        let mut memory = at(Level::Elevated);
        assert_eq!(told(&mut memory, 1, None, Timestamp::from_millis(5)), Lowering::Cleared);
        assert_eq!((memory.level, memory.cleared_epoch), (Level::None, 2));
        for level in [Level::High, Level::Crisis] {
            let mut memory = at(level);
            let before = memory.clone();
            assert_eq!(told(&mut memory, 1, None, Timestamp::from_millis(5)), Lowering::Refused);
            assert_eq!(memory, before);
        }
    }

    #[test]
    fn a_higher_level_falls_with_the_second_that_lies_far_enough_behind_the_first() {
        let mut memory = at(Level::Crisis);
        let (first, day) = (Timestamp::default(), Timestamp::default().plus(DAY));
        assert_eq!(told(&mut memory, 1, Some(DAY), first), Lowering::Noted);
        assert_eq!(told(&mut memory, 2, Some(DAY), day.minus(Duration::from_millis(1))), Lowering::Noted);
        assert_eq!(told(&mut memory, 1, Some(DAY), day), Lowering::Noted, "the same one counts once");
        assert_eq!(memory.level, Level::Crisis);
        assert_eq!(told(&mut memory, 2, Some(DAY), day), Lowering::Cleared);
        assert_eq!(memory.level, Level::None);
    }

    #[test]
    fn of_two_that_began_together_the_second_is_never_told_again() {
        let mut memory = at(Level::Crisis);
        let negative = |id| Negative { id, basis: memory.basis(), after: None };
        let (first, second) = (negative(1), negative(2));
        assert!(first.is_open(&memory) && second.is_open(&memory));
        memory.lower(&first, Some(DAY), "rescreen", Timestamp::default());
        assert!(!first.is_open(&memory) && !second.is_open(&memory), "it lay too near the first");
        let later = Negative { id: 3, basis: memory.basis(), after: Some(1) };
        assert!(later.is_open(&memory));
    }

    #[test]
    fn a_sign_of_any_level_voids_what_was_noted_and_what_is_on_its_way() {
        let mut memory = at(Level::High);
        told(&mut memory, 1, Some(DAY), Timestamp::default());
        let on_its_way = Negative { id: 2, basis: memory.basis(), after: Some(1) };
        assert!(!memory.raise(Level::Elevated, &["rule.2".to_owned()], Timestamp::default()));
        let later = Timestamp::default().plus(DAY);
        assert_eq!(memory.lower(&on_its_way, Some(DAY), "rescreen", later), Lowering::Refused);
        assert_eq!(told(&mut memory, 3, Some(DAY), later), Lowering::Noted, "it is the first again");
    }

    #[test]
    fn the_reasons_are_bounded() {
        let mut memory = SafetyMemory::default();
        let many: Vec<String> = (0..100).map(|n| format!("rule.{n}")).collect();
        memory.raise(Level::Crisis, &many, Timestamp::default());
        assert_eq!(memory.why.len(), WHY_MAX);
    }
}
