//! The therapy's protocol as data, and the engine that walks it. The engine knows no step by name.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Which protocol a session follows. An older version stays loaded until its sessions end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ProtocolRef {
    pub id: String,
    /// SHA-256 over the file, in hexadecimal, its first 16 digits.
    pub hash: String,
}

/// Where a session stands in its protocol, and all that the navigator remembers: names and data, no code, so that a
/// richer protocol never breaks a stored session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub protocol: ProtocolRef,
    pub step: String,
    /// How often what happened, by name.
    #[serde(default)]
    pub counters: BTreeMap<String, u32>,
    /// What is true by now, completion criteria among it.
    #[serde(default)]
    pub flags: BTreeSet<String>,
    /// What the client said, in its own words, by name. Bounded.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
    /// Which variants of which text were used, latest last, so that nothing is said twice in a row.
    #[serde(default)]
    pub said: BTreeMap<String, Vec<u16>>,
}
