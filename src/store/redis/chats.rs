//! Plain chats in Redis, in keys that other programs read and write.
//!
//! The scripts never read the JSON of a chat. Where another program wrote it they hand it back, it is read here, and the
//! script is run again with what is in it. What is said goes to the other servers over a channel that they hear only
//! while somebody there does; those who are connected here are told at once.

mod envelope;
mod heard;
mod message;

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use redis::{Cmd, Pipeline, Value};

use self::envelope::Otherwise;
use super::value::{self, Parts, millis};
use super::{Inner, RedisStore};
use crate::domain::chat::{Broadcast, Chat, ChatMessage, ChatVoice, MESSAGES_MAX, ShutdownReason};
use crate::domain::id::{OrgId, SessionKey};
use crate::domain::time::Timestamp;
use crate::redis::{Script, attend, keys};
use crate::store::{Chats, Heard, Hearing, Remaining, Saying, StoreError};

pub(super) use self::heard::Names;

/// How often another program may write a chat while it is read.
const TRIES_MAX: usize = 5;
/// Messages whose names are known, so that none is counted twice when its answer was lost.
const NAMES_MAX: usize = 256;
/// A message is repeated within this, or never.
const NAME_TTL: Duration = Duration::from_mins(1);
/// Chats that one script of a broadcast writes to.
const PIECE: usize = 100;

/// What a script told of a chat.
enum Told {
    Nothing,
    /// With what follows.
    Something(Parts),
}

/// What stands beside a chat, in the order of `chat.lua`.
const BESIDE: [&str; 6] =
    [keys::MESSAGES, keys::COUNT, keys::ABOUT, keys::SAID, keys::UNREADABLE, keys::UNREADABLE_MESSAGES];

impl Inner {
    pub(super) async fn attend(&self) {
        attend(&self.link, &self.ears, |channel, payload| self.heard(channel, payload)).await;
    }

    /// What was said on a channel. Those here have been told of what this server says.
    fn heard(&self, channel: &str, payload: &[u8]) {
        let (Some((org, id)), Some(told)) = (self.keys.heard_in(channel), heard::parse(payload)) else {
            return;
        };
        if told.server == self.server || !self.heard.lock().note(told.name) {
            return;
        }
        match id {
            Some(id) => self.rooms.tell(&SessionKey::new(org, id), told.heard),
            None => self.rooms.tell_all(&org, told.heard),
        }
    }

    /// All keys that are a chat's own.
    pub(super) fn chat_keys(&self, key: &SessionKey) -> Vec<String> {
        let beside = BESIDE.map(|what| self.keys.beside_chat(key, what));
        std::iter::once(self.keys.chat(key)).chain(beside).collect()
    }

    fn chat_call(&self, script: &Script, key: &SessionKey, known: &str) -> Cmd {
        let mut names = self.chat_keys(key);
        names.extend([self.keys.chats(&key.org), self.keys.session(key, keys::STATE), self.keys.orgs()]);
        let mut call = script.call(&names);
        call.arg(key.id.as_str()).arg(key.org.as_str()).arg(known);
        call
    }

    /// Runs a script on a chat, whoever wrote it.
    async fn on_chat(
        &self,
        key: &SessionKey,
        script: &Script,
        ttl: Duration,
        with: impl Fn(&mut Cmd),
    ) -> Result<Told, StoreError> {
        let mut known = "-".to_owned();
        for _ in 0..TRIES_MAX {
            let mut call = self.chat_call(script, key, &known);
            with(&mut call);
            let mut parts = Parts::of(self.run(script, call).await?)?;
            self.count_set_aside(key, parts.number()?);
            match parts.text()?.as_str() {
                "foreign" => {
                    let (mark, bytes) = (parts.text()?, parts.bytes()?);
                    known = envelope::told(&mark, &bytes, self.otherwise(ttl));
                }
                "none" => return Ok(Told::Nothing),
                _ => return Ok(Told::Something(parts)),
            }
        }
        Err(StoreError::Away("another program writes the chat all the time".to_owned()))
    }

    fn otherwise(&self, ttl: Duration) -> Otherwise {
        Otherwise { now: self.clock.now(), ttl }
    }

    fn count_set_aside(&self, key: &SessionKey, count: u64) {
        if count > 0 {
            self.set_aside.fetch_add(count, Ordering::Relaxed);
            tracing::warn!(
                session = key.id.as_str(),
                count,
                "stored data of a chat cannot be read: set aside"
            );
        }
    }

