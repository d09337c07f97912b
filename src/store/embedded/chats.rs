//! Plain chats on disk: one record each, and every message under its place. Counter, record and message are one change.
//!
//! Beside a therapy session a chat counts, ends with the session and keeps nobody's words: those are the history's.

use std::time::Duration;

use async_trait::async_trait;
use fjall::Readable as _;
use serde::{Deserialize, Serialize};

use super::EmbeddedStore;
use super::draft::Draft;
use super::reads::View;
use super::record::{Record, decode, encode};
use super::tables::{self, Due, Tables, key_of, pair_of, value_of};
use super::writer::Writer;
use crate::domain::chat::{Broadcast, Chat, ChatMessage, ChatVoice, MESSAGES_MAX, ShutdownReason};
use crate::domain::id::{OrgId, SessionKey};
use crate::domain::time::Timestamp;
use crate::store::{Chats, Heard, Hearing, Remaining, Saying, StoreError};

/// Chats that one step of a broadcast writes to.
const PIECE: usize = 256;
/// Two messages of a chat never have the same time, so that a page can begin behind one.
const TICK: Duration = Duration::from_millis(1);

/// A chat as it lies on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChatRecord {
    count: u64,
    created_at: Timestamp,
    last_activity: Timestamp,
    disconnected_at: Option<Timestamp>,
    shutdown_reason: Option<ShutdownReason>,
    ttl: Duration,
    expires_at: Timestamp,
    /// Where its one entry in the expiry table lies: never later than it ends.
    due_at: Timestamp,
    /// The place of the next message.
    next_place: u64,
    last_message_at: Timestamp,
}

impl ChatRecord {
    fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        decode(bytes, "a chat")
    }

    fn begun(count: u64, ttl: Duration, now: Timestamp) -> Self {
        Self {
            count,
            created_at: now,
            last_activity: now,
            disconnected_at: None,
            shutdown_reason: None,
            ttl,
            expires_at: now.plus(ttl),
            due_at: now.plus(ttl),
            next_place: 0,
            last_message_at: now.minus(TICK),
        }
    }

    /// Starts its time anew; beside a session it is that session's.
    fn slide(&mut self, session: Option<&Record>, now: Timestamp) {
        self.ttl = session.map_or(self.ttl, |record| record.session.ttl);
        let ends = session.map(|record| record.expires_at).filter(|ends| *ends > now);
        self.expires_at = ends.unwrap_or_else(|| now.plus(self.ttl));
    }

    fn shown(self, now: Timestamp) -> (Chat, Remaining) {
        let remaining = Remaining::For(self.expires_at.since(now));
        let Self { count, created_at, last_activity, disconnected_at, shutdown_reason, ttl, .. } = self;
        (Chat { count, created_at, last_activity, disconnected_at, shutdown_reason, ttl }, remaining)
    }
}

fn load(tables: &Tables, key: &SessionKey) -> Result<Option<ChatRecord>, StoreError> {
    let bytes = value_of(&tables.chats, &tables::session(key))?;
    bytes.map(|bytes| ChatRecord::decode(&bytes)).transpose()
}

impl Writer {
    fn say(&mut self, saying: &Saying) -> Result<(u64, ChatMessage), StoreError> {
        let (key, now) = (&saying.session, self.clock.now());
        let session = self.live(key)?.map(|(record, _)| record);
        let old = self.standing_chat(key)?;
        self.change(|draft| {
            let turns = session.as_ref().map_or(0, |record| u64::from(record.session.turn_count));
            let mut chat = old.clone().unwrap_or_else(|| ChatRecord::begun(turns, saying.ttl, now));
            chat.count += 1;
            chat.last_activity = now;
            (chat.disconnected_at, chat.shutdown_reason) = (None, None);
            chat.slide(session.as_ref(), now);
            let at = now.max(chat.last_message_at.plus(TICK));
            let message = ChatMessage { content: saying.content.clone(), at, from: ChatVoice::Client };
            if session.is_none() {
                draft.keep_message(key, &mut chat, &message)?;
            }
            let count = chat.count;
            draft.put_chat(key, old.as_ref(), chat)?;
            Ok((count, message))
        })
    }

    fn extend_chat(&mut self, key: &SessionKey, ttl: Duration) -> Result<Option<Remaining>, StoreError> {
        let now = self.clock.now();
        let session = self.live(key)?.map(|(record, _)| record);
        self.change(|draft| draft.extend_chat(key, ttl, session.as_ref(), now))
    }

    fn delete_chat(&mut self, key: &SessionKey) -> Result<bool, StoreError> {
        let is_there = self.standing_chat(key)?.is_some();
        self.change(|draft| draft.purge_chat(key))?;
        Ok(is_there)
    }

