//! A session and its history as they stand. Nothing here changes an expiry.

use std::time::Duration;

use redis::{Cmd, Pipeline, Value};

use super::record::Record;
use super::value::{MEMORY, Parts, list};
use super::{Inner, exchanges};
use crate::domain::exchange::Exchange;
use crate::domain::id::{ClientKey, OrgId, SessionKey};
use crate::domain::safety::SafetyMemory;
use crate::domain::session::Session;
use crate::redis::keys::{HISTORY, PINNED};
use crate::store::{HistoryPage, Remaining, Snapshot, StoreError};

/// Pinned exchanges that a history is asked for at most.
const PINNED_MAX: usize = 1_000;

/// A session as it was read, with the memory of its client.
pub(super) struct Standing {
    pub record: Record,
    pub memory: SafetyMemory,
    /// `None` where it has no end.
    pub remaining: Option<Duration>,
    /// Whether a report of it waits for somebody to see it.
    pub is_reported: bool,
}

impl Standing {
    fn snapshot(&self) -> Snapshot {
        let session = self.record.counts(&self.memory);
        Snapshot {
            remaining: self.remaining_of(&session),
            session: session.into(),
            basis: self.memory.basis(),
        }
    }

    /// Where another program took the end away, and no danger or report did, a whole TTL is as good as any.
    fn remaining_of(&self, session: &Session) -> Remaining {
        if session.level.pauses() || self.is_reported {
            return Remaining::Held;
        }
        Remaining::For(self.remaining.unwrap_or(session.ttl))
    }
}

impl Inner {
    pub(super) async fn snapshot(&self, key: &SessionKey) -> Result<Option<Snapshot>, StoreError> {
        let answer = self.run(&self.scripts.read, self.read_call(key, &self.client_by_id(key))).await?;
        Ok(self.standing(key, answer).await?.map(|standing| standing.snapshot()))
    }

    async fn standing(&self, key: &SessionKey, answer: Value) -> Result<Option<Standing>, StoreError> {
        let mut parts = Parts::of(answer)?;
        let remaining = u64::try_from(parts.number::<i64>()?).ok().map(Duration::from_millis);
        let memory = parts.memory()?;
        let (state, meta) = (parts.fields()?, parts.fields()?);
        let Some(record) = Record::read(key, &state, Some(&meta), &self.reader())? else { return Ok(None) };
        let guess = self.client_by_id(key);
        let asked = state.text("client").unwrap_or(guess.as_str());
        let memory = if record.session.client.as_str() == asked {
            memory
        } else {
            self.memory_of(&key.org, &record.session.client).await?
        };
        let is_reported = state.number("open_reports").is_some_and(|open: i64| open > 0);
        Ok(Some(Standing { record, memory, remaining, is_reported }))
    }

    pub(super) async fn memory_of(
        &self,
        org: &OrgId,
        client: &ClientKey,
    ) -> Result<SafetyMemory, StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        calls.add_command(self.memory_call(org, client));
        Parts::of(Value::Array(self.ask(&calls, &[]).await?))?.memory()
    }

    /// Asks for a memory in the order in which the scripts give it.
    pub(super) fn memory_call(&self, org: &OrgId, client: &ClientKey) -> Cmd {
        let mut call = redis::cmd("HMGET");
        call.arg(self.keys.safety(org, client));
        call.arg(&MEMORY);
        call
    }

    pub(super) async fn history(
        &self,
        key: &SessionKey,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Option<HistoryPage>, StoreError> {
        let history_max = usize::try_from(self.limits.history_max).unwrap_or(usize::MAX);
        let mut calls = Pipeline::with_capacity(3);
        calls.add_command(self.read_call(key, &self.client_by_id(key)));
        calls.add_command(newest(self.keys.session(key, HISTORY), history_max));
        calls.add_command(newest(self.keys.session(key, PINNED), PINNED_MAX));
        let mut answers = Parts::of(Value::Array(self.ask(&calls, &[&self.scripts.read]).await?))?;
        let Some(standing) = self.standing(key, answers.value()?).await? else { return Ok(None) };
        let session = standing.record.counts(&standing.memory);
        let window = exchanges::decode(&entries(answers.value()?)?, session.turn_count);
        let pinned = exchanges::decode(&entries(answers.value()?)?, session.turn_count);
        let turn_count = exchanges::counted(&window, session.turn_count);
        let trimmed = window.last().map_or(turn_count > 0, |oldest| oldest.turn > 1);
        Ok(Some(page_of(with_pinned(window, pinned, &session.pins), before, limit, trimmed)))
    }
}

/// The first `most` of a list.
fn newest(key: String, most: usize) -> Cmd {
    // To the place before the first there is nothing, where a 0 of most makes it -1: the whole list.
    let (from, to) = if most == 0 { (1, 0) } else { (0, most - 1) };
    let mut call = redis::cmd("LRANGE");
    call.arg(key).arg(from).arg(to);
    call
}

/// An entry that is no text is none that Attune wrote: what can be read of it is.
fn entries(answer: Value) -> Result<Vec<String>, StoreError> {
    let entries = list(answer)?.into_iter().filter_map(|entry| match entry {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        _ => None,
    });
    Ok(entries.collect())
}

/// The window, then what is pinned beyond it.
fn with_pinned(mut window: Vec<Exchange>, pinned: Vec<Exchange>, pins: &[u32]) -> Vec<Exchange> {
    let oldest = window.last().map_or(u32::MAX, |oldest| oldest.turn);
    window.extend(pinned.into_iter().filter(|pinned| pinned.turn < oldest && pins.contains(&pinned.turn)));
    window.sort_by_key(|exchange| std::cmp::Reverse(exchange.turn));
    window.dedup_by_key(|exchange| exchange.turn);
    window
}

fn page_of(all: Vec<Exchange>, before: Option<u32>, limit: usize, trimmed: bool) -> HistoryPage {
    let before = before.unwrap_or(u32::MAX);
    let mut exchanges: Vec<Exchange> = all.into_iter().filter(|exchange| exchange.turn < before).collect();
    let has_more = exchanges.len() > limit;
    exchanges.truncate(limit);
    let next_before = exchanges.last().filter(|_| has_more).map(|last| last.turn);
    HistoryPage { exchanges, next_before, trimmed }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchanges_of(turns: &[u32]) -> Vec<Exchange> {
        let raw: Vec<String> = turns.iter().map(|turn| format!(r#"{{"turn":{turn}}}"#)).collect();
        exchanges::decode(&raw, 0)
    }

    fn turns(exchanges: &[Exchange]) -> Vec<u32> {
        exchanges.iter().map(|exchange| exchange.turn).collect()
    }

    #[test]
    fn what_is_pinned_comes_once_and_only_while_it_is() {
        let (window, pinned) = (exchanges_of(&[9, 8, 7]), exchanges_of(&[8, 4, 2]));
        assert_eq!(turns(&with_pinned(window, pinned, &[2, 8])), [9, 8, 7, 2]);
    }

    #[test]
    fn a_page_names_the_next_only_where_there_is_one() {
        let page = |before, limit| page_of(exchanges_of(&[5, 4, 3, 2, 1]), before, limit, false);
        assert_eq!((turns(&page(None, 2).exchanges), page(None, 2).next_before), (vec![5, 4], Some(4)));
        assert_eq!((turns(&page(Some(4), 2).exchanges), page(Some(4), 2).next_before), (vec![3, 2], Some(2)));
        assert_eq!((turns(&page(Some(2), 2).exchanges), page(Some(2), 2).next_before), (vec![1], None));
    }
}
