//! The daily and the yearly counters and their names.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::alert::ReportReason;
use crate::domain::safety::Level;
use crate::domain::time::Timestamp;

/// What is counted. The wire names are [`Counter::name`]'s.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
    /// A client reported a reply.
    Report(ReportReason),
    /// A reply at this level showed crisis lines. Counted by the year.
    ResourcesShown(Level),
    /// A reply at this level told the emergency number. Counted by the year.
    EmergencyTold(Level),
}

/// The page on which something is counted. A day's page goes in its time, a year's never.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Page {
    /// `YYYY-MM-DD`.
    Day(String),
    /// `YYYY`.
    Year(String),
}

impl Counter {
    /// The field in the page's hash.
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
            Self::Report(reason) => format!("event:report:{}", reason.as_str()),
            Self::ResourcesShown(level) => format!("resources_shown:{}", level.as_str()),
            Self::EmergencyTold(level) => format!("emergency_told:{}", level.as_str()),
        }
    }

    pub(super) fn page(&self, now: Timestamp) -> Page {
        let date = now.date();
        match self {
            Self::ResourcesShown(_) | Self::EmergencyTold(_) => {
                Page::Year(date.split('-').next().unwrap_or_default().to_owned())
            }
            Self::Input
            | Self::SessionCreated
            | Self::Turn
            | Self::Decision(_)
            | Self::Level(_)
            | Self::Fell(_)
            | Self::Limited
            | Self::Busy
            | Self::Scripted
            | Self::Completed
            | Self::Expired
            | Self::Erased
            | Self::Report(_) => Page::Day(date),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyCounters {
    pub date: String,
    pub counts: BTreeMap<String, u64>,
}

/// Names no client, no session and no organisation: numbers alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct YearlyCounters {
    pub counts: BTreeMap<String, u64>,
}
