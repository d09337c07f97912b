//! One change of the stored state: what is written together, with every index that follows from it.
//!
//! A record is written and removed only through here, so that no index can be forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use fjall::OwnedWriteBatch as WriteBatch;

use super::record::{Record, encode};
use super::tables::{self, Due, Facet, Tables, away, key_of, level_number, status_number, value_of};
use crate::domain::audit::Entry;
use crate::domain::event::{EventKind, SessionEvent};
use crate::domain::id::{OrgId, SessionKey};
use crate::domain::safety::Level;
use crate::domain::session::{Session, Status};
use crate::domain::time::Timestamp;
use crate::store::{Limits, StoreError};

const STATUSES: usize = Status::ALL.len();
const LEVELS: usize = Level::ALL.len();

/// How many sessions an organisation has of each status at each level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals([[u64; LEVELS]; STATUSES]);

impl Totals {
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let (numbers, rest) = bytes.as_chunks::<8>();
        if numbers.len() != STATUSES * LEVELS || !rest.is_empty() {
            return Err(StoreError::Corrupt("an organisation's totals".to_owned()));
        }
        let mut totals = Self::default();
        for (cell, number) in totals.0.iter_mut().flatten().zip(numbers) {
            *cell = u64::from_be_bytes(*number);
        }
        Ok(totals)
    }

    fn encode(&self) -> Vec<u8> {
        self.0.iter().flatten().flat_map(|number| number.to_be_bytes()).collect()
    }

    /// Exact for every pair of filters.
    pub fn of(&self, status: Option<Status>, level: Option<Level>) -> u64 {
        let fits = |wanted: Option<u8>, at: usize| wanted.is_none_or(|wanted| usize::from(wanted) == at);
        let rows = self.0.iter().enumerate().filter(|(at, _)| fits(status.map(status_number), *at));
        rows.flat_map(|(_, row)| row.iter().enumerate())
            .filter(|(at, _)| fits(level.map(level_number), *at))
            .map(|(_, number)| number)
            .sum()
    }
}

type Cell = (OrgId, u8, u8);

/// Writes that become visible and durable together.
pub(super) struct Change<'a> {
    pub tables: &'a Tables,
    pub limits: &'a Limits,
    pub batch: WriteBatch,
    pub now: Timestamp,
    totals: BTreeMap<Cell, i64>,
    /// What subscribers are told of it, once it is synced.
    pub told: Vec<Arc<SessionEvent>>,
}

impl<'a> Change<'a> {
    pub fn new(tables: &'a Tables, limits: &'a Limits, now: Timestamp) -> Self {
        Self { tables, limits, batch: tables.batch(), now, totals: BTreeMap::new(), told: Vec::new() }
    }

    /// Writes a record in the place of `old`, and decides where its expiry entry lies.
    pub fn put(
        &mut self,
        key: &SessionKey,
        old: Option<&Record>,
        new: &mut Record,
    ) -> Result<(), StoreError> {
        self.enter_state(key, old, new)?;
        self.put_due(key, old, new);
        self.put_index(key, old.map(|old| &*old.session), &new.session);
        let session = tables::session(key);
        if old.is_none_or(|old| old.session.client != new.session.client) {
            let entry = tables::client(&new.session.client, key);
            self.batch.insert(&self.tables.clients, entry, []);
        }
        self.batch.insert(&self.tables.sessions, session, encode(new)?);
        Ok(())
    }

    fn enter_state(
        &mut self,
        key: &SessionKey,
        old: Option<&Record>,
        new: &Record,
    ) -> Result<(), StoreError> {
        let Some(old) = old else {
            let (status, level) = (new.session.status.as_str(), new.session.level.as_str());
            let (status, level) = (Some(status.to_owned()), Some(level.to_owned()));
            let created = SessionEvent::new(EventKind::SessionCreated, key);
            return self.tell(SessionEvent { status, level, ..created });
        };
        if old.session.status == new.session.status {
            return Ok(());
        }
        self.tell_status(key, Some(old.session.status), new.session.status)?;
        let (from, to) = (old.session.status.as_str(), new.session.status.as_str());
        let session = Some(key.id.to_string());
        self.enter(&key.org, &Entry { session, ..Entry::change("state", from, to, self.now) })
    }

    /// An entry that comes too early costs one look; it moves only when it would come too late.
    fn put_due(&mut self, key: &SessionKey, old: Option<&Record>, new: &mut Record) {
        let due = new.next_due(self.limits);
        match old {
            Some(old) if old.due_at <= due => new.due_at = old.due_at,
            Some(old) => self.move_due(key, old.due_at, new, due),
            None => {
                new.due_at = due;
                self.insert_due(due, &Due::Session(key.clone()));
            }
        }
    }

    /// Writes a record whose expiry entry has come, with the next at `due`.
    pub fn put_again(
        &mut self,
        key: &SessionKey,
        old: &Record,
        new: &mut Record,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        self.enter_state(key, Some(old), new)?;
        self.move_due(key, old.due_at, new, due);
        self.put_index(key, Some(&old.session), &new.session);
        self.batch.insert(&self.tables.sessions, tables::session(key), encode(new)?);
        Ok(())
    }

