//! Plain chats while Redis is away: a message of a chat whose number is known here, or that is new, is counted on and logged in
//! the journal, and Redis is told of it under its own name when it is back. Everything else of chats is Redis', and away with it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::local::{Way, away};
use super::{FallbackStore, Inner};
use crate::domain::chat::{Broadcast, Chat, ChatMessage, ChatVoice, ShutdownReason};
use crate::domain::id::{OrgId, SessionKey};
use crate::domain::time::Timestamp;
use crate::store::{Chats, Heard, Hearing, Lane, Remaining, Saying, StoreError};

impl Inner {
    async fn say(this: &Arc<Self>, saying: Saying) -> Result<u64, StoreError> {
        let key = saying.session.clone();
        let _held = match Self::way(this, &key, Lane::Ordinary).await? {
            Way::Redis => match this.primary.say(saying.clone()).await {
                Err(StoreError::Away(why)) => {
                    if !this.goes_on_without().await {
                        return Err(StoreError::Away(why));
                    }
                    this.note_said(&key).await?
                }
                said => {
                    let count = said?;
                    this.known.counted(&key, count);
                    return Ok(count);
                }
            },
            Way::Away => this.note_said(&key).await?,
            Way::Journal(held) => held,
        };
        this.log_said(saying).await
    }

    /// A place for what is said, where its number can be known.
    async fn note_said(&self, key: &SessionKey) -> Result<super::local::Held, StoreError> {
        self.going_on()?;
        if self.known.count(key).is_none() {
            return Err(away());
        }
        self.note(key).await
    }

    /// Counts on and logs it, one at a time: the log has the order of the numbers.
    async fn log_said(&self, saying: Saying) -> Result<u64, StoreError> {
        let (key, connection) = (saying.session.clone(), saying.connection);
        let message =
            ChatMessage { content: saying.content.clone(), at: self.clock.now(), from: ChatVoice::Client };
        let counting = self.counting.lock().await;
        let count = self.known.count(&key).ok_or_else(away)? + 1;
        self.journal()?.log_said(saying).await?;
        self.known.counted(&key, count);
        drop(counting);
        // Whoever is connected here hears it; nobody else is there.
        let _elsewhere = self.primary.tell(&key, Heard::Message { count, message, connection }).await;
        Ok(count)
    }
}

#[async_trait]
impl Chats for FallbackStore {
    async fn say(&self, saying: Saying) -> Result<u64, StoreError> {
        Inner::say(&self.0, saying).await
    }

    async fn chat(&self, session: &SessionKey) -> Result<Option<(Chat, Remaining)>, StoreError> {
        Inner::settled(&self.0, session).await?;
        let chat = self.0.primary.chat(session).await?;
        if let Some((chat, _)) = &chat {
            self.0.known.counted(session, chat.count);
        }
        Ok(chat)
    }

    async fn messages(
        &self,
        session: &SessionKey,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Option<Vec<ChatMessage>>, StoreError> {
        Inner::settled(&self.0, session).await?;
        self.0.primary.messages(session, before, limit).await
    }

    async fn extend_chat(
        &self,
        session: &SessionKey,
        ttl: Duration,
    ) -> Result<Option<Remaining>, StoreError> {
        Inner::settled(&self.0, session).await?;
        self.0.primary.extend_chat(session, ttl).await
    }

    async fn delete_chat(&self, session: &SessionKey) -> Result<bool, StoreError> {
        Inner::settled(&self.0, session).await?;
        self.0.known.forget_count(session);
        self.0.primary.delete_chat(session).await
    }

    async fn note_presence(
        &self,
        session: &SessionKey,
        left: Option<(Timestamp, Option<ShutdownReason>)>,
    ) -> Result<(), StoreError> {
        self.0.primary.note_presence(session, left).await
    }

    async fn broadcast(&self, org: &OrgId, broadcast: Broadcast) -> Result<u64, StoreError> {
        self.0.primary.broadcast(org, broadcast).await
    }

    fn hear(&self, session: &SessionKey) -> Hearing {
        self.0.primary.hear(session)
    }

    async fn tell(&self, session: &SessionKey, heard: Heard) -> Result<(), StoreError> {
        self.0.primary.tell(session, heard).await
    }

    fn set_aside(&self) -> u64 {
        self.0.primary.set_aside()
    }
}