    fn note_presence(
        &mut self,
        key: &SessionKey,
        left: Option<(Timestamp, Option<ShutdownReason>)>,
    ) -> Result<(), StoreError> {
        let Some(old) = self.standing_chat(key)? else { return Ok(()) };
        let (disconnected_at, shutdown_reason) = left.map_or((None, None), |(at, reason)| (Some(at), reason));
        let chat = ChatRecord { disconnected_at, shutdown_reason, ..old.clone() };
        self.change(|draft| draft.put_chat(key, Some(&old), chat))
    }

    /// A chat that still counts. What is left of one that ended is removed first.
    fn standing_chat(&mut self, key: &SessionKey) -> Result<Option<ChatRecord>, StoreError> {
        let Some(chat) = load(&self.tables, key)? else { return Ok(None) };
        if chat.expires_at > self.clock.now() {
            return Ok(Some(chat));
        }
        self.change(|draft| draft.purge_chat(key))?;
        Ok(None)
    }

    /// A piece of a broadcast: keeps it in the next chats behind a key, and tells in how many, and where the piece ended.
    fn broadcast_piece(
        &mut self,
        org: &OrgId,
        behind: Option<Vec<u8>>,
        message: &ChatMessage,
    ) -> Result<(u64, Option<Vec<u8>>), StoreError> {
        let (prefix, now) = (tables::of_orgs_chats(org), self.clock.now());
        let begin = behind.map_or(std::ops::Bound::Included(prefix.clone()), std::ops::Bound::Excluded);
        let entries = self.tables.chats.range((begin, std::ops::Bound::Unbounded)).take(PIECE);
        let found = entries.map(pair_of).collect::<Result<Vec<_>, _>>()?;
        let is_own = |key: &[u8]| key.starts_with(&prefix);
        let last = found.last().filter(|(key, _)| found.len() == PIECE && is_own(key));
        let next = last.map(|(key, _)| key.to_vec());
        let own = found.into_iter().take_while(|(key, _)| is_own(key));
        self.change(|draft| {
            let mut kept = 0;
            for (key, bytes) in own {
                let Ok(old) = ChatRecord::decode(&bytes) else { continue };
                if old.expires_at > now {
                    let (key, mut chat) = (tables::parse_session(&key)?, old.clone());
                    draft.keep_message(&key, &mut chat, message)?;
                    draft.put_chat(&key, Some(&old), chat)?;
                    kept += 1;
                }
            }
            Ok(kept)
        })
        .map(|kept| (kept, next))
    }
}

impl Draft<'_> {
    fn put_chat(
        &mut self,
        key: &SessionKey,
        old: Option<&ChatRecord>,
        mut new: ChatRecord,
    ) -> Result<(), StoreError> {
        let due = Due::Chat(key.clone());
        match old {
            // An entry that comes too early costs one look.
            Some(old) if old.due_at <= new.expires_at => new.due_at = old.due_at,
            Some(old) => {
                self.change.remove_due(old.due_at, &due);
                new.due_at = new.expires_at;
                self.change.insert_due(new.due_at, &due);
            }
            None => {
                new.due_at = new.expires_at;
                self.change.insert_due(new.due_at, &due);
            }
        }
        let table = &self.change.tables.chats;
        self.change.batch.insert(table, tables::session(key), encode(&new)?);
        Ok(())
    }

    /// Keeps a message, and lets the oldest go where there are too many.
    fn keep_message(
        &mut self,
        key: &SessionKey,
        chat: &mut ChatRecord,
        message: &ChatMessage,
    ) -> Result<(), StoreError> {
        let table = &self.change.tables.chat_messages;
        let place = chat.next_place;
        self.change.batch.insert(table, tables::chat_message(key, place), encode(message)?);
        if let Some(gone) = place.checked_sub(MESSAGES_MAX as u64) {
            self.change.batch.remove(table, tables::chat_message(key, gone));
        }
        chat.next_place = place + 1;
        chat.last_message_at = chat.last_message_at.max(message.at);
        Ok(())
    }

    /// `session` is the session that the chat stands beside, as it is after the change.
    pub fn extend_chat(
        &mut self,
        key: &SessionKey,
        ttl: Duration,
        session: Option<&Record>,
        now: Timestamp,
    ) -> Result<Option<Remaining>, StoreError> {
        let old = load(self.tables(), key)?.filter(|chat| chat.expires_at > now);
        let Some(old) = old else { return Ok(None) };
        let mut chat = ChatRecord { ttl, ..old.clone() };
        chat.slide(session, now);
        let remaining = Remaining::For(chat.expires_at.since(now));
        self.put_chat(key, Some(&old), chat)?;
        Ok(Some(remaining))
    }

    /// Removes a chat with all that was said in it. How many messages that were.
    pub fn purge_chat(&mut self, key: &SessionKey) -> Result<u64, StoreError> {
        let tables = self.change.tables;
        let mut messages = 0;
        for entry in tables.chat_messages.prefix(tables::of_session(key)) {
            self.change.batch.remove(&tables.chat_messages, key_of(entry)?);
            messages += 1;
        }
        if let Some(chat) = load(tables, key)? {
            self.change.remove_due(chat.due_at, &Due::Chat(key.clone()));
            self.change.batch.remove(&tables.chats, tables::session(key));
        }
        Ok(messages)
    }

    pub fn sweep_chat(&mut self, key: &SessionKey, at: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        let Some(chat) = load(self.tables(), key)?.filter(|chat| chat.due_at == at) else { return Ok(()) };
        if chat.expires_at <= now {
            return self.purge_chat(key).map(drop);
        }
        // Its entry, which is taken out, came too early.
        let due_at = chat.expires_at;
        self.change.insert_due(due_at, &Due::Chat(key.clone()));
        let table = &self.change.tables.chats;
        self.change.batch.insert(table, tables::session(key), encode(&ChatRecord { due_at, ..chat })?);
        Ok(())
    }
}

