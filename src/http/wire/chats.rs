//! The plain chat on the wire, in the words of its older clients: times are seconds since 1970, those of messages
//! milliseconds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::seconds;
use crate::domain::chat::{Broadcast, BroadcastLevel, Chat, ChatMessage, ChatVoice, ShutdownReason};
use crate::domain::time::Timestamp;
use crate::store::Remaining;

/// As Redis tells of what has no end.
const NO_END: i64 = -1;

#[derive(Debug, Serialize, ToSchema)]
pub struct RedisStatusBody {
    pub success: bool,
    pub redis_connected: bool,
    /// `redis` or `embedded`.
    pub storage: &'static str,
    /// Without its credentials; its place only where nobody but this machine reaches the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_url: Option<String>,
    /// Seconds.
    pub default_ttl: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ChatBody {
    pub success: bool,
    pub session_id: String,
    pub data: ChatEnvelope,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ChatEnvelope {
    pub data: ChatData,
    pub created_at: f64,
    pub ttl: u64,
    /// -1 while danger, or a report that nobody has seen, holds the session.
    pub remaining_ttl: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ChatData {
    /// Messages that were ever sent.
    pub count: u64,
    pub last_activity: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disconnected_at: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub shutdown_reason: Option<ShutdownReason>,
}

impl ChatEnvelope {
    pub fn of(chat: &Chat, remaining: Remaining) -> Self {
        Self {
            data: ChatData {
                count: chat.count,
                last_activity: epoch_seconds(chat.last_activity),
                disconnected_at: chat.disconnected_at.map(epoch_seconds),
                shutdown_reason: chat.shutdown_reason,
            },
            created_at: epoch_seconds(chat.created_at),
            ttl: u64::try_from(chat.ttl.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX),
            remaining_ttl: remaining_seconds(remaining),
        }
    }
}

fn remaining_seconds(remaining: Remaining) -> i64 {
    seconds(remaining).and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(NO_END)
}

/// Seconds since 1970, to the millisecond.
#[expect(clippy::cast_precision_loss, reason = "milliseconds of our time fit")]
fn epoch_seconds(time: Timestamp) -> f64 {
    time.millis() as f64 / 1_000.0
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct ExtendChatBody {
    /// Seconds; `REDIS_SESSION_TTL` where it is left out.
    #[schema(minimum = 1, maximum = 2_592_000)]
    pub ttl: Option<u64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ChatExtendedBody {
    pub success: bool,
    pub message: &'static str,
    pub session_id: String,
    pub remaining_ttl: i64,
}

impl ChatExtendedBody {
    pub fn of(session_id: String, remaining: Remaining) -> Self {
        Self {
            success: true,
            message: "Session TTL extended",
            session_id,
            remaining_ttl: remaining_seconds(remaining),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ChatDeletedBody {
    pub success: bool,
    pub message: &'static str,
    pub session_id: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ChatMessagesBody {
    pub success: bool,
    pub session_id: String,
    /// Oldest first.
    pub messages: Vec<ChatMessageBody>,
    /// How many these are.
    pub count: usize,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ChatMessage)]
pub struct ChatMessageBody {
    pub content: String,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Whether the client said it.
    pub is_sent: bool,
    pub session_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_broadcast: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broadcast_level: Option<BroadcastLevel>,
}

impl ChatMessageBody {
    pub fn of(message: ChatMessage, session_id: &str) -> Self {
        let (is_sent, level) = match message.from {
            ChatVoice::Client => (true, None),
            ChatVoice::Reply => (false, None),
            ChatVoice::Broadcast(level) => (false, Some(level)),
        };
        Self {
            content: message.content,
            timestamp: message.at.millis(),
            is_sent,
            session_id: session_id.to_owned(),
            is_broadcast: level.map(|_| true),
            broadcast_level: level,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
pub struct BroadcastBody {
    #[schema(min_length = 1, max_length = 2_000)]
    pub message: String,
    #[schema(max_length = 120)]
    pub title: Option<String>,
    /// `info` where it is left out.
    pub level: Option<BroadcastLevel>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BroadcastSentBody {
    pub success: bool,
    pub message: &'static str,
    pub data: BroadcastSentData,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct BroadcastSentData {
    pub message: String,
    pub title: Option<String>,
    pub level: BroadcastLevel,
    pub timestamp: f64,
    /// Chats that it was kept in.
    pub sessions_updated: u64,
}

impl BroadcastSentBody {
    pub fn of(broadcast: Broadcast, sessions_updated: u64) -> Self {
        let Broadcast { message, title, level, at } = broadcast;
        let timestamp = epoch_seconds(at);
        let data = BroadcastSentData { message, title, level, timestamp, sessions_updated };
        Self { success: true, message: "Broadcast sent", data }
    }
}
