//! A change in the making, and what the writer reads from the disk.

use std::collections::HashMap;

use super::index::Change;
use super::record::{Record, decode_exchange, decode_memory};
use super::tables::{self, Tables, pair_of, value_of};
use super::writer::Hot;
use crate::domain::exchange::Exchange;
use crate::domain::id::{ClientKey, SessionKey};
use crate::domain::safety::SafetyMemory;
use crate::domain::time::Timestamp;
use crate::store::{Limits, StoreError};

/// A change in the making: records that are read through it are as this change leaves them.
pub(super) struct Draft<'a> {
    pub change: Change<'a>,
    pub hot: &'a HashMap<SessionKey, Hot>,
    /// Records as this change leaves them.
    pub kept: HashMap<SessionKey, Option<Record>>,
}

impl Draft<'_> {
    pub fn tables(&self) -> &Tables {
        self.change.tables
    }

    pub fn limits(&self) -> &Limits {
        self.change.limits
    }

    pub fn record(&self, key: &SessionKey) -> Result<Option<Record>, StoreError> {
        if let Some(kept) = self.kept.get(key) {
            return Ok(kept.clone());
        }
        match self.hot.get(key) {
            Some(hot) => Ok(Some(hot.record.clone())),
            None => load_record(self.tables(), key),
        }
    }

    pub fn put(
        &mut self,
        key: &SessionKey,
        old: Option<&Record>,
        mut new: Record,
    ) -> Result<Record, StoreError> {
        self.change.put(key, old, &mut new)?;
        self.kept.insert(key.clone(), Some(new.clone()));
        Ok(new)
    }

    /// As [`Draft::put`], when its expiry entry has come.
    pub fn put_again(
        &mut self,
        key: &SessionKey,
        old: &Record,
        mut new: Record,
        due: Timestamp,
    ) -> Result<(), StoreError> {
        self.change.put_again(key, old, &mut new, due)?;
        self.kept.insert(key.clone(), Some(new));
        Ok(())
    }

    pub fn remove(&mut self, key: &SessionKey, old: &Record) {
        self.change.remove(key, old);
        self.kept.insert(key.clone(), None);
    }
}

pub(super) fn load_record(tables: &Tables, key: &SessionKey) -> Result<Option<Record>, StoreError> {
    let bytes = value_of(&tables.sessions, &tables::session(key))?;
    bytes.map(|bytes| Record::decode(&bytes)).transpose()
}

pub(super) fn load_memory(tables: &Tables, client: &ClientKey) -> Result<SafetyMemory, StoreError> {
    let bytes = value_of(&tables.memories, tables::memory(client))?;
    Ok(bytes.map(|bytes| decode_memory(&bytes)).transpose()?.unwrap_or_default())
}

pub(super) fn load_recent(tables: &Tables, key: &SessionKey, most: u32) -> Result<Vec<Exchange>, StoreError> {
    let latest = tables.exchanges.prefix(tables::of_session(key)).rev().take(most as usize);
    let mut recent = latest
        .map(|guard| pair_of(guard).and_then(|(_, value)| decode_exchange(&value)))
        .collect::<Result<Vec<_>, _>>()?;
    recent.reverse();
    Ok(recent)
}
