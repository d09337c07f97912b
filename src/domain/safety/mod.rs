//! Danger: what a text shows, what it means together with what is remembered, and what is said then.
//!
//! Deterministic and in process: nothing here waits, reads a clock, or asks a model.

mod level;

pub use level::{Level, SafetyMemory};

use serde::{Deserialize, Serialize};

/// Where the crisis dialogue stands in a session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CrisisPlace {}
