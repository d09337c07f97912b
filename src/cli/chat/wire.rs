//! What the chat reads of the server's bodies. Anything else in them is passed over, and what lacks is empty: the server may
//! be of another version.

use serde::Deserialize;

/// An opened session.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Created {
    pub session_id: String,
    pub status: String,
    pub disclosure: Disclosure,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Disclosure {
    pub text: String,
}

/// Where a session stands.
#[derive(Default, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the names of the wire")]
pub struct Session {
    pub session_id: String,
    pub status: String,
    pub current_substate: String,
    pub step: String,
    pub turn_count: u32,
    pub safety_level: String,
    pub last_interaction: String,
    pub remaining_ttl: Option<u64>,
    pub storage: String,
    pub meta: Meta,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// Whatever stands there; crisis lines are chosen by it where it is a text.
    pub country: serde_json::Value,
}

/// Newest first.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct History {
    pub exchanges: Vec<Exchange>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Exchange {
    pub turn: u32,
    pub client_input: String,
    pub therapist_response: String,
}

/// An answered turn.
#[derive(Default, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names of the wire")]
pub struct Turn {
    pub therapist_response: String,
    #[serde(default)]
    pub turn: Option<u32>,
    /// Another one than was written to, where that had expired.
    #[serde(default)]
    pub session_id: String,
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub safety: Safety,
    #[serde(default)]
    pub responder: String,
    #[serde(default)]
    pub session_progress: Progress,
    #[serde(default)]
    pub truncated: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Safety {
    pub level: String,
    pub resources: Vec<Resource>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Progress {
    pub current_substate: String,
}

/// A place where people in danger are listened to.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Resource {
    pub name: String,
    pub call: Option<String>,
    pub text: Option<String>,
    pub chat: Option<String>,
    pub hours: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Resources {
    pub resources: Vec<Resource>,
}

#[derive(Deserialize)]
pub struct Delta {
    pub text: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Stopped {
    pub stopped: bool,
}

/// A refusal.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    pub error: String,
    /// What may be shown to a person.
    pub message: String,
    pub resources: Vec<Resource>,
    /// How long waiting helps, as the header said.
    #[serde(skip)]
    pub retry_after_seconds: Option<u64>,
}

impl Problem {
    /// A refusal that is not of Attune, as from a proxy, has only its status.
    pub fn read(status: u16, retry_after: Option<&str>, body: &[u8]) -> Self {
        let mut problem: Self = serde_json::from_slice(body).unwrap_or_default();
        if problem.error.is_empty() {
            problem.error = format!("status {status}");
        }
        if problem.message.is_empty() {
            "The server could not take this.".clone_into(&mut problem.message);
        }
        problem.retry_after_seconds = retry_after.and_then(|seconds| seconds.trim().parse().ok());
        problem
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_somebody_else_is_known_by_its_status() {
        let problem = Problem::read(502, Some(" 3 "), b"<html>");
        assert_eq!((problem.error.as_str(), problem.retry_after_seconds), ("status 502", Some(3)));
        assert!(!problem.message.is_empty());
    }

    #[test]
    fn bodies_of_other_versions_are_read_as_far_as_they_go() {
        let turn: Turn = serde_json::from_str(r#"{"therapist_response":"Hi.","new":[1]}"#).expect("read");
        assert_eq!((turn.turn, turn.safety.level.as_str()), (None, ""));
        assert!(serde_json::from_str::<Turn>("{}").is_err(), "a reply has words");
    }
}
