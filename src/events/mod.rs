//! Who follows what happens. A subscriber reads the log at its own pace and hears every event once and in order; what is
//! slow or fails in one is no other's business. Never changes a session.

mod body;

use std::sync::Arc;

use tokio::sync::watch;

use crate::domain::event::{EventId, SessionEvent};
use crate::store::{Store, StoreError};

pub use body::EventBody;

/// Events that are handed out at once.
const AT_ONCE: usize = 200;

/// One who follows, and how far.
pub struct Subscription {
    store: Arc<dyn Store>,
    heard: watch::Receiver<EventId>,
    after: EventId,
}

impl Subscription {
    /// Begins behind an event that was seen before; without one, with what happens from now on.
    ///
    /// # Errors
    /// The store's.
    pub async fn begin(store: Arc<dyn Store>, seen: Option<EventId>) -> Result<Self, StoreError> {
        let heard = store.heard_events();
        let newest = store.newest_event().await?;
        // One that has not happened yet is not ours: nothing would come behind it.
        let after = seen.filter(|seen| *seen <= newest).unwrap_or(newest);
        Ok(Self { store, heard, after })
    }

    /// Waits for what comes next, of all organisations. Safe to drop and to call again, also after an error.
    ///
    /// # Errors
    /// The store's; it goes on from the same place.
    pub async fn next(&mut self) -> Result<Vec<Arc<SessionEvent>>, StoreError> {
        loop {
            let newest = *self.heard.borrow_and_update();
            if newest > self.after {
                let events = self.store.events(self.after, AT_ONCE).await?;
                if let Some(last) = events.last() {
                    self.after = last.id;
                    return Ok(events);
                }
            }
            if self.heard.changed().await.is_err() {
                return Err(StoreError::Closed);
            }
        }
    }
}