    async fn say(&self, saying: &Saying) -> Result<(u64, Timestamp), StoreError> {
        let key = &saying.session;
        let name = self.nonce();
        let (before, behind) = message::around_the_time(&saying.content, &key.id);
        let told = self.on_chat(key, &self.scripts.chat.say, saying.ttl, |call| {
            call.arg(&name)
                .arg(millis(saying.ttl))
                .arg(&before)
                .arg(behind)
                .arg(self.keys.heard(key))
                .arg(heard::before_the_count(&self.server, &name, saying.connection))
                .arg(MESSAGES_MAX)
                .arg(NAMES_MAX)
                .arg(millis(NAME_TTL));
        });
        match told.await? {
            Told::Something(mut parts) => {
                Ok((parts.number()?, Timestamp::from_millis(parts.number::<i64>()?)))
            }
            Told::Nothing => Err(StoreError::Corrupt("a message that was not counted".to_owned())),
        }
    }

    /// The chat, and its messages from an index on.
    async fn read_chat(
        &self,
        key: &SessionKey,
        from: Option<isize>,
    ) -> Result<Option<(Chat, Remaining, Vec<ChatMessage>)>, StoreError> {
        let (script, ttl) = (&self.scripts.chat.read, self.limits.session_ttl);
        let mut known = "-".to_owned();
        for _ in 0..TRIES_MAX {
            let mut call = self.chat_call(script, key, &known);
            call.arg(millis(ttl)).arg(from.map_or_else(|| "-".to_owned(), |from| from.to_string()));
            let mut parts = Parts::of(self.run(script, call).await?)?;
            self.count_set_aside(key, parts.number()?);
            if parts.text()? == "none" {
                return Ok(None);
            }
            let (mark, bytes) = (parts.text()?, parts.bytes()?);
            let Some(chat) = envelope::chat(&bytes, self.otherwise(ttl)) else {
                known = envelope::broken(&mark);
                continue;
            };
            let left = parts.number::<i64>()?;
            // Another program's that never ends, as far as anybody knows.
            let left = u64::try_from(left).map_or(chat.ttl, Duration::from_millis);
            let read = |value: Value| match value {
                Value::BulkString(bytes) => message::read(&bytes),
                _ => None,
            };
            let messages = value::list(parts.value()?)?.into_iter().filter_map(read).collect();
            return Ok(Some((chat, Remaining::For(left), messages)));
        }
        Err(StoreError::Away("another program writes the chat all the time".to_owned()))
    }

    /// Sets a chat's TTL; beside a session it is the session's, whatever is asked for.
    pub(super) async fn extend_chat(
        &self,
        key: &SessionKey,
        ttl: Duration,
    ) -> Result<Option<Remaining>, StoreError> {
        let script = &self.scripts.chat.extend;
        let told = self.on_chat(key, script, ttl, |call| {
            call.arg(millis(ttl));
        });
        match told.await? {
            Told::Something(mut parts) => Ok(Some(Remaining::For(Duration::from_millis(parts.number()?)))),
            Told::Nothing => Ok(None),
        }
    }

    /// Looks first, so that a removal whose answer was lost is told as one.
    async fn delete_chat(&self, key: &SessionKey) -> Result<bool, StoreError> {
        let mut look = Pipeline::with_capacity(1);
        look.cmd("EXISTS").arg(self.keys.chat(key));
        let was_there = self.ask(&look, &[]).await?.first() == Some(&Value::Int(1));
        let mut names = vec![self.keys.chat(key), self.keys.chats(&key.org)];
        names.extend(self.chat_keys(key).into_iter().skip(1));
        let mut call = self.scripts.chat.delete.call(&names);
        call.arg(key.id.as_str());
        let removed = value::number(&self.run(&self.scripts.chat.delete, call).await?)? == 1;
        Ok(was_there || removed)
    }

    /// Tells those who hear a session, here and elsewhere.
    pub(super) async fn tell(&self, key: &SessionKey, heard: Heard) -> Result<(), StoreError> {
        let payload = heard::payload(&self.server, &self.nonce(), &heard);
        self.rooms.tell(key, heard);
        match payload {
            Some(payload) => self.publish(self.keys.heard(key), payload).await,
            None => Ok(()),
        }
    }

