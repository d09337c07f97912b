//! What this server keeps between calls: the ground of the turns that it works on, and the sessions that it had last.
//!
//! Nothing here decides anything. A kept session is used only where the gate says that nobody wrote since.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::Mutex;

use super::record::{Mark, Record};
use crate::domain::exchange::Exchange;
use crate::domain::id::{OrgId, SessionId, SessionKey};
use crate::domain::safety::SafetyMemory;
use crate::domain::session::Session;
use crate::store::Lease;

/// What people wrote does not lie in memory for longer without a turn.
const IDLE_MAX: Duration = Duration::from_mins(15);

/// A session as its last turn here left it.
#[derive(Debug)]
pub(super) struct Warm {
    pub record: Record,
    pub recent: Arc<Vec<Exchange>>,
}

impl Warm {
    /// About as much memory as it takes.
    fn bytes(&self) -> usize {
        let texts =
            |exchange: &Exchange| 250 + exchange.client_input.len() + exchange.therapist_response.len();
        let session = &self.record.session;
        let facts: usize = session.place.facts.values().map(|fact| 60 + fact.len()).sum();
        let names = 60 * (session.place.counters.len() + session.place.flags.len() + session.meta.len());
        1_500 + facts + names + 150 * session.transitions.len() + self.recent.iter().map(texts).sum::<usize>()
    }
}

/// On what a turn stands that is being worked on.
#[derive(Debug, Clone, Default)]
pub(super) struct Ground {
    pub mark: Mark,
    /// The session as it counted; `None` where there was none.
    pub session: Option<Arc<Session>>,
    pub memory: SafetyMemory,
    pub recent: Arc<Vec<Exchange>>,
    /// Whether Attune has not written this session yet.
    pub is_first: bool,
    /// Whether the hash in Redis shows the session as it counts: then only what changes has to be written.
    pub is_shown: bool,
}

pub(super) struct Held {
    warm: Cache<SessionKey, Arc<Warm>>,
    /// By lease. Whoever begins commits or abandons, so this holds as many as there are turns at work.
    grounds: Mutex<HashMap<Lease, Ground>>,
}

impl Held {
    pub fn bounded(bytes: u64) -> Self {
        let weigh = |_: &SessionKey, warm: &Arc<Warm>| u32::try_from(warm.bytes()).unwrap_or(u32::MAX);
        let warm = Cache::builder().max_capacity(bytes).weigher(weigh).time_to_idle(IDLE_MAX).build();
        Self { warm, grounds: Mutex::default() }
    }

    pub fn warm(&self, key: &SessionKey) -> Option<Arc<Warm>> {
        self.warm.get(key)
    }

    pub fn keep(&self, key: &SessionKey, warm: Warm) {
        self.warm.insert(key.clone(), Arc::new(warm));
    }

    pub fn drop_warm(&self, key: &SessionKey) {
        self.warm.invalidate(key);
    }

    /// Drops what is kept of a session that was removed: its organisation and id, joined by a colon.
    pub fn forget(&self, session: &str) {
        let Some((org, id)) = session.split_once(':') else { return };
        if let (Ok(org), Ok(id)) = (OrgId::parse(org), SessionId::parse(id)) {
            self.drop_warm(&SessionKey::new(org, id));
        }
    }

    pub fn stand(&self, lease: Lease, ground: Ground) {
        self.grounds.lock().insert(lease, ground);
    }

    pub fn ground(&self, lease: Lease) -> Option<Ground> {
        self.grounds.lock().get(&lease).cloned()
    }

    pub fn settle(&self, lease: Lease) {
        self.grounds.lock().remove(&lease);
    }
}
