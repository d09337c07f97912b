//! What a call that failed, or was given up on its way, may have left in Redis: a lease or a place in a queue of which
//! nobody knows. It is taken back as soon as Redis answers, so that no session waits for a lease to run out.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Inner;
use crate::domain::id::SessionKey;
use crate::store::{Begin, Idempotency, StoreError};

/// More wait for nobody: their leases and tickets run out by themselves.
const ORPHANS_MAX: usize = 10_000;
const TRY_AGAIN: Duration = Duration::from_millis(100);
/// What hung in the network when Redis was away may take effect this long after it is back.
const LATE: Duration = Duration::from_millis(500);

/// Whoever asked under an id is not there for the answer.
pub(super) struct Orphan {
    pub session: SessionKey,
    pub id: u128,
    pub idempotency: Option<Idempotency>,
    /// Whether the connection was lost, so that the call may take effect after it was taken back.
    pub is_late: bool,
}

impl Orphan {
    pub fn of(request: &Begin) -> Self {
        Self {
            session: request.session.clone(),
            id: request.id.0,
            idempotency: request.idempotency.clone(),
            is_late: false,
        }
    }
}

impl Inner {
    pub(super) fn take_back(this: &Arc<Self>, orphan: Orphan) {
        if this.tasks.running() < ORPHANS_MAX {
            let inner = Arc::clone(this);
            drop(this.tasks.spawn(async move { inner.until_closed(inner.take_back_now(&orphan)).await }));
        }
    }

    async fn take_back_now(&self, orphan: &Orphan) {
        // After so long both a lease and a ticket have run out.
        let ends = Instant::now() + self.limits.lease_ttl.max(self.wait_max) * 2;
        while let Err(StoreError::Away(_)) = self.withdraw(orphan, false).await {
            if Instant::now() >= ends {
                return;
            }
            self.link.until_up().await;
            sleep(TRY_AGAIN).await;
        }
        if orphan.is_late {
            sleep(LATE).await;
            // Where it fails now, it runs out by itself.
            let _runs_out = self.withdraw(orphan, false).await;
        }
    }
}

/// A begin or a claim on its way: dropped before it was settled, what it may have left is taken back.
pub(super) struct Pending {
    inner: Arc<Inner>,
    orphan: Option<Orphan>,
}

impl Pending {
    pub fn of(inner: &Arc<Inner>, request: &Begin) -> Self {
        Self { inner: Arc::clone(inner), orphan: Some(Orphan::of(request)) }
    }

    /// The call has ended with an answer: nothing is left to take back.
    pub fn settle(&mut self) {
        self.orphan = None;
    }

    /// The call has ended without one. `is_sent`: it may have taken effect, or may yet.
    pub fn lose(&mut self, is_sent: bool) {
        match &mut self.orphan {
            Some(orphan) if is_sent => orphan.is_late = true,
            Some(_) | None => self.orphan = None,
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(orphan) = self.orphan.take() {
            Inner::take_back(&self.inner, orphan);
        }
    }
}
