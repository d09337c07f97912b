//! What happened, as subscribers are told it: the same in a stream and by webhook.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::event::{EventKind, SessionEvent};
use crate::domain::time::Timestamp;

/// Something that happened to a session. Ids, codes and numbers; no words of anybody.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventBody<'a> {
    /// Names it once and for all, and puts it in its place among the others: `milliseconds-number`.
    pub id: String,
    pub event: EventKind,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub organisation: &'a str,
    pub session_id: &'a str,
    /// Of a turn; counts from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// What the session's status is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'a str>,
    /// What its level is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub safety_level: Option<&'a str>,
    /// The status before, or where the level changed, the level before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<&'a str>,
}

impl<'a> From<&'a SessionEvent> for EventBody<'a> {
    fn from(event: &'a SessionEvent) -> Self {
        Self {
            id: event.id.to_string(),
            event: event.kind,
            at: event.id.at(),
            organisation: event.org.as_str(),
            session_id: event.session.as_str(),
            turn: event.turn,
            status: event.status.as_deref(),
            safety_level: event.level.as_deref(),
            was: event.was.as_deref(),
        }
    }
}
