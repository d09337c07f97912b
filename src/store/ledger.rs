//! The part of the store that keeps the audit: entries as they are written, and the chain that they are sealed into.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::audit::{Entry, Head, Sealed};
use crate::domain::id::OrgId;

/// Changes of level and status are entered by the store itself, in the same step as the change. An entry lies in the
/// outbox until it is sealed, and is in one of both places at every moment.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Writes an entry into the outbox. What was answered stands.
    async fn enter(&self, org: &OrgId, entry: Entry) -> Result<(), StoreError>;

    /// The organisations whose audit has begun, those too whose first entry is not sealed yet.
    async fn audited(&self) -> Result<Vec<OrgId>, StoreError>;

    /// The oldest entries of the outbox, as they were written.
    async fn outbox(&self, org: &OrgId, most: usize) -> Result<Vec<String>, StoreError>;

    async fn head(&self, org: &OrgId) -> Result<Head, StoreError>;

    /// Moves the oldest entries of the outbox to the chain's end, where it still ends at `before` and these are still
    /// the oldest. False where somebody else was faster: then nothing has changed.
    async fn seal(
        &self,
        org: &OrgId,
        before: &Head,
        sealed: Vec<Sealed>,
        head: Head,
    ) -> Result<bool, StoreError>;

    /// What lies in the chain from the place on where the `from`-th record is, counted from 1, whatever numbers it bears.
    async fn chain(&self, org: &OrgId, from: u64, most: usize) -> Result<Vec<Sealed>, StoreError>;
}
