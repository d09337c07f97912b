//! The daily counters and their names.

use std::collections::BTreeMap;

use crate::domain::safety::Level;

/// What the daily counters count. The wire names are [`Counter::name`]'s.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    Input,
    SessionCreated,
    Turn,
    Decision(String),
    Level(Level),
    /// Re-screens ended this level.
    Fell(Level),
    Limited,
    Busy,
    Scripted,
    Completed,
    Expired,
    Erased,
}

impl Counter {
    /// The field in the day's hash.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Input => "total_inputs".to_owned(),
            Self::SessionCreated => "event:session_created".to_owned(),
            Self::Turn => "event:turn".to_owned(),
            Self::Decision(decision) => format!("event:decision:{decision}"),
            Self::Level(level) => format!("event:level:{}", level.as_str()),
            Self::Fell(level) => format!("event:fell:{}", level.as_str()),
            Self::Limited => "event:limited".to_owned(),
            Self::Busy => "event:busy".to_owned(),
            Self::Scripted => "event:scripted".to_owned(),
            Self::Completed => "event:completed".to_owned(),
            Self::Expired => "event:expired".to_owned(),
            Self::Erased => "event:erased".to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyCounters {
    pub date: String,
    pub counts: BTreeMap<String, u64>,
}