    fn move_due(&mut self, key: &SessionKey, from: Timestamp, record: &mut Record, to: Timestamp) {
        let what = Due::Session(key.clone());
        self.remove_due(from, &what);
        self.insert_due(to, &what);
        record.due_at = to;
    }

    pub fn insert_due(&mut self, at: Timestamp, what: &Due) {
        self.batch.insert(&self.tables.expiry, tables::due(at, what), []);
    }

    pub fn remove_due(&mut self, at: Timestamp, what: &Due) {
        self.batch.remove(&self.tables.expiry, tables::due(at, what));
    }

    /// Enters what the audit is to know of it. Numbers go on from the last that stands, after a restart too.
    pub fn enter(&mut self, org: &OrgId, entry: &Entry) -> Result<(), StoreError> {
        let next = &self.tables.next_entry;
        if next.load(Ordering::Relaxed) == 0 {
            let all = self.tables.audit.prefix(tables::OUTBOXES);
            let numbers = all.map(|entry| key_of(entry).map(|key| tables::number_in(&key)));
            let last = numbers.collect::<Result<Vec<_>, _>>()?.into_iter().max();
            next.store(last.unwrap_or_default() + 1, Ordering::Relaxed);
        }
        let number = next.fetch_add(1, Ordering::Relaxed);
        let text = serde_json::to_vec(entry)
            .map_err(|_| StoreError::Corrupt("an audit entry that has no stored form".to_owned()))?;
        self.batch.insert(&self.tables.audit, tables::outbox(org, number), text);
        Ok(())
    }

    /// Removes a record and what points at it.
    pub fn remove(&mut self, key: &SessionKey, old: &Record) {
        self.batch.remove(&self.tables.sessions, tables::session(key));
        self.batch.remove(&self.tables.clients, tables::client(&old.session.client, key));
        self.remove_due(old.due_at, &Due::Session(key.clone()));
        self.remove_index(key, &old.session);
    }

    fn put_index(&mut self, key: &SessionKey, old: Option<&Session>, new: &Session) {
        let place = |session: &Session| (session.last_interaction, session.status, session.level);
        if old.map(place) == Some(place(new)) {
            return;
        }
        if let Some(old) = old {
            self.remove_index(key, old);
        }
        for facet in facets(new) {
            let entry = tables::index(&key.org, facet, new.last_interaction, &key.id);
            self.batch.insert(
                &self.tables.index,
                entry,
                [status_number(new.status), level_number(new.level)],
            );
        }
        *self.totals.entry(cell(key, new)).or_default() += 1;
    }

    fn remove_index(&mut self, key: &SessionKey, old: &Session) {
        for facet in facets(old) {
            let entry = tables::index(&key.org, facet, old.last_interaction, &key.id);
            self.batch.remove(&self.tables.index, entry);
        }
        *self.totals.entry(cell(key, old)).or_default() -= 1;
    }

    /// Writes it all. Synced with the group; then subscribers may be told what this answers.
    pub fn commit(mut self) -> Result<Vec<Arc<SessionEvent>>, StoreError> {
        self.put_totals()?;
        self.batch.commit().map_err(|error| away(&error))?;
        Ok(self.told)
    }

    fn put_totals(&mut self) -> Result<(), StoreError> {
        let moved = std::mem::take(&mut self.totals).into_iter().filter(|(_, by)| *by != 0);
        let mut changed: BTreeMap<OrgId, Totals> = BTreeMap::new();
        for ((org, status, level), by) in moved {
            let totals = match changed.entry(org) {
                std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
                std::collections::btree_map::Entry::Vacant(entry) => {
                    let stored = value_of(&self.tables.totals, tables::totals(entry.key()))?;
                    let totals = stored.map(|bytes| Totals::decode(&bytes)).transpose()?.unwrap_or_default();
                    entry.insert(totals)
                }
            };
            let number = &mut totals.0[usize::from(status)][usize::from(level)];
            *number = number.saturating_add_signed(by);
        }
        for (org, totals) in changed {
            self.batch.insert(&self.tables.totals, tables::totals(&org), totals.encode());
        }
        Ok(())
    }
}

fn facets(session: &Session) -> [Facet; 3] {
    [Facet::All, Facet::Status(session.status), Facet::Level(session.level)]
}

fn cell(key: &SessionKey, session: &Session) -> Cell {
    (key.org.clone(), status_number(session.status), level_number(session.level))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_read_back_and_answer_every_pair_of_filters() {
        let mut totals = Totals::default();
        totals.0[1][0] = 5;
        totals.0[2][2] = 3;
        totals.0[2][3] = 1;
        assert_eq!(Totals::decode(&totals.encode()), Ok(totals));
        assert_eq!(totals.of(None, None), 9);
        assert_eq!(totals.of(Some(Status::Paused), None), 4);
        assert_eq!(totals.of(None, Some(Level::High)), 3);
        assert_eq!(totals.of(Some(Status::Active), Some(Level::High)), 0);
        assert!(Totals::decode(&[0; 7]).is_err());
    }
}
