//! The log of events in Redis: a stream that the scripts write into, and that every server follows.

use std::sync::Arc;

use async_trait::async_trait;
use redis::{Pipeline, Value};
use tokio::sync::watch;

use super::{Inner, RedisStore};
use crate::domain::event::{EventId, SessionEvent};
use crate::redis::tail::{Entry, Follower, follow, stream_entries};
use crate::store::events::Recent;
use crate::store::{Events, StoreError};

impl Follower for Recent {
    fn begin(&self, newest: &str) {
        Self::begin(self, EventId::parse(newest).unwrap_or_default());
    }

    fn take(&self, entries: Vec<Entry>) {
        self.push(entries.into_iter().filter_map(event_of));
    }
}

/// `None` of one that a newer server wrote, or another program.
fn event_of((id, json): Entry) -> Option<Arc<SessionEvent>> {
    let event: SessionEvent = serde_json::from_slice(&json).ok()?;
    Some(Arc::new(SessionEvent { id: EventId::parse(&id)?, ..event }))
}

impl Inner {
    pub(super) async fn follow_events(&self) {
        follow(&self.link, &self.keys.events(), &self.recent_events).await;
    }

    async fn stored_events(&self, after: EventId, most: usize) -> Result<Vec<Arc<SessionEvent>>, StoreError> {
        let mut after = after.to_string();
        loop {
            let mut calls = Pipeline::with_capacity(1);
            calls
                .cmd("XRANGE")
                .arg(self.keys.events())
                .arg(format!("({after}"))
                .arg("+")
                .arg("COUNT")
                .arg(most);
            let entries = self.entries(&calls).await?;
            let Some((last, _)) = entries.last() else { return Ok(Vec::new()) };
            after.clone_from(last);
            let events: Vec<_> = entries.into_iter().filter_map(event_of).collect();
            // A page of entries that nobody here can read does not end the log.
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }

    async fn entries(&self, calls: &Pipeline) -> Result<Vec<Entry>, StoreError> {
        let answer = self.ask(calls, &[]).await?.into_iter().next().unwrap_or(Value::Array(Vec::new()));
        stream_entries(answer).map_err(|_| StoreError::Corrupt("the log of events".to_owned()))
    }
}

#[async_trait]
impl Events for RedisStore {
    async fn events(&self, after: EventId, most: usize) -> Result<Vec<Arc<SessionEvent>>, StoreError> {
        match self.0.recent_events.behind(after, most) {
            Some(events) => Ok(events),
            None => self.0.stored_events(after, most).await,
        }
    }

    async fn newest_event(&self) -> Result<EventId, StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        calls.cmd("XREVRANGE").arg(self.0.keys.events()).arg("+").arg("-").arg("COUNT").arg(1);
        let newest = self.0.entries(&calls).await?.pop();
        Ok(newest.and_then(|(id, _)| EventId::parse(&id)).unwrap_or_default())
    }

    fn heard_events(&self) -> watch::Receiver<EventId> {
        self.0.recent_events.newest()
    }
}
