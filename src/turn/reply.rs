//! The answer to a turn: one shape that is stored, replayed and put on the wire.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::disclosure::Disclosure;
use crate::domain::exchange::{Responder, Used};
use crate::domain::safety::{Level, Resource, SelfHarmDetected};
use crate::domain::session::Status;
use crate::domain::time::Timestamp;
use crate::store::StoredReply;

/// One answered turn.
#[derive(Clone, Serialize, ToSchema)]
#[schema(as = Turn)]
pub struct Reply {
    /// What Attune says.
    pub therapist_response: String,
    pub preprocessing: Preprocessing,
    pub navigation: Navigation,
    pub session_progress: SessionProgress,
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// Counts from 1 in a session; null where nothing could be stored.
    pub turn: Option<u32>,
    /// The session that answered: a successor's id where the one written to had expired.
    pub session_id: String,
    /// The first session of the line, where this one is a successor.
    pub successor_of: Option<String>,
    pub status: Status,
    pub safety: SafetyReport,
    pub responder: Responder,
    pub context: Context,
    /// That this is an AI, where it is due: at the start, after a week away, after hours of use, and when asked.
    pub disclosure: Option<Disclosure>,
    pub storage: Storage,
    /// Whether only the first 8,000 characters of the input were taken.
    pub truncated: bool,
    /// Milliseconds from arrival to commit.
    pub processing_ms: f64,
    /// Milliseconds of it that a model took.
    pub model_ms: f64,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct Preprocessing {
    pub original_input: String,
    pub cleaned_input: String,
    pub corrected_input: String,
    pub emotional_state: EmotionalState,
    pub input_category: String,
    /// Pairs of what was written and what was understood.
    pub spelling_corrections: Vec<(String, String)>,
    pub safety_checks: SafetyChecks,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct EmotionalState {
    pub categories: Vec<String>,
    /// 0 to 3.
    #[schema(maximum = 3)]
    pub intensity: u8,
    /// `neutral` where none was noticed.
    pub primary_emotion: String,
}

#[derive(Clone, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names of the wire")]
pub struct SafetyChecks {
    pub self_harm_detected: SelfHarmDetected,
    pub thinking_mode_detected: Check,
    pub past_tense_detected: Check,
    pub i_dont_know_detected: DontKnowCheck,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct Check {
    pub detected: bool,
    pub phrases_found: Vec<String>,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct DontKnowCheck {
    pub detected: bool,
    pub phrases_found: Vec<String>,
    pub context: String,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct Navigation {
    /// What this reply does.
    pub decision: String,
    /// The substate after the turn.
    pub next_state: String,
    /// The label under which examples for this reply are found, where it has one.
    pub rag_query: Option<String>,
    /// Examples that the model was shown for it, best first.
    pub passages: Vec<Used>,
    /// Which rules led here, by name.
    pub reasoning: String,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct SessionProgress {
    pub current_substate: String,
    pub body_question_count: u32,
    /// Twelve named criteria.
    pub completion_criteria: BTreeMap<String, bool>,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct SafetyReport {
    pub level: Level,
    /// Crisis lines, where this turn should show them.
    pub resources: Vec<Resource>,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct Context {
    /// How many earlier exchanges the responder had before it.
    pub exchanges_seen: u32,
    /// How many there have been in all.
    pub exchanges_total: u32,
    /// Tokens of the model's prompt: as its server counted them, else an estimate; null where none was asked.
    pub prompt_tokens: Option<u32>,
    /// Whether something was left out of a prompt, or its server did not read all of it.
    pub truncated: bool,
    /// Why the script wrote the reply, or its end, although a model was to.
    pub fallback: Option<String>,
}

/// Where the turn is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    Embedded,
    Redis,
    /// On this server alone, until Redis is back.
    Local,
    /// Nowhere: the store was away or too slow, and the danger could not wait.
    None,
}

impl Storage {
    pub fn of_store(name: &str) -> Self {
        match name {
            "redis" => Self::Redis,
            "local" => Self::Local,
            _ => Self::Embedded,
        }
    }
}

impl Reply {
    /// The bytes that are stored and sent.
    pub fn bytes(&self) -> StoredReply {
        // A struct of strings, numbers and lists has no way to fail.
        Arc::from(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// The stored bytes as they go out: the same to the last byte but for the member `replayed`.
pub fn on_the_wire(stored: &[u8], replayed: bool) -> Vec<u8> {
    let body = stored.strip_suffix(b"}").unwrap_or(stored);
    let tail: &[u8] = if replayed { b",\"replayed\":true}" } else { b",\"replayed\":false}" };
    [body, tail].concat()
}

/// What a stream has to know of a stored reply.
#[derive(Default, serde::Deserialize)]
pub struct ToldInShort {
    pub therapist_response: String,
    pub turn: Option<u32>,
    responder: String,
}

impl ToldInShort {
    pub fn is_crisis(&self) -> bool {
        self.responder == "crisis"
    }
}

/// Reads it out of the stored bytes, which are ours.
pub fn told_in(stored: &[u8]) -> ToldInShort {
    serde_json::from_slice(stored).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_differs_in_its_flag_alone() {
        let stored = br#"{"a":1}"#;
        assert_eq!(on_the_wire(stored, false), br#"{"a":1,"replayed":false}"#);
        assert_eq!(on_the_wire(stored, true), br#"{"a":1,"replayed":true}"#);
    }
}
