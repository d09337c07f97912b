//! The log of events on disk, written in the batch of the change that it tells of, and told once that is synced.

use std::sync::Arc;

use async_trait::async_trait;
use fjall::Readable as _;
use tokio::sync::watch;

use super::EmbeddedStore;
use super::draft::Draft;
use super::index::Change;
use super::reads::View;
use super::record::{decode, encode};
use super::tables::{self, key_of, pair_of};
use super::writer::Writer;
use crate::domain::event::{EventId, EventKind, SessionEvent};
use crate::domain::id::SessionKey;
use crate::domain::safety::Level;
use crate::domain::session::Status;
use crate::domain::time::Timestamp;
use crate::store::{Events, StoreError};

/// Events that one sweep removes.
const SWEEP_MAX: usize = 5_000;

impl Change<'_> {
    /// Writes an event into the log, as the next one.
    pub fn tell(&mut self, event: SessionEvent) -> Result<(), StoreError> {
        let event = SessionEvent { id: self.next_event()?, ..event };
        self.batch.insert(&self.tables.events, tables::event(event.id), encode(&event)?);
        self.told.push(Arc::new(event));
        Ok(())
    }

    pub fn tell_status(
        &mut self,
        key: &SessionKey,
        was: Option<Status>,
        status: Status,
    ) -> Result<(), StoreError> {
        let kind =
            if status == Status::Expired { EventKind::SessionExpired } else { EventKind::SessionUpdated };
        let was = was.map(|was| was.as_str().to_owned());
        let status = Some(status.as_str().to_owned());
        self.tell(SessionEvent { status, was, ..SessionEvent::new(kind, key) })
    }

    pub fn tell_level(&mut self, key: &SessionKey, was: Level, level: Level) -> Result<(), StoreError> {
        let kind = if level > was { EventKind::SafetyRaised } else { EventKind::SafetyCleared };
        let (was, level) = (Some(was.as_str().to_owned()), Some(level.as_str().to_owned()));
        self.tell(SessionEvent { level, was, ..SessionEvent::new(kind, key) })
    }

    /// Behind the last one, also where the clock was set back. Numbers count on over all, so that they tell how many
    /// there are.
    fn next_event(&self) -> Result<EventId, StoreError> {
        let mut last = self.tables.last_event.lock();
        let before = match *last {
            Some(last) => last,
            None => newest(self.tables.events.iter().next_back())?,
        };
        let now_ms = u64::try_from(self.now.millis()).unwrap_or_default();
        let next = EventId { ms: before.ms.max(now_ms), number: before.number + 1 };
        *last = Some(next);
        Ok(next)
    }
}

impl Draft<'_> {
    /// A turn that was stored, and its reply that can be fetched.
    pub fn tell_turn(
        &mut self,
        key: &SessionKey,
        turn: u32,
        status: Status,
        level: Level,
    ) -> Result<(), StoreError> {
        for kind in [EventKind::TurnCompleted, EventKind::ReplyReady] {
            self.change.tell(SessionEvent {
                turn: Some(turn),
                status: Some(status.as_str().to_owned()),
                level: Some(level.as_str().to_owned()),
                ..SessionEvent::new(kind, key)
            })?;
        }
        Ok(())
    }
}

impl Writer {
    pub fn newest_event(&self) -> Result<EventId, StoreError> {
        newest(self.tables.events.iter().next_back())
    }

    /// Drops what is older than it may be, and what there is too much of. True where there is more.
    pub fn sweep_events(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        let newest = self.newest_event()?;
        let horizon = now.minus(self.limits.events_ttl);
        self.state.recent_events.forget_before(horizon);
        let horizon = u64::try_from(horizon.millis()).unwrap_or_default();
        let kept_from = newest.number.saturating_sub(u64::from(self.limits.events_max));
        let mut surplus = Vec::new();
        for entry in self.tables.events.iter().take(SWEEP_MAX) {
            let key = key_of(entry)?;
            let id = tables::parse_event(&key)?;
            if id.ms >= horizon && id.number > kept_from {
                break;
            }
            surplus.push(key);
        }
        let has_more = surplus.len() == SWEEP_MAX;
        if !surplus.is_empty() {
            self.change(|draft| {
                for key in surplus {
                    draft.change.batch.remove(&draft.change.tables.events, key);
                }
                Ok(())
            })?;
        }
        Ok(has_more)
    }
}

impl View {
    fn events(&self, after: EventId, most: usize) -> Result<Vec<Arc<SessionEvent>>, StoreError> {
        let behind = (std::ops::Bound::Excluded(tables::event(after)), std::ops::Bound::Unbounded);
        let entries = self.disk.range(&self.tables.events, behind).take(most);
        entries.map(|entry| event_of(&pair_of(entry)?)).collect()
    }
}

fn event_of((key, value): &(fjall::UserKey, fjall::UserValue)) -> Result<Arc<SessionEvent>, StoreError> {
    let event: SessionEvent = decode(value, "an event")?;
    Ok(Arc::new(SessionEvent { id: tables::parse_event(key)?, ..event }))
}

fn newest(last: Option<fjall::Guard>) -> Result<EventId, StoreError> {
    last.map_or_else(|| Ok(EventId::default()), |last| tables::parse_event(&key_of(last)?))
}

#[async_trait]
impl Events for EmbeddedStore {
    async fn events(&self, after: EventId, most: usize) -> Result<Vec<Arc<SessionEvent>>, StoreError> {
        match self.state.recent_events.behind(after, most) {
            Some(events) => Ok(events),
            None => self.read_off_thread(move |view| view.events(after, most)).await,
        }
    }

    async fn newest_event(&self) -> Result<EventId, StoreError> {
        self.read_off_thread(|view| newest(view.disk.iter(&view.tables.events).next_back())).await
    }

    fn heard_events(&self) -> watch::Receiver<EventId> {
        self.state.recent_events.newest()
    }
}
