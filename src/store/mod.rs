//! The store's contract. The turn knows this trait and never an adapter.
//!
//! # What a store guarantees
//!
//! - **Durable**: what [`Store::commit`], [`Store::create`], [`Store::raise`], [`Store::lower`], [`Store::transition`],
//!   [`Store::consent`], [`Store::extend`], [`Store::acknowledge`], [`Store::report`], [`Store::delete`] and [`Store::delete_idle`], and the parts beside, have answered survives the end of the process; and nothing is answered,
//!   replayed or read that would not.
//! - **Once**: a turn is stored once, however often its commit is repeated; turn numbers have no gap and no repeat.
//! - **In order**: of a session at most one turn runs at a time, under a [`Lease`]; the rest wait in order of arrival,
//!   those in danger ahead of the others. A lease that ran out cannot commit.
//! - **All or nothing**: a session's state, exchanges, stored reply and indices change together or not at all.
//! - **A ratchet**: a level rises at any time without a lease. It falls only by [`Event::Clear`](crate::domain::session::Event::Clear) and by
//!   [`Store::lower`]. No read shows a session that goes on at level high or crisis: every read and the gate align the
//!   session with its client's memory.
//! - **One event for each change** of a session that subscribers are told of, written in the same change; see [`Events`].
//! - **One alert for each rise** of a client's level to high or crisis, written in the change that raises it,
//!   whichever call that is, and closed in the one that clears it.
//! - **Own time**: expiry, windows and leases are judged by the store's clock.
//!
//! Every method but [`Chats::say`] is safe to call again after a lost answer.
//!
//! # Errors
//!
//! Everything that the caller can act on is a value of the result. [`StoreError`] alone means that the store did not
//! do its work, or that nobody knows whether it did.

mod alerts;
mod care;
mod chats;
mod clinicians;
mod counters;
mod credentials;
pub mod embedded;
mod errands;
mod events;
pub mod fallback;
mod ledger;
mod limits;
mod notices;
pub mod redis;
mod rooms;
mod sessions;
mod turn;

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::broadcast;

use crate::domain::consent::ConsentChange;
use crate::domain::id::{OrgId, SessionKey};
use crate::domain::time::Timestamp;

pub use alerts::{
    Acknowledge, Acknowledged, AlertOrder, AlertPage, AlertPlace, AlertQuery, OPEN_MAX, REPORTS_MAX, Report,
    Reported,
};
pub use care::{Care, Noted};
pub use chats::{Chats, HEARD_BEFORE, Heard, Hearing, Saying};
pub use clinicians::{Attempt, Clinician, Clinicians, LOCKED_FOR, TRIES_MAX};
pub use counters::{Counter, DailyCounters, YearlyCounters};
pub use credentials::{CREDENTIALS_MAX, Credential, Credentials, Holder};
pub use errands::{ALERTS, Errands, NOTICES_FAILING};
pub use events::Events;
pub use fallback::{Fallback, FallbackRule, FallbackStanding, MERGED_AT, StoreMode, Switch};
pub use ledger::Ledger;
pub use limits::Limits;
pub use notices::{DueNotice, KeepNotice, KeptNotice, Notices};
pub use sessions::{
    Consented, Create, Created, Cursor, HistoryPage, ListPage, ListQuery, Lower, Lowered, ProtocolVersion,
    Raise, Raised, Receipt, Remaining, Snapshot, Swept, Transition, Transitioned,
};
pub use turn::{
    Abandon, Begin, BeginId, Begun, Claim, Commit, Committed, Gate, Idempotency, Lane, Lease, Nudge,
    Reloaded, StoredReply, Ticket,
};

