//! The chainer: moves what lies in the outboxes into the chains. Every server has one; whichever is first does it.

use std::sync::Arc;
use std::time::Duration;

use crate::access::Secret;
use crate::domain::id::OrgId;
use crate::store::{Store, StoreError};

use super::chain::seal;

/// Within a second, with time to spare.
const EVERY: Duration = Duration::from_millis(250);
/// Entries that are sealed at once.
const AT_ONCE: usize = 200;

pub struct Auditor {
    pub store: Arc<dyn Store>,
    pub secret: Secret,
}

/// Tends the chains until it is stopped. What is left in an outbox then is sealed by whoever comes next.
pub async fn tend(auditor: Auditor) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match auditor.seal_all().await {
            Ok(()) | Err(StoreError::Closed) => {}
            Err(error) => tracing::warn!(%error, "the audit waits to be sealed"),
        }
    }
}

impl Auditor {
    /// Seals all that lies in the outboxes. One that cannot be read keeps no other organisation's from being sealed.
    pub async fn seal_all(&self) -> Result<(), StoreError> {
        let mut outcome = Ok(());
        for org in self.store.audited().await? {
            if let Err(error) = self.seal_org(&org).await {
                outcome = Err(error);
            }
        }
        outcome
    }

    async fn seal_org(&self, org: &OrgId) -> Result<(), StoreError> {
        while self.seal_some(org).await? == AT_ONCE {}
        Ok(())
    }

    /// How many were sealed; none where another server was faster.
    async fn seal_some(&self, org: &OrgId) -> Result<usize, StoreError> {
        let entries = self.store.outbox(org, AT_ONCE).await?;
        if entries.is_empty() {
            return Ok(0);
        }
        let (count, before) = (entries.len(), self.store.head(org).await?);
        let (sealed, head) = seal(&self.secret, org, &before, entries);
        let is_ours = self.store.seal(org, &before, sealed, head).await?;
        Ok(if is_ours { count } else { 0 })
    }
}
