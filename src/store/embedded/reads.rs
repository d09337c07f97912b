//! Reads off the writer thread, on the snapshot that was published last: all that was acknowledged is in it, and
//! nothing that was not synced.

use std::collections::BTreeMap;
use std::ops::Bound::{self, Excluded, Included};
use std::sync::Arc;

use fjall::{Readable, Snapshot as DiskSnapshot, UserValue};
use parking_lot::RwLock;

use super::counters::parse_count;
use super::index::Totals;
use super::record::{Record, decode_exchange, decode_memory};
use super::tables::{self, Facet, Tables, away, level_number, pair_of, status_number};
use crate::domain::exchange::Exchange;
use crate::domain::id::{ClientKey, OrgId, SessionKey};
use crate::domain::safety::SafetyMemory;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::store::counters::Page;
use crate::store::{
    Cursor, DailyCounters, HistoryPage, Limits, ListPage, ListQuery, ProtocolVersion, Snapshot, StoreError,
    YearlyCounters,
};

/// Index entries that one page looks at.
const CANDIDATES_MAX: usize = 5_000;

fn protocol_version((hash, source): (fjall::UserKey, UserValue)) -> Result<ProtocolVersion, StoreError> {
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec())
            .map_err(|_| StoreError::Corrupt("a protocol that is no text".to_owned()))
    };
    Ok(ProtocolVersion { hash: text(&hash)?, source: text(&source)? })
}

/// The view that readers take. A lock, because it is swapped once a group and read for a moment.
#[derive(Default)]
pub(super) struct Published(RwLock<Option<Arc<View>>>);

impl Published {
    pub fn publish(&self, tables: &Tables) {
        let view = View { tables: tables.clone(), disk: tables.db.snapshot() };
        *self.0.write() = Some(Arc::new(view));
    }

    pub fn view(&self) -> Option<Arc<View>> {
        self.0.read().clone()
    }

    /// Lets go of the directory.
    pub fn close(&self) {
        *self.0.write() = None;
    }
}

pub(super) struct View {
    pub tables: Tables,
    pub disk: DiskSnapshot,
}

impl View {
    pub fn read(&self, key: &SessionKey, now: Timestamp) -> Result<Option<Snapshot>, StoreError> {
        let live = self.live(key, now)?;
        Ok(live.map(|(record, memory)| Snapshot {
            remaining: record.remaining(&memory, now),
            session: record.aligned(&memory, now),
            basis: memory.basis(),
        }))
    }

    pub fn protocols(&self) -> Result<Vec<ProtocolVersion>, StoreError> {
        self.disk.iter(&self.tables.protocols).map(|guard| protocol_version(pair_of(guard)?)).collect()
    }

    fn live(&self, key: &SessionKey, now: Timestamp) -> Result<Option<(Record, SafetyMemory)>, StoreError> {
        let Some(bytes) = self.value(&self.tables.sessions, &tables::session(key))? else {
            return Ok(None);
        };
        let record = Record::decode(&bytes)?;
        let memory = self.memory(&record.session.client)?;
        Ok((!record.is_dead(&memory, now)).then_some((record, memory)))
    }

    fn memory(&self, client: &ClientKey) -> Result<SafetyMemory, StoreError> {
        let bytes = self.value(&self.tables.memories, tables::memory(client))?;
        Ok(bytes.map(|bytes| decode_memory(&bytes)).transpose()?.unwrap_or_default())
    }

    pub fn value(&self, table: &fjall::Keyspace, key: &[u8]) -> Result<Option<UserValue>, StoreError> {
        self.disk.get(table, key).map_err(|error| away(&error))
    }

