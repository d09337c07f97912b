//! The part of the store that tells what happened: a log that every change writes its event into, in the same step, and
//! the latest of it in memory, so that many subscribers cost one reader.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::StoreError;
use crate::domain::event::{EventId, SessionEvent};
use crate::domain::time::Timestamp;

/// Events that are kept in memory for those who follow.
const RECENT_MAX: usize = 2_048;

/// What a change tells stands in the log if and only if the change does, whichever server made it. The log is bounded in
/// time and number: who comes too late misses the oldest.
#[async_trait]
pub trait Events: Send + Sync {
    /// Events behind an id, oldest first, `most` at most, of all organisations.
    async fn events(&self, after: EventId, most: usize) -> Result<Vec<Arc<SessionEvent>>, StoreError>;

    /// The latest event's id; the least of all where there is none.
    async fn newest_event(&self) -> Result<EventId, StoreError>;

    /// The latest event that this server has heard of. Whoever read up to `after` waits here for more.
    fn heard_events(&self) -> watch::Receiver<EventId>;
}

/// The latest events, as one reader of the log brings them.
pub(super) struct Recent {
    newest: watch::Sender<EventId>,
    /// A plain mutex: held to copy a few pointers, never across an await.
    ring: Mutex<Ring>,
}

struct Ring {
    /// All that lies behind this is in `events`, up to the newest.
    since: EventId,
    events: VecDeque<Arc<SessionEvent>>,
}

impl Default for Recent {
    /// Knows of nothing: all has to be read from the log, until it begins.
    fn default() -> Self {
        let nothing = EventId { ms: u64::MAX, number: u64::MAX };
        let ring = Ring { since: nothing, events: VecDeque::new() };
        Self { newest: watch::Sender::new(EventId::default()), ring: Mutex::new(ring) }
    }
}

impl Recent {
    /// Begins behind `newest`: what came before has to be read from the log.
    pub fn begin(&self, newest: EventId) {
        *self.ring.lock() = Ring { since: newest, events: VecDeque::new() };
        self.newest.send_replace(newest);
    }

    /// Takes in what follows, oldest first.
    pub fn push(&self, events: impl IntoIterator<Item = Arc<SessionEvent>>) {
        let mut newest = None;
        let mut ring = self.ring.lock();
        for event in events {
            newest = Some(event.id);
            ring.events.push_back(event);
        }
        while ring.events.len() > RECENT_MAX {
            ring.since = ring.events.pop_front().map_or(ring.since, |event| event.id);
        }
        drop(ring);
        if let Some(newest) = newest {
            self.newest.send_replace(newest);
        }
    }

    /// Drops what is older than the log keeps.
    pub fn forget_before(&self, horizon: Timestamp) {
        let mut ring = self.ring.lock();
        while ring.events.front().is_some_and(|event| event.id.at() < horizon) {
            ring.since = ring.events.pop_front().map_or(ring.since, |event| event.id);
        }
    }

    /// `None` where not all of it is in memory.
    pub fn behind(&self, after: EventId, most: usize) -> Option<Vec<Arc<SessionEvent>>> {
        let ring = self.ring.lock();
        if after < ring.since {
            return None;
        }
        let from = ring.events.partition_point(|event| event.id <= after);
        Some(ring.events.iter().skip(from).take(most).cloned().collect())
    }

    pub fn newest(&self) -> watch::Receiver<EventId> {
        self.newest.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::EventKind;
    use crate::domain::id::{OrgId, SessionId, SessionKey};

    fn id(number: u64) -> EventId {
        EventId { ms: 5, number }
    }

    fn event(number: u64) -> Arc<SessionEvent> {
        let key = SessionKey::new(OrgId::default(), SessionId::parse("s").expect("an id"));
        Arc::new(SessionEvent { id: id(number), ..SessionEvent::new(EventKind::SessionCreated, &key) })
    }

    fn numbers(recent: &Recent, after: u64, most: usize) -> Option<Vec<u64>> {
        let behind = recent.behind(id(after), most)?;
        Some(behind.iter().map(|event| event.id.number).collect())
    }

    #[test]
    fn what_lies_behind_an_id_is_told_in_order_or_has_to_be_read() {
        let recent = Recent::default();
        recent.begin(id(10));
        recent.push((11..=14).map(event));
        assert_eq!(numbers(&recent, 9, 9), None, "older than what is in memory");
        assert_eq!(numbers(&recent, 10, 9), Some(vec![11, 12, 13, 14]));
        assert_eq!(numbers(&recent, 12, 1), Some(vec![13]));
        assert_eq!(numbers(&recent, 14, 9), Some(vec![]));
        assert_eq!(*recent.newest().borrow(), id(14));
    }

    #[test]
    fn memory_is_bounded_and_says_what_it_no_longer_has() {
        let recent = Recent::default();
        assert_eq!(numbers(&recent, 0, 9), None, "it has not begun");
        recent.begin(id(0));
        let all = RECENT_MAX as u64 + 3;
        recent.push((1..=all).map(event));
        assert_eq!(numbers(&recent, 2, 9), None);
        assert_eq!(numbers(&recent, 3, 2), Some(vec![4, 5]));
    }
}
