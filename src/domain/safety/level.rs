//! How much danger a person is in, and what is remembered of it for a client.

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
/// Invariant: the level falls only through [`SafetyMemory::clear`]; `epoch` counts every rise and every clearing.
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
}

impl SafetyMemory {
    /// Raises the level to at least `level`; true when it rose.
    pub fn raise(&mut self, level: Level, why: &[String], now: Timestamp) -> bool {
        if level <= self.level {
            return false;
        }
        self.level = level;
        self.since = Some(now);
        self.epoch += 1;
        self.note(why);
        true
    }

    /// Sets the level back to none.
    pub fn clear(&mut self, now: Timestamp) {
        self.epoch += 1;
        self.level = Level::None;
        self.since = None;
        self.why.clear();
        self.cleared_epoch = self.epoch;
        self.cleared_at = Some(now);
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

    #[test]
    fn the_reasons_are_bounded() {
        let mut memory = SafetyMemory::default();
        let many: Vec<String> = (0..100).map(|n| format!("rule.{n}")).collect();
        memory.raise(Level::Crisis, &many, Timestamp::default());
        assert_eq!(memory.why.len(), WHY_MAX);
    }
}