    pub fn history(
        &self,
        key: &SessionKey,
        before: Option<u32>,
        limit: usize,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<Option<HistoryPage>, StoreError> {
        let Some((record, memory)) = self.live(key, now)? else { return Ok(None) };
        let session = record.aligned(&memory, now);
        let out_to = session.turn_count.saturating_sub(limits.history_max).max(record.trimmed_to);
        let end = tables::exchange(key, before.unwrap_or(u32::MAX));
        let stored = self.disk.range(&self.tables.exchanges, tables::of_session(key)..end).rev();
        let mut exchanges = Vec::new();
        for entry in stored {
            let (at, value) = pair_of(entry)?;
            let is_in =
                tables::turn_in(&at).is_some_and(|turn| turn > out_to || session.pins.contains(&turn));
            if is_in {
                exchanges.push(decode_exchange(&value)?);
            }
            if exchanges.len() > limit {
                break;
            }
        }
        Ok(Some(page_of(exchanges, limit, out_to > 0)))
    }

    pub fn list(&self, query: &ListQuery, count_max: usize, now: Timestamp) -> Result<ListPage, StoreError> {
        let totals = self.totals(&query.org)?;
        let facet = narrowest(query, &totals);
        let (total, is_whole) = self.total(query, facet, &totals, count_max)?;
        let mut rows = Vec::new();
        let mut next = None;
        for (seen, entry) in self.index_from(query, facet).enumerate() {
            let (place, marks) = candidate(entry, query, facet)?;
            if query.active_since.is_some_and(|since| place.last_interaction < since) {
                break;
            }
            if fits_marks(query, &marks)
                && let Some(row) = self.row(query, &place, now)?
            {
                if rows.len() == query.limit {
                    next = rows.last().map(cursor_of);
                    break;
                }
                rows.push(row);
            }
            if seen + 1 == CANDIDATES_MAX {
                next = Some(place);
                break;
            }
        }
        let is_filtered = query.substate.is_some() || query.part.is_some();
        Ok(ListPage { rows, next, total, total_is_estimate: is_filtered || !is_whole })
    }

    fn totals(&self, org: &OrgId) -> Result<Totals, StoreError> {
        let bytes = self.value(&self.tables.totals, tables::totals(org))?;
        Ok(bytes.map(|bytes| Totals::decode(&bytes)).transpose()?.unwrap_or_default())
    }

    /// The total, and whether it was counted to its end.
    fn total(
        &self,
        query: &ListQuery,
        facet: Facet,
        totals: &Totals,
        count_max: usize,
    ) -> Result<(u64, bool), StoreError> {
        let Some(since) = query.active_since else {
            return Ok((totals.of(query.status, query.level), true));
        };
        let until = |time| tables::index_until(&query.org, facet, time);
        let (newer, is_whole) = self.count(
            query,
            (Included(tables::of_facet(&query.org, facet)), Included(until(since))),
            count_max,
        )?;
        if is_whole {
            return Ok((newer, true));
        }
        // Many are newer; where few are older, those are counted instead.
        let end = until(Timestamp::from_micros(i64::MIN));
        let (older, is_whole) = self.count(query, (Excluded(until(since)), Included(end)), count_max)?;
        let total = totals.of(query.status, query.level).saturating_sub(older);
        Ok(if is_whole { (total, true) } else { (newer, false) })
    }

    /// How many entries of a range fit, and whether that is all of them.
    fn count(
        &self,
        query: &ListQuery,
        range: (Bound<Vec<u8>>, Bound<Vec<u8>>),
        count_max: usize,
    ) -> Result<(u64, bool), StoreError> {
        let (mut total, mut seen) = (0, 0);
        for entry in self.disk.range(&self.tables.index, range) {
            let (_, marks) = pair_of(entry)?;
            total += u64::from(fits_marks(query, &marks));
            seen += 1;
            if seen == count_max {
                return Ok((total, false));
            }
        }
        Ok((total, true))
    }

    fn index_from(&self, query: &ListQuery, facet: Facet) -> impl Iterator<Item = fjall::Guard> {
        let begin = match &query.cursor {
            Some(at) => Excluded(tables::index(&query.org, facet, at.last_interaction, &at.id)),
            None => Included(tables::of_facet(&query.org, facet)),
        };
        let end = Included(tables::index_until(&query.org, facet, Timestamp::from_micros(i64::MIN)));
        self.disk.range(&self.tables.index, (begin, end))
    }

    /// The session, where it counts and is asked for as it counts now.
    fn row(
        &self,
        query: &ListQuery,
        place: &Cursor,
        now: Timestamp,
    ) -> Result<Option<Arc<Session>>, StoreError> {
        let key = SessionKey::new(query.org.clone(), place.id.clone());
        let Some((record, memory)) = self.live(&key, now)? else { return Ok(None) };
        let session = record.aligned(&memory, now);
        let is_there = query.substate.as_ref().is_none_or(|wanted| *wanted == record.substate);
        Ok((is_there && fits(query, &session)).then_some(session))
    }

    pub fn daily(&self, org: &OrgId, from: &str, to: &str) -> Result<Vec<DailyCounters>, StoreError> {
        let range = tables::of_page(org, &Page::Day(from.to_owned()))..tables::after_day(org, to);
        let mut days: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for entry in self.disk.range(&self.tables.daily, range) {
            let (key, value) = pair_of(entry)?;
            let (date, name) = tables::parse_counter(&key)?;
            days.entry(date).or_default().insert(name, parse_count(&value)?);
        }
        Ok(days.into_iter().map(|(date, counts)| DailyCounters { date, counts }).collect())
    }

    pub fn yearly(&self, org: &OrgId, year: &str) -> Result<YearlyCounters, StoreError> {
        let page = tables::of_page(org, &Page::Year(year.to_owned()));
        let mut counts = BTreeMap::new();
        for entry in self.disk.prefix(&self.tables.daily, page) {
            let (key, value) = pair_of(entry)?;
            counts.insert(tables::parse_counter(&key)?.1, parse_count(&value)?);
        }
        Ok(YearlyCounters { counts })
    }
}

fn candidate(
    entry: fjall::Guard,
    query: &ListQuery,
    facet: Facet,
) -> Result<(Cursor, UserValue), StoreError> {
    let (key, marks) = pair_of(entry)?;
    let prefix = tables::of_facet(&query.org, facet).len();
    let (last_interaction, id) = tables::parse_index(&key, prefix)?;
    Ok((Cursor { last_interaction, id }, marks))
}

fn page_of(mut exchanges: Vec<Exchange>, limit: usize, trimmed: bool) -> HistoryPage {
    let has_more = exchanges.len() > limit;
    exchanges.truncate(limit);
    let next_before = exchanges.last().filter(|_| has_more).map(|last| last.turn);
    HistoryPage { exchanges, next_before, trimmed }
}

/// The order in which the fewest entries have to be passed over.
fn narrowest(query: &ListQuery, totals: &Totals) -> Facet {
    match (query.status, query.level) {
        (None, None) => Facet::All,
        (Some(status), None) => Facet::Status(status),
        (Some(status), Some(level)) if totals.of(Some(status), None) <= totals.of(None, Some(level)) => {
            Facet::Status(status)
        }
        (Some(_) | None, Some(level)) => Facet::Level(level),
    }
}

/// An entry's value tells status and level without loading the session.
fn fits_marks(query: &ListQuery, marks: &[u8]) -> bool {
    let is = |wanted: Option<u8>, mark: Option<&u8>| wanted.is_none_or(|wanted| mark == Some(&wanted));
    is(query.status.map(status_number), marks.first()) && is(query.level.map(level_number), marks.get(1))
}

fn fits(query: &ListQuery, session: &Session) -> bool {
    query.status.is_none_or(|status| session.status == status)
        && query.level.is_none_or(|level| session.level == level)
        && query.active_since.is_none_or(|since| session.last_interaction >= since)
        && query.part.as_ref().is_none_or(|part| has_part(session, part))
}

fn has_part(session: &Session, part: &str) -> bool {
    session.id.as_str().contains(part) || session.client_id.as_ref().is_some_and(|id| id.contains(part))
}

fn cursor_of(session: &Arc<Session>) -> Cursor {
    Cursor { last_interaction: session.last_interaction, id: session.id.clone() }
}
