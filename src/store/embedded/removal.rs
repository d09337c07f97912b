//! Removing a session with all that is its own, and the sweep that does so when its time has come.

use std::time::Duration;

use super::command::answer;
use super::draft::Draft;
use super::record::{CreateKey, Record, ReplyRecord};
use super::tables::{self, Due, Tables, key_of, pair_of, value_of};
use super::waiting::End;
use super::writer::Writer;
use crate::domain::event::{EventKind, SessionEvent};
use crate::domain::id::SessionKey;
use crate::domain::safety::{Level, SafetyMemory};
use crate::domain::session::{Event, Party, Status};
use crate::domain::time::Timestamp;
use crate::store::{Claim, Holder, Receipt, StoreError, Swept};

/// Entries that one sweep looks at.
const SWEEP_MAX: usize = 1_000;

impl Writer {
    pub fn delete(&mut self, key: &SessionKey) -> Result<Option<Receipt>, StoreError> {
        let Some((record, memory)) = self.live(key)? else { return Ok(None) };
        let exchanges = count_under(&self.tables.exchanges, key)?;
        let notes = count_under(&self.tables.notes, key)?;
        let created = stored_create(&self.tables, &record)?;
        let replies = count_under(&self.tables.replies, key)?;
        let stored_replies = replies + u64::from(created.is_some());
        let messages = count_under(&self.tables.chat_messages, key)?;
        let (now, holder) = (self.clock.now(), Holder::Session(key.clone()));
        let credentials = self.change(|draft| {
            draft.purge(key, &record, &memory)?;
            draft.change.tell(SessionEvent::new(EventKind::SessionDeleted, key))?;
            draft.revoke(&holder, None, now)
        })?;
        let verified = self.is_gone(key, &record)?;
        let memory_key = tables::memory(&record.session.client);
        let safety_memory_kept = value_of(&self.tables.memories, memory_key)?.is_some();
        for waiter in self.seat(key).forget() {
            self.answer(answer(waiter.0, Ok(Claim::Busy { retry_after: Duration::ZERO })));
        }
        self.release(key, End::Died);
        Ok(Some(Receipt {
            exchanges,
            stored_replies,
            notes,
            credentials,
            messages,
            safety_memory_kept,
            verified,
        }))
    }

    pub fn delete_idle(
        &mut self,
        key: &SessionKey,
        before: Timestamp,
    ) -> Result<Option<Receipt>, StoreError> {
        let Some((record, memory)) = self.live(key)? else { return Ok(None) };
        let is_used = record.session.last_interaction >= before || record.is_held(&memory);
        let now = self.clock.now();
        if is_used || !self.seat(key).is_vacant(now) { Ok(None) } else { self.delete(key) }
    }

    /// Reads again.
    fn is_gone(&self, key: &SessionKey, record: &Record) -> Result<bool, StoreError> {
        let tables = &self.tables;
        let due = tables::due(record.due_at, &Due::Session(key.clone()));
        let last = record.session.last_interaction;
        let listed = tables::index(&key.org, tables::Facet::All, last, &key.id);
        Ok(value_of(&tables.sessions, &tables::session(key))?.is_none()
            && value_of(&tables.clients, &tables::client(&record.session.client, key))?.is_none()
            && value_of(&tables.expiry, &due)?.is_none()
            && value_of(&tables.index, &listed)?.is_none()
            && stored_create(tables, record)?.is_none()
            && count_under(&tables.exchanges, key)? == 0
            && count_under(&tables.replies, key)? == 0
            && count_under(&tables.notes, key)? == 0
            && value_of(&tables.chats, &tables::session(key))?.is_none()
            && count_under(&tables.chat_messages, key)? == 0
            && tables.alert_index.prefix(tables::of_sessions_alerts(key)).next().is_none()
            && tables.credentials.prefix(tables::of_holder(&Holder::Session(key.clone()))).next().is_none())
    }

