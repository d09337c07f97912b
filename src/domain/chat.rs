//! The plain chat of a session: a count and what was said, as clients of the live channel know it. Beside a therapy session
//! it is a projection; alone it is all that there is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::time::Timestamp;

/// Characters of one message; a longer one is refused, or cut where it shows danger.
pub const MESSAGE_MAX_CHARS: usize = 8_000;
/// Messages that a chat keeps; older ones go.
pub const MESSAGES_MAX: usize = 500;
/// Characters of a broadcast, and of its title.
pub const BROADCAST_MAX_CHARS: usize = 2_000;
pub const TITLE_MAX_CHARS: usize = 120;

/// A chat as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chat {
    /// Messages that were ever sent in it, not those that are kept.
    pub count: u64,
    pub created_at: Timestamp,
    pub last_activity: Timestamp,
    /// When the last connection left it; none while one is there, or none ever was.
    pub disconnected_at: Option<Timestamp>,
    /// Why, where that was not the client's doing.
    pub shutdown_reason: Option<ShutdownReason>,
    pub ttl: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShutdownReason {
    /// The server was stopped.
    ServerShutdown,
}

/// One message as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    pub content: String,
    pub at: Timestamp,
    pub from: ChatVoice,
}

/// What a person wrote has no debug output.
impl std::fmt::Debug for ChatMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "message of {} bytes, {:?}", self.content.len(), self.from)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatVoice {
    Client,
    /// The answer to the client.
    Reply,
    /// Words of the server to everybody.
    Broadcast(BroadcastLevel),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BroadcastLevel {
    Info,
    Warning,
    Error,
    Success,
}

/// Words of the people who run the server to everybody who is connected.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broadcast {
    pub message: String,
    pub title: Option<String>,
    pub level: BroadcastLevel,
    pub at: Timestamp,
}

impl Broadcast {
    /// As a chat keeps it.
    #[must_use]
    pub fn message_of_a_chat(&self) -> ChatMessage {
        ChatMessage { content: self.message.clone(), at: self.at, from: ChatVoice::Broadcast(self.level) }
    }
}

impl std::fmt::Debug for Broadcast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "broadcast of {} bytes, {:?}", self.message.len(), self.level)
    }
}