impl View {
    fn chat(&self, key: &SessionKey, now: Timestamp) -> Result<Option<(Chat, Remaining)>, StoreError> {
        let bytes = self.value(&self.tables.chats, &tables::session(key))?;
        let chat = bytes.map(|bytes| ChatRecord::decode(&bytes)).transpose()?;
        Ok(chat.filter(|chat| chat.expires_at > now).map(|chat| chat.shown(now)))
    }

    fn messages(
        &self,
        key: &SessionKey,
        before: Option<Timestamp>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Option<Vec<ChatMessage>>, StoreError> {
        if self.chat(key, now)?.is_none() {
            return Ok(None);
        }
        let newest_first = self.disk.prefix(&self.tables.chat_messages, tables::of_session(key)).rev();
        let read = newest_first.map(|entry| decode::<ChatMessage>(&pair_of(entry)?.1, "a message"));
        let is_newer = |read: &Result<ChatMessage, _>| {
            read.as_ref().is_ok_and(|message| before.is_some_and(|before| message.at >= before))
        };
        let mut messages = read.skip_while(is_newer).take(limit).collect::<Result<Vec<_>, _>>()?;
        messages.reverse();
        Ok(Some(messages))
    }
}

impl EmbeddedStore {
    /// Ends the connections of a session that has gone.
    pub(super) fn told_if_removed<T>(&self, session: &SessionKey, removed: Option<T>) -> Option<T> {
        removed.inspect(|_| self.rooms.tell(session, Heard::Removed))
    }
}

#[async_trait]
impl Chats for EmbeddedStore {
    async fn say(&self, saying: Saying) -> Result<u64, StoreError> {
        let (session, connection) = (saying.session.clone(), saying.connection);
        let (count, message) = self.channel()?.ask(move |writer| writer.say(&saying)).await?;
        self.rooms.tell(&session, Heard::Message { count, message, connection });
        Ok(count)
    }

    async fn chat(&self, session: &SessionKey) -> Result<Option<(Chat, Remaining)>, StoreError> {
        let (key, now) = (session.clone(), self.clock.now());
        self.read_off_thread(move |view| view.chat(&key, now)).await
    }

    async fn messages(
        &self,
        session: &SessionKey,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Option<Vec<ChatMessage>>, StoreError> {
        let (key, now) = (session.clone(), self.clock.now());
        self.read_off_thread(move |view| view.messages(&key, before, limit, now)).await
    }

    async fn extend_chat(
        &self,
        session: &SessionKey,
        ttl: Duration,
    ) -> Result<Option<Remaining>, StoreError> {
        let key = session.clone();
        self.channel()?.ask(move |writer| writer.extend_chat(&key, ttl)).await
    }

    async fn delete_chat(&self, session: &SessionKey) -> Result<bool, StoreError> {
        let key = session.clone();
        let was_there = self.channel()?.ask(move |writer| writer.delete_chat(&key)).await?;
        Ok(self.told_if_removed(session, was_there.then_some(())).is_some())
    }

    async fn note_presence(
        &self,
        session: &SessionKey,
        left: Option<(Timestamp, Option<ShutdownReason>)>,
    ) -> Result<(), StoreError> {
        let key = session.clone();
        self.channel()?.ask(move |writer| writer.note_presence(&key, left)).await
    }

    async fn broadcast(&self, org: &OrgId, broadcast: Broadcast) -> Result<u64, StoreError> {
        self.rooms.tell_all(org, Heard::Broadcast(broadcast.clone()));
        let message = broadcast.message_of_a_chat();
        let (mut kept, mut behind) = (0, None);
        loop {
            let (org, message) = (org.clone(), message.clone());
            let work = move |writer: &mut Writer| writer.broadcast_piece(&org, behind, &message);
            let (more, next) = self.channel()?.ask(work).await?;
            kept += more;
            let Some(next) = next else { return Ok(kept) };
            behind = Some(next);
        }
    }

    fn hear(&self, session: &SessionKey) -> Hearing {
        self.rooms.hear(session, ())
    }

    async fn tell(&self, session: &SessionKey, heard: Heard) -> Result<(), StoreError> {
        self.rooms.tell(session, heard);
        Ok(())
    }

    fn set_aside(&self) -> u64 {
        0
    }
}
