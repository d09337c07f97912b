//! The part of the store that keeps plain chats, and carries what is said to every connection of a session, on whichever
//! server that is.
//!
//! Beside a therapy session a chat counts on from its turns, stands as long as the session does, goes with it, and keeps no
//! word that a person said: those are the history's.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::{Remaining, StoreError};
use crate::domain::chat::{Broadcast, Chat, ChatMessage, ShutdownReason};
use crate::domain::id::{OrgId, SessionKey};
use crate::domain::time::Timestamp;

/// A message on its way into a chat.
#[derive(Clone)]
pub struct Saying {
    pub session: SessionKey,
    pub content: String,
    /// The connection that it came by: whoever hears its own words knows them.
    pub connection: u128,
    /// Of a chat that begins with it.
    pub ttl: Duration,
}

/// What reaches all connections of a session. May be lost on the way, as no word of it is the only record.
#[derive(Debug, Clone)]
pub enum Heard {
    /// Somebody wrote a plain message.
    Message { count: u64, message: ChatMessage, connection: u128 },
    /// A turn was stored: the reply's bytes. `connection` is none where it came over HTTP.
    Turn { reply: Arc<[u8]>, connection: Option<u128> },
    /// Words to everybody.
    Broadcast(Broadcast),
    /// The session was removed: its connections end.
    Removed,
}

/// Heard until it is dropped. A slow listener is told that it lost some, by `RecvError::Lagged`.
pub struct Hearing {
    pub heard: broadcast::Receiver<Arc<Heard>>,
    /// Leaves the room when it is dropped.
    pub guard: Box<dyn Send>,
}

#[async_trait]
pub trait Chats: Send + Sync {
    /// Counts a message, keeps it, starts the chat's time anew and tells all who hear the session: one change. The numbers of a
    /// session go up by one and never repeat, over all connections and servers. Begins the chat where there is none.
    ///
    /// Not safe to repeat by the caller: each call is a message. The store itself repeats none.
    async fn say(&self, saying: Saying) -> Result<u64, StoreError>;

    /// A chat and how long it still stands. `None`: there is none. A value that another program spoiled is set aside, counted
    /// and logged, and the chat begins again from 0.
    async fn chat(&self, session: &SessionKey) -> Result<Option<(Chat, Remaining)>, StoreError>;

    /// What is kept of it, older than `before`, the newest `limit`, oldest first. `None`: there is no such chat.
    async fn messages(
        &self,
        session: &SessionKey,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Option<Vec<ChatMessage>>, StoreError>;

    /// Sets the TTL and starts it anew; later messages keep it. `None`: there is no such chat.
    async fn extend_chat(&self, session: &SessionKey, ttl: Duration)
    -> Result<Option<Remaining>, StoreError>;

    /// Removes it with its messages, and ends its connections. False: there is none.
    async fn delete_chat(&self, session: &SessionKey) -> Result<bool, StoreError>;

    /// Notes that the last connection of this server left, or that one is there again (`None`).
    async fn note_presence(
        &self,
        session: &SessionKey,
        left: Option<(Timestamp, Option<ShutdownReason>)>,
    ) -> Result<(), StoreError>;

    /// Says something to everybody of an organisation who is connected, on every server, and keeps it in their chats. How many
    /// chats it was kept in.
    async fn broadcast(&self, org: &OrgId, broadcast: Broadcast) -> Result<u64, StoreError>;

    /// Hears what is said in a session from now on.
    fn hear(&self, session: &SessionKey) -> Hearing;

    /// Tells all who hear a session, here and on other servers. Best effort.
    async fn tell(&self, session: &SessionKey, heard: Heard) -> Result<(), StoreError>;

    /// How many values have been set aside since the start, because nobody could read them.
    fn set_aside(&self) -> u64;
}
