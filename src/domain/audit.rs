//! What is written down of accesses and changes, and the chain that it is sealed into. Codes, names and ids; never text.

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// One thing that was done, asked for or refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Microseconds since 1970.
    pub at_us: i64,
    /// An operation in the table of who may do what, or a change: `level`, `state`.
    pub action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// As whom the caller was let in; none of a change that a turn or the time brought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The caller's: the id of a key, a clinician's name, a client's session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Whose level changed, as its memory is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What it was done to beside sessions: a key, an alert, a clinician.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Written ahead of a change: where nothing follows that says otherwise, it was done.
    Asked,
    /// A change that was asked for was not made.
    Failed,
    /// Whether a change that was asked for was made nobody knows: the answer to it was lost.
    Unknown,
    /// Read.
    Done,
    /// Not let through.
    Refused,
}

impl Entry {
    /// A level or a status that became another.
    #[must_use]
    pub fn change(action: &str, from: &str, to: &str, at: Timestamp) -> Self {
        Self {
            at_us: at.micros(),
            action: action.to_owned(),
            from: Some(from.to_owned()),
            to: Some(to.to_owned()),
            ..Self::default()
        }
    }
}

/// An entry in its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// From 1, without a gap.
    pub seq: u64,
    /// The entry as it was written, byte for byte.
    pub entry: String,
    /// Over its place, the one before it, and the entry.
    pub mac: String,
}

/// Where a chain ends. Kept apart from it, so that a tail that was cut off is missed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// 0 of an empty chain.
    pub seq: u64,
    /// Of the last record.
    pub mac: String,
    /// Over both.
    pub seal: String,
}
