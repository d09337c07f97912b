//! What changes a session outside of a turn: create, raise, transition, extend; and what a client's memory does to
//! all of its sessions.

use std::sync::Arc;
use std::time::Duration;

use super::alerts::Rise;
use super::draft::Draft;
use super::record::{CreateKey, Record, ReplyRecord, align, encode};
use super::tables::{self, Due, key_of, value_of};
use super::writer::Writer;
use crate::domain::audit::Entry;
use crate::domain::id::{ClientKey, SessionKey};
use crate::domain::safety::{Lowering, SafetyMemory};
use crate::domain::session::{Event, Session};
use crate::domain::time::Timestamp;
use crate::store::{
    Create, Created, Holder, Idempotency, Lower, Lowered, ProtocolVersion, Raise, Raised, Remaining,
    StoreError, Transition, Transitioned,
};

/// Of a client's sessions so many are written when its level changes. An app that gives everybody the same client must
/// not stop the writer: the rest are seen in their new light by every read and by their next begin, and written then.
const ALIGNED_MAX: usize = 100;

impl Writer {
    pub fn create(&mut self, request: Create) -> Result<Created, StoreError> {
        let now = self.clock.now();
        let key = request.key;
        // Removes what is past its deadline, and its stored reply with it.
        let is_taken = self.live(&key)?.is_some();
        if let Some(used) = &request.idempotency
            && let Some(created) = self.repeated(used)?
        {
            return Ok(created);
        }
        // Nor while a successor of an earlier session of this id stands: it would be taken for this one's.
        if is_taken || self.newest(&key)?.is_some() {
            return Ok(Created::Exists);
        }
        let mut session = request.session;
        session.revision = 1;
        if session.client_id.is_none()
            && let Some(former) = self.former_client(&key)?
        {
            session.client = former;
        }
        session.align(&self.memory_of(&session.client)?, now);
        self.change(|draft| {
            // Whoever held a token for an earlier session of this id may be somebody else.
            draft.revoke(&Holder::Session(key.clone()), None, now)?;
            let mut record = Record::fresh(session, draft.limits(), now);
            let expires_at = record.reply_ends(draft.limits(), now);
            let key_of = |used: &Idempotency| CreateKey { key: used.key, expires_at };
            record.created_by = request.idempotency.as_ref().map(key_of);
            let record = draft.put(&key, None, record)?;
            draft.point(&key, &record.session)?;
            if let Some(used) = &request.idempotency {
                draft.put_create(used, (request.reply)(&record.session), expires_at);
            }
            Ok(Created::Created(record.session))
        })
    }

    fn repeated(&self, used: &Idempotency) -> Result<Option<Created>, StoreError> {
        let bytes = value_of(&self.tables.creates, &used.key)?;
        let Some(stored) = bytes.map(|bytes| ReplyRecord::decode(&bytes)).transpose()? else {
            return Ok(None);
        };
        if self.clock.now() >= stored.expires_at {
            return Ok(None);
        }
        let is_same = stored.body == used.body;
        Ok(Some(if is_same { Created::Replay(stored.reply) } else { Created::KeyReused }))
    }

    pub fn keep_protocol(&mut self, version: &ProtocolVersion) -> Result<(), StoreError> {
        self.change(|draft| {
            let protocols = &draft.change.tables.protocols;
            draft.change.batch.insert(protocols, version.hash.as_bytes(), version.source.as_bytes());
            Ok(())
        })
    }

    pub fn raise(&mut self, raise: &Raise) -> Result<Raised, StoreError> {
        let now = self.clock.now();
        let live = self.answering(&raise.session)?;
        let client = match &live {
            Some((record, _)) => record.session.client.clone(),
            None => self.former_client(&raise.session)?.unwrap_or_else(|| raise.client.clone()),
        };
        let before = self.memory_of(&client)?;
        let mut after = before.clone();
        let rose = after.raise(raise.level, &raise.why, now);
        let level = live.as_ref().map_or(after.level, |(record, _)| record.session.level_under(&after));
        let session = live.as_ref().map_or(&raise.session.id, |(record, _)| &record.session.id);
        let session = raise.session.with_id(session.clone());
        let client = &client;
        let (before, after, why, random) = (&before, &after, raise.why.as_slice(), self.entropy.u128());
        let is_absent = live.is_none();
        self.change(|draft| {
            draft.remember((&session, client), before, after, None, now)?;
            draft.alert_of(&Rise { session: &session, client, before, after, why, random }, now)?;
            if rose && is_absent {
                // Mostly its first turn follows at once. Where it never comes, the sweep finds that there is none.
                draft.change.insert_due(now.plus(draft.limits().session_ttl), &Due::Session(session.clone()));
            }
            Ok(())
        })?;
        Ok(Raised { level, rose })
    }

    pub fn lower(&mut self, lower: &Lower) -> Result<Lowered, StoreError> {
        let now = self.clock.now();
        let key = &lower.session;
        let Some((record, before)) = self.live(key)? else { return Ok(Lowered::Absent) };
        let mut after = before.clone();
        let lowering = after.lower(&lower.negative, lower.apart, lower.reason, now);
        self.change(|draft| draft.remember((key, &record.session.client), &before, &after, None, now))?;
        Ok(match lowering {
            Lowering::Noted => Lowered::Noted,
            Lowering::Refused => Lowered::Refused,
            Lowering::Cleared => {
                let status = self.record(key)?.map(|record| record.session.status);
                status.map_or(Lowered::Absent, Lowered::Cleared)
            }
        })
    }

