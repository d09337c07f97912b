//! The stored record of a turn: what was said, and what was told beside it.

use serde::{Deserialize, Serialize};

use super::disclosure::Disclosure;
use super::safety::Level;
use super::session::Status;
use super::time::Timestamp;

/// Who wrote a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Responder {
    Model,
    Scripted,
    Crisis,
    Clinician,
    Pending,
}

/// The stored record of a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Exchange {
    pub turn: u32,
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    pub client_input: String,
    pub therapist_response: String,
    pub navigation_decision: String,
    pub rag_query: Option<String>,
    pub current_substate: String,
    pub safety_level: Level,
    pub responder: Responder,
    /// The number that it was told under, where it was put behind turns that somebody else wrote meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was_turn: Option<u32>,
    /// Missing where another program, or a version before this one, wrote the exchange.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Told>,
}

/// What a turn's answer told beside its words, as far as it does not follow from them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Told {
    /// The session's after the turn.
    pub status: Status,
    pub reasoning: String,
    pub body_question_count: u32,
    /// The completion criteria in the protocol's order, `1` for one that is met.
    pub criteria: String,
    /// How many earlier exchanges the responder had before it.
    pub exchanges_seen: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<Written>,
    /// Whether crisis lines were shown.
    #[serde(default, skip_serializing_if = "is_false")]
    pub resources: bool,
    /// What was told of the AI, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disclosure: Option<Disclosure>,
    /// Whether only the beginning of the input was taken.
    #[serde(default, skip_serializing_if = "is_false")]
    pub cut: bool,
    pub processing_ms: f64,
}

/// How a model came to a turn's words, or failed to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Written {
    /// Which prompts it was told: a hash over their file. Empty where none was asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prompt: String,
    /// Tokens of the prompt: as the model's server counted them, else an estimate. `None` where none was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u32>,
    /// Whether something of the conversation was left out of the prompt, or the server did not read all of it.
    pub truncated: bool,
    /// Examples that the model was shown, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passages: Vec<Used>,
    /// Why the script wrote the reply, or its end, after all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// Milliseconds that the model took.
    pub ms: f64,
}

/// An example that was shown to a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Used {
    pub id: String,
    /// How well it fits; comparable within one turn alone.
    pub score: f32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