    pub fn sweep(&mut self) -> Result<Swept, StoreError> {
        self.look_to_the_ground();
        let now = self.clock.now();
        let mut swept = Swept::default();
        let due = self.due(now)?;
        let (found, mut left) = (due.len(), 0);
        for (at, due) in due {
            let done = match due {
                Due::Session(key) => self.sweep_session(&key, at, now, &mut swept),
                other => self.sweep_other(at, &other, now),
            };
            match done {
                // Left as it is, for a program that can read it; it must not keep the rest from being swept.
                Err(StoreError::Corrupt(_)) => left += 1,
                done => done?,
            }
        }
        swept.has_more = found == SWEEP_MAX && left < found;
        swept.has_more |= self.sweep_events(now)?;
        Ok(swept)
    }

    fn due(&self, now: Timestamp) -> Result<Vec<(Timestamp, Due)>, StoreError> {
        let end = tables::due_before(now);
        let entries = self.tables.expiry.range::<Vec<u8>, _>(..=end).take(SWEEP_MAX);
        entries.map(|guard| key_of(guard).and_then(|key| tables::parse_due(&key))).collect()
    }

    fn sweep_other(&mut self, at: Timestamp, due: &Due, now: Timestamp) -> Result<(), StoreError> {
        if let Due::Daily(day) = due {
            self.memory.counters.forget(day);
        }
        self.change(|draft| draft.sweep_other(at, due, now))
    }

    fn sweep_session(
        &mut self,
        key: &SessionKey,
        at: Timestamp,
        now: Timestamp,
        swept: &mut Swept,
    ) -> Result<(), StoreError> {
        let record = self.record(key)?;
        let is_absent = record.is_none();
        let Some(record) = record.filter(|record| record.due_at == at) else {
            return self.change(|draft| {
                draft.change.remove_due(at, &Due::Session(key.clone()));
                // Danger may have shown in one that never came to be.
                if is_absent { draft.forget_in_alerts(key) } else { Ok(()) }
            });
        };
        let memory = self.memory_of(&record.session.client)?;
        if record.is_dead(&memory, now) {
            swept.removed += 1;
            return self.change(|draft| draft.expire_for_good(key, &record, &memory));
        }
        let is_held = record.is_held(&memory);
        let mut next = Record { session: record.aligned(&memory, now), ..record.clone() };
        if !is_held && record.idle_at(&self.limits) <= now && expire(&mut next, now) {
            swept.expired.push(key.clone());
        }
        let due = if is_held { now.plus(record.session.ttl) } else { next.next_due(&self.limits) };
        // Idle, but its status has no way to expire: only its deadline is left.
        let due = if due <= now { next.expires_at } else { due };
        self.change(|draft| draft.put_again(key, &record, next, due))
    }
}

/// True when the status changed.
fn expire(record: &mut Record, now: Timestamp) -> bool {
    let session = std::sync::Arc::make_mut(&mut record.session);
    let before = session.status;
    let done = session.apply(Event::Expire, Party::System, "idle", now);
    let expired = done.is_ok_and(|status| status != before);
    session.revision += u64::from(expired);
    expired
}