    async fn publish(&self, channel: String, payload: Vec<u8>) -> Result<(), StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        calls.cmd("PUBLISH").arg(channel).arg(payload);
        self.ask(&calls, &[]).await.map(drop)
    }

    async fn broadcast(&self, org: &OrgId, broadcast: Broadcast) -> Result<u64, StoreError> {
        let name = self.nonce();
        let (before, behind) = message::around_the_id(&broadcast.message, broadcast.level, broadcast.at);
        let heard = Heard::Broadcast(broadcast);
        let payload = heard::payload(&self.server, &name, &heard).unwrap_or_default();
        self.rooms.tell_all(org, heard);
        self.publish(self.keys.heard_by_all(org), payload).await?;
        let (mut kept, mut from, mut done) = (0, "-inf".to_owned(), "0".to_owned());
        for piece in 0_u64.. {
            let mut call = self.scripts.chat.broadcast.call(&[self.keys.chats(org)]);
            call.arg(self.keys.chats_prefix(org))
                .arg(&before)
                .arg(behind)
                .arg(&from)
                .arg(&done)
                .arg(PIECE)
                .arg(&name)
                .arg(piece)
                .arg(MESSAGES_MAX);
            let mut parts = Parts::of(self.run(&self.scripts.chat.broadcast, call).await?)?;
            kept += parts.number::<u64>()?;
            (from, done) = (parts.text()?, parts.text()?);
            if from == "-" {
                break;
            }
        }
        Ok(kept)
    }

    async fn note_presence(
        &self,
        key: &SessionKey,
        left: Option<(Timestamp, Option<ShutdownReason>)>,
    ) -> Result<(), StoreError> {
        let at = left.map_or_else(|| "-".to_owned(), |(at, _)| at.millis().to_string());
        let why = left.and_then(|(_, why)| why).map_or("-", envelope::word);
        let (script, ttl) = (&self.scripts.chat.note, self.limits.session_ttl);
        self.on_chat(key, script, ttl, |call| {
            call.arg(&at).arg(why);
        })
        .await
        .map(drop)
    }
}

#[async_trait]
impl Chats for RedisStore {
    async fn say(&self, saying: Saying) -> Result<u64, StoreError> {
        let (count, at) = self.0.say(&saying).await?;
        let Saying { session, content, connection, .. } = saying;
        let message = ChatMessage { content, at, from: ChatVoice::Client };
        self.0.rooms.tell(&session, Heard::Message { count, message, connection });
        Ok(count)
    }

    async fn chat(&self, session: &SessionKey) -> Result<Option<(Chat, Remaining)>, StoreError> {
        let read = self.0.read_chat(session, None).await?;
        Ok(read.map(|(chat, remaining, _)| (chat, remaining)))
    }

    async fn messages(
        &self,
        session: &SessionKey,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Option<Vec<ChatMessage>>, StoreError> {
        let newest = isize::try_from(limit.min(MESSAGES_MAX)).unwrap_or_default();
        // How many are newer than a time is not known before they are read.
        let from = if before.is_none() { -newest.max(1) } else { 0 };
        let Some((_, _, mut messages)) = self.0.read_chat(session, Some(from)).await? else {
            return Ok(None);
        };
        messages.retain(|message| before.is_none_or(|before| message.at < before));
        let surplus = messages.len().saturating_sub(limit);
        messages.drain(..surplus);
        Ok(Some(messages))
    }

    async fn extend_chat(
        &self,
        session: &SessionKey,
        ttl: Duration,
    ) -> Result<Option<Remaining>, StoreError> {
        self.0.extend_chat(session, ttl).await
    }

    async fn delete_chat(&self, session: &SessionKey) -> Result<bool, StoreError> {
        let was_there = self.0.delete_chat(session).await?;
        if was_there {
            // Who does not hear it finds the chat gone.
            let _unheard = self.0.tell(session, Heard::Removed).await;
        }
        Ok(was_there)
    }

    async fn note_presence(
        &self,
        session: &SessionKey,
        left: Option<(Timestamp, Option<ShutdownReason>)>,
    ) -> Result<(), StoreError> {
        self.0.note_presence(session, left).await
    }

    async fn broadcast(&self, org: &OrgId, broadcast: Broadcast) -> Result<u64, StoreError> {
        self.0.broadcast(org, broadcast).await
    }

    fn hear(&self, session: &SessionKey) -> Hearing {
        let keys = &self.0.keys;
        let own = self.0.ears.want(keys.heard(session));
        let of_all = self.0.ears.want(keys.heard_by_all(&session.org));
        self.0.rooms.hear(session, (own, of_all))
    }

    async fn tell(&self, session: &SessionKey, heard: Heard) -> Result<(), StoreError> {
        self.0.tell(session, heard).await
    }

    fn set_aside(&self) -> u64 {
        self.0.set_aside.load(Ordering::Relaxed)
    }
}
