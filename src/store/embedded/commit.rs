//! The commit of a turn.

use std::sync::Arc;

use super::alerts::Rise;
use super::draft::Draft;
use super::record::{LastCommit, Record, ReplyRecord, encode};
use super::tables::{self, Due};
use super::waiting::End;
use super::writer::Writer;
use crate::domain::id::SessionKey;
use crate::domain::safety::SafetyMemory;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::store::{Commit, Committed, Counter, Reloaded, StoreError};

/// Exchanges that one commit removes at most, where the window was made smaller.
const TRIM_MAX: u32 = 16;

impl Writer {
    pub fn commit(&mut self, commit: Commit) -> Result<Committed, StoreError> {
        let now = self.clock.now();
        let stored = self.live(&commit.key)?;
        if !self.seat(&commit.key).holds(commit.lease, now) {
            return Ok(after_the_lease(stored.as_ref().map(|(record, _)| record), &commit));
        }
        let (stored, memory) = match stored {
            Some((record, memory)) => (Some(record), memory),
            None => (None, self.memory_of(&commit.session.client)?),
        };
        let counts = stored.as_ref().map_or(memory.level, |record| record.session.level_under(&memory));
        if counts.pauses() && !commit.decided_under.pauses() {
            return self.reloaded(&commit.key, memory).map(Committed::Overtaken);
        }
        if stored.as_ref().map_or(0, |record| record.session.revision) != commit.base_revision {
            return self.reloaded(&commit.key, memory).map(Committed::Changed);
        }
        commit.check_shape(stored.as_ref().map(|record| &*record.session))?;
        self.write(commit, stored.as_ref(), &memory, now)
    }

    fn reloaded(&mut self, key: &SessionKey, memory: SafetyMemory) -> Result<Box<Reloaded>, StoreError> {
        Ok(Box::new(Reloaded { session: self.aligned(key)?, memory, recent: self.recent(key)? }))
    }

    fn write(
        &mut self,
        commit: Commit,
        stored: Option<&Record>,
        memory: &SafetyMemory,
        now: Timestamp,
    ) -> Result<Committed, StoreError> {
        let seat = self.seat(&commit.key);
        let permits = seat.permits().into_iter().map(Timestamp::micros).collect();
        seat.unsaved = false;
        let (revision, random) = (commit.base_revision + 1, self.entropy.u128());
        let is_journal = self.is_journal;
        let before = stored.map(|record| &*record.session);
        self.change(|draft| {
            let raised = commit.raised(memory, now);
            let client = &commit.session.client;
            draft.remember((&commit.key, client), memory, &raised, Some(&commit.key), now)?;
            let (session, why) = (&commit.key, commit.why.as_slice());
            draft.alert_of(&Rise { session, client, before: memory, after: &raised, why, random }, now)?;
            let mut record = record_of(&commit, stored, &raised, draft.limits(), now);
            record.permits = permits;
            draft.trim(&commit.key, &mut record);
            let record = draft.put(&commit.key, stored, record)?;
            if stored.is_none() {
                draft.point(&commit.key, &record.session)?;
            }
            draft.put_exchange(&commit)?;
            draft.put_reply(&commit, &record, now);
            draft.tell_turn(
                &commit.key,
                commit.exchange.turn,
                record.session.status,
                record.session.level,
            )?;
            if is_journal { draft.log_turn(&commit, before) } else { Ok(()) }
        })?;
        if !is_journal {
            self.count(&commit.key.org, commit.counters);
        }
        self.remember_turn(&commit.key, commit.exchange);
        self.release(&commit.key, End::Committed(commit.reply));
        Ok(Committed::Committed { revision })
    }

    pub fn count(&mut self, org: &crate::domain::id::OrgId, events: Vec<Counter>) {
        let (now, limits) = (self.clock.now(), &self.limits);
        self.memory.counters.add(&self.tables, limits, org, events, now);
    }
}

/// Without the lease nothing is written, but a commit whose answer was lost is told that it stands.
fn after_the_lease(record: Option<&Record>, commit: &Commit) -> Committed {
    let revision = record.and_then(|record| record.revision_of(commit.lease));
    revision.map_or(Committed::Lost, |revision| Committed::Committed { revision })
}

fn record_of(
    commit: &Commit,
    stored: Option<&Record>,
    memory: &SafetyMemory,
    limits: &crate::store::Limits,
    now: Timestamp,
) -> Record {
    let before = stored.map(|record| record.session.level);
    let mut session = commit.session.clone();
    session.revision = commit.base_revision + 1;
    session.ttl = stored.map_or(session.ttl, |record| record.session.ttl);
    session.align(memory, now);
    commit.pin(&mut session, before.unwrap_or_default());
    let mut record = match stored {
        Some(stored) => Record { session: Arc::new(session), ..stored.clone() },
        None => Record::fresh(session, limits, now),
    };
    record.slide(limits, now);
    record.substate.clone_from(&commit.exchange.current_substate);
    record.committed(LastCommit::new(commit.lease, record.session.revision));
    record
}

impl Draft<'_> {
    fn put_exchange(&mut self, commit: &Commit) -> Result<(), StoreError> {
        let key = tables::exchange(&commit.key, commit.exchange.turn);
        let table = &self.change.tables.exchanges;
        self.change.batch.insert(table, key, encode(&commit.exchange)?);
        Ok(())
    }

    fn put_reply(&mut self, commit: &Commit, record: &Record, now: Timestamp) {
        let Some((used, reply)) = &commit.reply else { return };
        let expires_at = record.reply_ends(self.limits(), now);
        let stored = ReplyRecord { body: used.body, expires_at, reply: Arc::clone(reply) };
        let key = tables::reply(&commit.key, &used.key);
        self.change.insert_due(expires_at, &Due::Reply(key.clone()));
        let table = &self.change.tables.replies;
        self.change.batch.insert(table, key, stored.encode());
    }

    /// Removes what has left the window. Turns that are pinned stay, until they no longer are.
    fn trim(&mut self, key: &SessionKey, record: &mut Record) {
        let session = &record.session;
        let out_to = session.turn_count.saturating_sub(self.limits().history_max);
        let out_to = out_to.min(record.trimmed_to.saturating_add(TRIM_MAX));
        for turn in record.trimmed_to + 1..=out_to {
            if !session.pins.contains(&turn) {
                self.remove_exchange(key, turn);
            }
        }
        record.trimmed_to = record.trimmed_to.max(out_to);
    }

    /// Removes exchanges that were kept for their pins alone.
    pub fn unpin(&mut self, key: &SessionKey, before: &Session, record: &Record) {
        for turn in before.pins.iter().filter(|turn| **turn <= record.trimmed_to) {
            if !record.session.pins.contains(turn) {
                self.remove_exchange(key, *turn);
            }
        }
    }

    fn remove_exchange(&mut self, key: &SessionKey, turn: u32) {
        let table = &self.change.tables.exchanges;
        self.change.batch.remove(table, tables::exchange(key, turn));
    }
}
