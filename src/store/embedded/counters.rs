//! Counters of days and years: added up in memory, written at least each second. A crash may lose that second.

use std::collections::{BTreeMap, BTreeSet};

use super::index::Change;
use super::tables::{self, Due, Tables, pair_of};
use super::writer::Writer;
use crate::domain::id::OrgId;
use crate::domain::time::Timestamp;
use crate::store::counters::Page;
use crate::store::{Counter, Limits, StoreError};

/// Pages that stay in memory.
const PAGES_MAX: usize = 64;

#[derive(Default)]
pub(super) struct Counters {
    pages: BTreeMap<Vec<u8>, Tally>,
    dirty_since: Option<Timestamp>,
}

/// One organisation's page of one day or year.
#[derive(Default)]
struct Tally {
    counts: BTreeMap<String, u64>,
    unwritten: BTreeSet<String>,
    /// When the page goes, where it has no entry for that yet.
    due: Option<Timestamp>,
}

impl Counters {
    pub fn is_dirty(&self) -> bool {
        self.dirty_since.is_some()
    }

    pub fn dirty_since(&self) -> Option<Timestamp> {
        self.dirty_since
    }

    /// Best effort: where a page cannot be read, nothing is counted on it, and nothing written over.
    pub fn add(
        &mut self,
        tables: &Tables,
        limits: &Limits,
        org: &OrgId,
        events: Vec<Counter>,
        now: Timestamp,
    ) {
        self.forget_pages();
        for event in events {
            let page = event.page(now);
            let due = match &page {
                Page::Day(_) => Some(now.plus(limits.daily_ttl)),
                Page::Year(_) => None,
            };
            let key = tables::of_page(org, &page);
            if !self.pages.contains_key(&key) {
                let Ok(counts) = Tally::load(tables, &key, due) else { continue };
                self.pages.insert(key.clone(), counts);
            }
            self.pages.entry(key).or_default().count(event.name());
            self.dirty_since.get_or_insert(now);
        }
    }

    fn forget_pages(&mut self) {
        if self.pages.len() >= PAGES_MAX && !self.is_dirty() {
            self.pages.clear();
        }
    }

    fn write(&mut self, change: &mut Change<'_>) {
        for (key, page) in &mut self.pages {
            if let Some(due) = page.due.take() {
                change.insert_due(due, &Due::Daily(key.clone()));
            }
            for name in std::mem::take(&mut page.unwritten) {
                let count = page.counts.get(&name).copied().unwrap_or_default();
                let table = &change.tables.daily;
                change.batch.insert(table, tables::counter(key, &name), count.to_be_bytes());
            }
        }
        self.dirty_since = None;
    }

    /// The page is gone from the disk.
    pub fn forget(&mut self, key: &[u8]) {
        self.pages.remove(key);
    }
}

impl Tally {
    fn load(tables: &Tables, key: &[u8], due: Option<Timestamp>) -> Result<Self, StoreError> {
        let mut page = Self::default();
        for entry in tables.daily.prefix(key) {
            let (key, value) = pair_of(entry)?;
            page.counts.insert(tables::parse_counter(&key)?.1, parse_count(&value)?);
        }
        page.due = due.filter(|_| page.counts.is_empty());
        Ok(page)
    }

    fn count(&mut self, name: String) {
        *self.counts.entry(name.clone()).or_default() += 1;
        self.unwritten.insert(name);
    }
}

pub(super) fn parse_count(bytes: &[u8]) -> Result<u64, StoreError> {
    let number = bytes.try_into().map(u64::from_be_bytes);
    number.map_err(|_| StoreError::Corrupt("a counter".to_owned()))
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
