//! Plain chats in Redis.

use std::time::Duration;

use async_trait::async_trait;

use super::RedisStore;
use crate::domain::chat::{Broadcast, Chat, ChatMessage, ShutdownReason};
use crate::domain::id::{OrgId, SessionKey};
use crate::domain::time::Timestamp;
use crate::store::{Chats, Heard, Hearing, Remaining, Saying, StoreError};

fn away<T>() -> Result<T, StoreError> {
    Err(StoreError::Away("chats are not kept in Redis yet".to_owned()))
}

#[async_trait]
impl Chats for RedisStore {
    async fn say(&self, _saying: Saying) -> Result<u64, StoreError> {
        away()
    }

    async fn chat(&self, _session: &SessionKey) -> Result<Option<(Chat, Remaining)>, StoreError> {
        away()
    }

    async fn messages(
        &self,
        _session: &SessionKey,
        _before: Option<Timestamp>,
        _limit: usize,
    ) -> Result<Option<Vec<ChatMessage>>, StoreError> {
        away()
    }

    async fn extend_chat(
        &self,
        _session: &SessionKey,
        _ttl: Duration,
    ) -> Result<Option<Remaining>, StoreError> {
        away()
    }

    async fn delete_chat(&self, _session: &SessionKey) -> Result<bool, StoreError> {
        away()
    }

    async fn note_presence(
        &self,
        _session: &SessionKey,
        _left: Option<(Timestamp, Option<ShutdownReason>)>,
    ) -> Result<(), StoreError> {
        away()
    }

    async fn broadcast(&self, _org: &OrgId, _broadcast: Broadcast) -> Result<u64, StoreError> {
        away()
    }

    fn hear(&self, session: &SessionKey) -> Hearing {
        self.0.rooms.hear(session, ())
    }

    async fn tell(&self, session: &SessionKey, heard: Heard) -> Result<(), StoreError> {
        self.0.rooms.tell(session, heard);
        Ok(())
    }

    fn set_aside(&self) -> u64 {
        0
    }
}