impl Draft<'_> {
    /// Removes a session that ran out. Where it had not been expired before, subscribers are told now.
    pub fn expire_for_good(
        &mut self,
        key: &SessionKey,
        record: &Record,
        memory: &SafetyMemory,
    ) -> Result<(), StoreError> {
        if record.session.status != Status::Expired {
            self.change.tell(SessionEvent::new(EventKind::SessionExpired, key))?;
        }
        self.purge(key, record, memory)
    }

    /// Removes everything of a session but its client's safety memory, and in danger whose session it was.
    pub fn purge(
        &mut self,
        key: &SessionKey,
        record: &Record,
        memory: &SafetyMemory,
    ) -> Result<(), StoreError> {
        let tables = self.change.tables;
        for entry in tables.exchanges.prefix(tables::of_session(key)) {
            self.change.batch.remove(&tables.exchanges, key_of(entry)?);
        }
        for entry in tables.notes.prefix(tables::of_session(key)) {
            self.change.batch.remove(&tables.notes, key_of(entry)?);
        }
        for entry in tables.replies.prefix(tables::of_session(key)) {
            let (key, value) = pair_of(entry)?;
            let due = Due::Reply(key.to_vec());
            self.change.remove_due(ReplyRecord::decode(&value)?.expires_at, &due);
            self.change.batch.remove(&tables.replies, key);
        }
        if let Some(used) = stored_create(tables, record)? {
            self.change.remove_due(used.expires_at, &Due::Create(used.key));
            self.change.batch.remove(&tables.creates, used.key);
        }
        self.purge_chat(key)?;
        self.unpoint(key, &record.session)?;
        self.forget_in_alerts(key)?;
        self.remove(key, record);
        self.note_former(key, &record.session.client, memory)
    }

    fn sweep_other(&mut self, at: Timestamp, due: &Due, now: Timestamp) -> Result<(), StoreError> {
        let tables = self.change.tables;
        self.change.remove_due(at, due);
        match due {
            Due::Session(_) => Ok(()),
            Due::Reply(key) => self.sweep_reply(&tables.replies, key, now),
            Due::Create(key) => self.sweep_reply(&tables.creates, key, now),
            Due::Memory(key) => self.sweep_memory(key, now),
            Due::Daily(day) => self.sweep_day(tables, day),
            Due::Alert(key) => self.sweep_alert(key, now),
            Due::Credential(key) => self.sweep_credential(key, now),
            Due::Chat(key) => self.sweep_chat(key, at, now),
        }
    }

    fn sweep_reply(&mut self, table: &fjall::Keyspace, key: &[u8], now: Timestamp) -> Result<(), StoreError> {
        let stored = value_of(table, key)?.map(|bytes| ReplyRecord::decode(&bytes)).transpose()?;
        if stored.is_some_and(|stored| stored.expires_at <= now) {
            self.change.batch.remove(table, key.to_vec());
        }
        Ok(())
    }

    /// A memory goes when it was cleared long ago, and no session remembers an epoch of it.
    fn sweep_memory(&mut self, key: &[u8], now: Timestamp) -> Result<(), StoreError> {
        let Some(bytes) = value_of(&self.change.tables.memories, key)? else { return Ok(()) };
        let memory = super::record::decode_memory(&bytes)?;
        let cleared = memory.cleared_at.filter(|_| memory.level == Level::None);
        let Some(cleared_at) = cleared else { return Ok(()) };
        let ends = cleared_at.plus(self.limits().memory_ttl);
        if ends > now {
            // Cleared again since: that clearing has an entry of its own.
            return Ok(());
        }
        if self.sessions_under(key, 1)?.is_empty() {
            let table = &self.change.tables.memories;
            self.change.batch.remove(table, key.to_vec());
        } else {
            let again = now.plus(self.limits().memory_ttl);
            self.change.insert_due(again, &Due::Memory(key.to_vec()));
        }
        Ok(())
    }

    fn sweep_day(&mut self, tables: &Tables, day: &[u8]) -> Result<(), StoreError> {
        for entry in tables.daily.prefix(day) {
            self.change.batch.remove(&tables.daily, key_of(entry)?);
        }
        Ok(())
    }
}

/// The key under which the session's own create is still answered.
fn stored_create(tables: &Tables, record: &Record) -> Result<Option<CreateKey>, StoreError> {
    let Some(used) = record.created_by else { return Ok(None) };
    let Some(bytes) = value_of(&tables.creates, &used.key)? else { return Ok(None) };
    let is_own = ReplyRecord::decode(&bytes)?.expires_at == used.expires_at;
    Ok(is_own.then_some(used))
}

fn count_under(table: &fjall::Keyspace, key: &SessionKey) -> Result<u64, StoreError> {
    let mut count = 0;
    for entry in table.prefix(tables::of_session(key)) {
        key_of(entry)?;
        count += 1;
    }
    Ok(count)
}
