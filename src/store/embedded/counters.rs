//! Daily counters: added up in memory, written at least each second. A crash may lose that second.

use std::collections::{BTreeMap, BTreeSet};

use super::index::Change;
use super::tables::{self, Due, Tables, pair_of};
use super::writer::Writer;
use crate::domain::id::OrgId;
use crate::domain::time::Timestamp;
use crate::store::{Counter, Limits, StoreError};

/// Days that stay in memory.
const DAYS_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Counters {
    days: BTreeMap<Vec<u8>, Day>,
    dirty_since: Option<Timestamp>,
}

/// One organisation's page of one day.
#[derive(Default)]
struct Day {
    counts: BTreeMap<String, u64>,
    unwritten: BTreeSet<String>,
    /// When the day goes, where it has no entry for that yet.
    due: Option<Timestamp>,
}

impl Counters {
    pub fn is_dirty(&self) -> bool {
        self.dirty_since.is_some()
    }

    pub fn dirty_since(&self) -> Option<Timestamp> {
        self.dirty_since
    }

    /// Best effort: where the day cannot be read, nothing is counted, and nothing written over.
    pub fn add(
        &mut self,
        tables: &Tables,
        limits: &Limits,
        org: &OrgId,
        events: Vec<Counter>,
        now: Timestamp,
    ) {
        if events.is_empty() {
            return;
        }
        self.forget_days();
        let key = tables::of_day(org, &now.date());
        let loaded = self.days.contains_key(&key);
        if !loaded {
            let Ok(day) = Day::load(tables, &key, now.plus(limits.daily_ttl)) else { return };
            self.days.insert(key.clone(), day);
        }
        let day = self.days.entry(key).or_default();
        for event in events {
            day.count(event.name());
        }
        self.dirty_since.get_or_insert(now);
    }

    fn forget_days(&mut self) {
        if self.days.len() >= DAYS_MAX && !self.is_dirty() {
            self.days.clear();
        }
    }

    fn write(&mut self, change: &mut Change<'_>) {
        for (key, day) in &mut self.days {
            if let Some(due) = day.due.take() {
                change.insert_due(due, &Due::Daily(key.clone()));
            }
            for name in std::mem::take(&mut day.unwritten) {
                let count = day.counts.get(&name).copied().unwrap_or_default();
                let table = &change.tables.daily;
                change.batch.insert(table, tables::counter(key, &name), count.to_be_bytes());
            }
        }
        self.dirty_since = None;
    }

    /// The page is gone from the disk.
    pub fn forget(&mut self, key: &[u8]) {
        self.days.remove(key);
    }
}

impl Day {
    fn load(tables: &Tables, key: &[u8], due: Timestamp) -> Result<Self, StoreError> {
        let mut day = Self::default();
        for entry in tables.daily.prefix(key) {
            let (key, value) = pair_of(entry)?;
            day.counts.insert(tables::parse_counter(&key)?.1, parse_count(&value)?);
        }
        day.due = day.counts.is_empty().then_some(due);
        Ok(day)
    }

    fn count(&mut self, name: String) {
        *self.counts.entry(name.clone()).or_default() += 1;
        self.unwritten.insert(name);
    }
}

pub(super) fn parse_count(bytes: &[u8]) -> Result<u64, StoreError> {
    let number = bytes.try_into().map(u64::from_be_bytes);
    number.map_err(|_| StoreError::Corrupt("a daily counter".to_owned()))
}

impl Writer {
    pub fn flush_counters(&mut self) -> Result<(), StoreError> {
        if !self.memory.counters.is_dirty() {
            return Ok(());
        }
        let mut counters = std::mem::take(&mut self.memory.counters);
        let written = self.change(|draft| {
            counters.write(&mut draft.change);
            Ok(())
        });
        self.memory.counters = counters;
        written
    }
}
