//! What subscribers are told of sessions, each once: ids, codes and numbers, never text.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::id::{OrgId, SessionId, SessionKey};
use super::time::Timestamp;

/// Where an event lies in the log: the milliseconds since 1970 when it was written, and a number that tells those of one
/// millisecond apart. Written `ms-number`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    pub ms: u64,
    pub number: u64,
}

impl EventId {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (ms, number) = text.split_once('-')?;
        Some(Self { ms: ms.parse().ok()?, number: number.parse().ok()? })
    }

    #[must_use]
    pub fn at(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.ms).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.number)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    SessionCreated,
    /// Its status, its time or its client's consent changed outside of a turn, or safety paused it.
    SessionUpdated,
    /// It was idle for too long, or its time was over.
    SessionExpired,
    SessionDeleted,
    /// The level of a session's client rose.
    SafetyRaised,
    /// It was cleared, or fell by negative re-screens.
    SafetyCleared,
    /// A turn was stored.
    TurnCompleted,
    /// The reply of a turn can be fetched.
    ReplyReady,
}

impl EventKind {
    pub const ALL: [Self; 8] = [
        Self::SessionCreated,
        Self::SessionUpdated,
        Self::SessionExpired,
        Self::SessionDeleted,
        Self::SafetyRaised,
        Self::SafetyCleared,
        Self::TurnCompleted,
        Self::ReplyReady,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SessionCreated => "session_created",
            Self::SessionUpdated => "session_updated",
            Self::SessionExpired => "session_expired",
            Self::SessionDeleted => "session_deleted",
            Self::SafetyRaised => "safety_raised",
            Self::SafetyCleared => "safety_cleared",
            Self::TurnCompleted => "turn_completed",
            Self::ReplyReady => "reply_ready",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One change that subscribers are told of. As it is stored it has no id: its place in the log is that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEvent {
    #[serde(skip)]
    pub id: EventId,
    pub kind: EventKind,
    pub org: OrgId,
    pub session: SessionId,
    /// Of a turn; counts from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<u32>,
    /// What it is now, as it is spelled on the wire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<String>,
    /// The status or the level before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<String>,
}

impl SessionEvent {
    #[must_use]
    pub fn new(kind: EventKind, key: &SessionKey) -> Self {
        Self {
            id: EventId::default(),
            kind,
            org: key.org.clone(),
            session: key.id.clone(),
            turn: None,
            status: None,
            level: None,
            was: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_keeps_the_order_of_time() {
        let id = EventId { ms: 1_732_236_000_000, number: 7 };
        assert_eq!(EventId::parse(&id.to_string()), Some(id));
        assert!(id < EventId { ms: id.ms, number: 8 } && id < EventId { ms: id.ms + 1, number: 0 });
        assert_eq!([EventId::parse("7"), EventId::parse("7-"), EventId::parse("a-1")], [None; 3]);
        assert_eq!(id.at().millis(), 1_732_236_000_000);
    }

    #[test]
    fn every_kind_is_spelled_one_way() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.as_str()), Some(kind));
            let spelled = serde_json::to_value(kind).expect("a string");
            assert_eq!(spelled, kind.as_str());
        }
    }
}