    pub fn transition(&mut self, transition: &Transition) -> Result<Transitioned, StoreError> {
        let now = self.clock.now();
        let key = &transition.session;
        let Some((record, memory)) = self.live(key)? else { return Ok(Transitioned::Absent) };
        if transition.event == Event::Clear {
            let is_seen = transition.seen.is_none_or(|seen| seen == memory.basis());
            return if is_seen {
                self.clear(key, &record, &memory, now)
            } else {
                Ok(Transitioned::Overtaken)
            };
        }
        let mut session = Session::clone(&record.aligned(&memory, now));
        let before = session.status;
        let status = match session.apply(transition.event, transition.by, &transition.reason, now) {
            Ok(status) => status,
            Err(refusal) => return Ok(Transitioned::Refused(refusal)),
        };
        if status != before {
            session.revision += 1;
            let changed = Record { session: Arc::new(session), ..record.clone() };
            self.change(|draft| draft.put(key, Some(&record), changed))?;
        }
        Ok(Transitioned::Done(status))
    }

    fn clear(
        &mut self,
        key: &SessionKey,
        record: &Record,
        before: &SafetyMemory,
        now: Timestamp,
    ) -> Result<Transitioned, StoreError> {
        let mut after = before.clone();
        after.clear(now);
        self.change(|draft| draft.remember((key, &record.session.client), before, &after, None, now))?;
        let status = self.record(key)?.map(|record| record.session.status);
        Ok(status.map_or(Transitioned::Absent, Transitioned::Done))
    }

    pub fn extend(&mut self, key: &SessionKey, ttl: Duration) -> Result<Option<Remaining>, StoreError> {
        let now = self.clock.now();
        let Some((record, memory)) = self.live(key)? else { return Ok(None) };
        let mut extended = record.clone();
        extended.extend(ttl, &self.limits, now);
        let remaining = extended.remaining(&memory, now);
        self.change(|draft| {
            draft.change.tell_status(key, None, extended.session.status)?;
            draft.put(key, Some(&record), extended.clone())?;
            draft.extend_chat(key, ttl, Some(&extended), now)
        })?;
        Ok(Some(remaining))
    }
}

impl Draft<'_> {
    fn put_create(&mut self, used: &Idempotency, reply: crate::store::StoredReply, expires_at: Timestamp) {
        let stored = ReplyRecord { body: used.body, expires_at, reply };
        self.change.insert_due(expires_at, &Due::Create(used.key));
        let table = &self.change.tables.creates;
        self.change.batch.insert(table, used.key, stored.encode());
    }

    /// Writes a client's memory, and what follows from it for all of its sessions at once, so that no list shows one
    /// at a level that is not its own. `session` is the one in which it changed, `except` one that its caller writes.
    pub fn remember(
        &mut self,
        (session, client): (&SessionKey, &ClientKey),
        before: &SafetyMemory,
        after: &SafetyMemory,
        except: Option<&SessionKey>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if before == after {
            return Ok(());
        }
        if before.level != after.level {
            let change = Entry::change("level", before.level.as_str(), after.level.as_str(), now);
            self.change.tell_level(session, before.level, after.level)?;
            self.enter(&session.org, &Entry { client: Some(client.as_str().to_owned()), ..change })?;
        }
        if before.level.pauses() && !after.level.pauses() {
            self.clear_alerts(client, now)?;
        }
        let table = &self.change.tables.memories;
        self.change.batch.insert(table, tables::memory(client), encode(after)?);
        if before.epoch == after.epoch {
            return Ok(());
        }
        if after.level == crate::domain::safety::Level::None {
            let due = Due::Memory(tables::memory(client).to_vec());
            let at = now.plus(self.limits().memory_ttl);
            self.change.insert_due(at, &due);
            self.forget_former(client)?;
        }
        for key in self.sessions_under(tables::memory(client), ALIGNED_MAX)? {
            if Some(&key) != except {
                self.align(&key, before, after, now)?;
            }
        }
        Ok(())
    }

    /// Sessions of the client with this memory key, `most` of them.
    pub fn sessions_under(&self, client: &[u8], most: usize) -> Result<Vec<SessionKey>, StoreError> {
        let prefix = tables::of_client(client);
        let entries = self.tables().clients.prefix(&prefix);
        let keys =
            entries.map(|guard| key_of(guard).and_then(|key| tables::parse_session(&key[prefix.len()..])));
        keys.take(most).collect()
    }

    fn align(
        &mut self,
        key: &SessionKey,
        before: &SafetyMemory,
        after: &SafetyMemory,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(old) = self.record(key)? else { return Ok(()) };
        if old.is_dead(before, now) {
            // A hold that begins now must not bring it back.
            return self.expire_for_good(key, &old, after);
        }
        let mut new = old.clone();
        if align(&mut new.session, after, now) {
            Arc::make_mut(&mut new.session).revision += 1;
        }
        if before.level.pauses() && !after.level.pauses() {
            new.let_go(now);
        }
        self.unpin(key, &old.session, &new);
        self.put(key, Some(&old), new)?;
        Ok(())
    }
}