#[async_trait]
pub trait Store:
    Care + Chats + Clinicians + Credentials + Errands + Events + Ledger + Notices + Send + Sync + 'static
{
    /// Opens a session ahead of its first turn. Takes no permit and no lease.
    async fn create(&self, request: Create) -> Result<Created, StoreError>;

    /// Asks to work on a session: takes a permit and, when nobody else has it, the lease.
    ///
    /// A session that does not exist is begun without one and comes into being with its first commit. A session at
    /// level high or crisis, or that awaits the answer to a safety question, is always begun in the lane of danger.
    async fn begin(&self, request: Begin) -> Result<Gate, StoreError>;

    /// Waits with a ticket, `wait` at most, until the lease is handed over or the joined turn is done.
    ///
    /// A ticket that is given up (the answer is [`Claim::Busy`], or the future is dropped) leaves the queue and gives
    /// its permit back.
    async fn claim(&self, ticket: Ticket, wait: Duration) -> Result<Claim, StoreError>;

    /// Sets the lease's time anew while a turn still works. False when it was lost.
    async fn renew(&self, session: &SessionKey, lease: Lease) -> Result<bool, StoreError>;

    /// Writes a turn and releases the lease to the next live ticket. The lease is the commit's id.
    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError>;

    /// Asks whichever other server works on the session to stop its turn, or to hurry. True when one works on it now;
    /// whether it hears is not known.
    async fn nudge(&self, session: &SessionKey, nudge: Nudge) -> Result<bool, StoreError>;

    /// What other servers ask of this one. A slow listener loses the oldest.
    fn nudges(&self) -> broadcast::Receiver<(SessionKey, Nudge)>;

    /// Releases a lease with nothing written. Without effect when the lease is not held.
    async fn abandon(&self, session: &SessionKey, lease: Lease, why: Abandon) -> Result<(), StoreError>;

    /// Raises the client's level to at least `raise.level` and pauses the session at high and crisis. Needs no lease
    /// and no existing session.
    async fn raise(&self, raise: Raise) -> Result<Raised, StoreError>;

    /// Takes in a completed negative re-screen: the client's level falls to none where this one suffices, and only while
    /// the client's memory still has the level, the epoch and the number of signs on which it was made. At high and
    /// crisis one alone never suffices. Told again, the same re-screen counts once.
    async fn lower(&self, lower: Lower) -> Result<Lowered, StoreError>;

    /// Applies a lifecycle event outside of a turn. [`Event::Clear`](crate::domain::session::Event::Clear) clears the client's safety memory.
    async fn transition(&self, transition: Transition) -> Result<Transitioned, StoreError>;

    /// Changes what the client of a session consented to, in all that stands of the session's line: whichever of it goes
    /// on carries the change. Needs no lease, and makes no session. A turn in flight is told [`Committed::Changed`].
    async fn consent(&self, session: &SessionKey, change: ConsentChange) -> Result<Consented, StoreError>;

    /// The session as it counts now, aligned with its client's memory. Does not change its expiry.
    async fn read(&self, session: &SessionKey) -> Result<Option<Snapshot>, StoreError>;

    /// What stands of a session's line, the oldest first; of a long one the first and the newest hundred.
    async fn line(&self, session: &SessionKey) -> Result<Vec<SessionKey>, StoreError>;

    /// Exchanges newest first, with turn numbers below `before`, `limit` at most. `None`: no such session.
    async fn history(
        &self,
        session: &SessionKey,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Option<HistoryPage>, StoreError>;

    /// A page of an organisation's sessions, latest interaction first.
    async fn list(&self, query: ListQuery) -> Result<ListPage, StoreError>;

    /// Sets the TTL and starts it anew; later turns keep it. `None`: no such session.
    async fn extend(&self, session: &SessionKey, ttl: Duration) -> Result<Option<Remaining>, StoreError>;

    /// Removes everything of the session but its client's safety memory, and verifies it. Its alerts stay and name it
    /// no more. `None`: no such session.
    async fn delete(&self, session: &SessionKey) -> Result<Option<Receipt>, StoreError>;

    /// The same, where the session's last turn lies before a time, nobody works on it, and nothing holds it. `None`: it is
    /// not so, or there is no such session.
    async fn delete_idle(
        &self,
        session: &SessionKey,
        before: Timestamp,
    ) -> Result<Option<Receipt>, StoreError>;

    /// Counts events on today's page of the daily counters. Best effort: a crash may lose the last second.
    async fn count(&self, org: &OrgId, events: Vec<Counter>) -> Result<(), StoreError>;

    /// Daily counters from `from` to `to`, both `YYYY-MM-DD` and included, oldest first; days without any are left out.
    async fn daily(&self, org: &OrgId, from: &str, to: &str) -> Result<Vec<DailyCounters>, StoreError>;

    /// The counters of a year, `YYYY`. They stand for good.
    async fn yearly(&self, org: &OrgId, year: &str) -> Result<YearlyCounters, StoreError>;

    /// A page of an organisation's alerts.
    async fn alerts(&self, query: AlertQuery) -> Result<AlertPage, StoreError>;

    /// Notes who has seen an alert. A session that a report held goes on as if its TTL began now.
    async fn acknowledge(&self, acknowledge: Acknowledge) -> Result<Acknowledged, StoreError>;

    /// Keeps what a client reports as an alert, which holds the session until somebody has acknowledged it.
    async fn report(&self, report: Report) -> Result<Reported, StoreError>;

    /// Expires idle sessions (each is told once, in the report) and removes what has outlived its TTL.
    async fn sweep(&self) -> Result<Swept, StoreError>;

    /// Keeps the source of a protocol's version, so that the sessions begun under it can end under it.
    async fn keep_protocol(&self, version: ProtocolVersion) -> Result<(), StoreError>;

    /// Every version that was kept.
    async fn protocols(&self) -> Result<Vec<ProtocolVersion>, StoreError>;

    /// Whether the store can do its work now.
    async fn health(&self) -> Result<(), StoreError>;

    /// Finishes and syncs what was accepted; later calls answer [`StoreError::Closed`].
    async fn close(&self) -> Result<(), StoreError>;

    /// The name on the wire: `embedded` or `redis`.
    fn name(&self) -> &'static str;

    /// Where the turns of a session are kept now, as the wire names it: mostly [`Store::name`], `local` in a journal.
    fn storage(&self, _session: &SessionKey) -> &'static str {
        self.name()
    }

    /// How it goes on while what it lies on is away, where it does.
    fn fallback(&self) -> Option<&dyn Fallback> {
        None
    }
}

/// The store did not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Away, or too slow: try again later. Whether the call took effect is unknown.
    #[error("the store is away: {0}")]
    Away(String),
    /// Stopped for good, as after a failed write: only a restart helps.
    #[error("the store has stopped: {0}")]
    Stopped(String),
    /// Shutting down.
    #[error("the store is closed")]
    Closed,
    /// A stored value that cannot be read. It is left as it is.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
}
