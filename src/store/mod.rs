//! The store's contract. The turn knows this trait and never an adapter.
//!
//! # What a store guarantees
//!
//! - **Durable**: what [`Store::commit`], [`Store::create`], [`Store::raise`], [`Store::transition`],
//!   [`Store::extend`] and [`Store::delete`] have answered survives the end of the process; and nothing is answered,
//!   replayed or read that would not.
//! - **Once**: a turn is stored once, however often its commit is repeated; turn numbers have no gap and no repeat.
//! - **In order**: of a session at most one turn runs at a time, under a [`Lease`]; the rest wait in order of arrival,
//!   those in danger ahead of the others. A lease that ran out cannot commit.
//! - **All or nothing**: a session's state, exchanges, stored reply and indices change together or not at all.
//! - **A ratchet**: a level rises at any time without a lease and falls only by [`Event::Clear`]. No read shows a
//!   session that goes on at level high or crisis: every read and the gate align the session with its client's memory.
//! - **Own time**: expiry, windows and leases are judged by the store's clock.
//!
//! Every method is safe to call again after a lost answer.
//!
//! # Errors
//!
//! Everything that the caller can act on is a value of the result. [`StoreError`] alone means that the store did not
//! do its work, or that nobody knows whether it did.

pub mod embedded;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::id::{ClientKey, OrgId, SessionId, SessionKey};
use crate::domain::quota::Quota;
use crate::domain::safety::{Level, SafetyMemory};
use crate::domain::session::{Event, Exchange, Party, Refusal, Session, Status};
use crate::domain::time::Timestamp;

#[async_trait]
pub trait Store: Send + Sync + 'static {
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

    /// Releases a lease with nothing written. Without effect when the lease is not held.
    async fn abandon(&self, session: &SessionKey, lease: Lease, why: Abandon) -> Result<(), StoreError>;

    /// Raises the client's level to at least `raise.level` and pauses the session at high and crisis. Needs no lease
    /// and no existing session.
    async fn raise(&self, raise: Raise) -> Result<Raised, StoreError>;

    /// Applies a lifecycle event outside of a turn. [`Event::Clear`] clears the client's safety memory.
    async fn transition(&self, transition: Transition) -> Result<Transitioned, StoreError>;

    /// The session as it counts now, aligned with its client's memory. Does not change its expiry.
    async fn read(&self, session: &SessionKey) -> Result<Option<Snapshot>, StoreError>;

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

    /// Removes everything of the session but its client's safety memory, and verifies it. `None`: no such session.
    async fn delete(&self, session: &SessionKey) -> Result<Option<Receipt>, StoreError>;

    /// Counts events on today's page of the daily counters. Best effort: a crash may lose the last second.
    async fn count(&self, org: &OrgId, events: Vec<Counter>) -> Result<(), StoreError>;

    /// Daily counters from `from` to `to`, both `YYYY-MM-DD` and included, oldest first; days without any are left out.
    async fn daily(&self, org: &OrgId, from: &str, to: &str) -> Result<Vec<DailyCounters>, StoreError>;

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
}

/// The store did not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Away, or too slow: try again later. Whether the call took effect is unknown.
    #[error("the store is away: {0}")]
    Away(String),
    /// Shutting down.
    #[error("the store is closed")]
    Closed,
    /// A stored value that cannot be read. It is left as it is.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
}

/// The per-session lock's value: proof of the right to commit, and that commit's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease(pub u128);

/// Names one call of begin, so that repeating it takes no second permit or place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BeginId(pub u128);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    Ordinary,
    /// The text shows danger: own bound instead of the session's limit, ahead in the queue, never refused as full.
    Danger,
}

/// What makes two requests the same: the keyed hash of the idempotency key in its scope, and that of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    pub key: [u8; 16],
    pub body: [u8; 16],
}

#[derive(Debug, Clone)]
pub struct Begin {
    pub id: BeginId,
    pub session: SessionKey,
    /// Whose memory counts while the session does not exist.
    pub client: ClientKey,
    /// The gone session that this one succeeds.
    pub predecessor: Option<SessionKey>,
    pub lane: Lane,
    pub idempotency: Option<Idempotency>,
}

/// What the gate says.
#[derive(Debug)]
pub enum Gate {
    Begun(Box<Begun>),
    /// Somebody else has the lease: wait with [`Store::claim`].
    Queued(Ticket),
    /// The same idempotency key is being worked on: wait for its reply with [`Store::claim`].
    Running(Ticket),
    /// No permit now; `quota.reset` tells when.
    Limited(Quota),
    /// Nobody may wait (the lease is held and waiting is switched off).
    Busy {
        retry_after: Duration,
    },
    QueueFull {
        retry_after: Duration,
    },
    /// The key was used with another body.
    KeyReused,
    Replay(StoredReply),
    /// Expired or at fault: go on under `successor`, naming this session as its predecessor. No permit was taken.
    Gone {
        successor: SessionKey,
    },
}

/// The right to work on a session, and all that a turn needs to know of it.
#[derive(Debug, Clone)]
pub struct Begun {
    pub lease: Lease,
    /// How long the lease stands without a renewal.
    pub lease_ttl: Duration,
    /// Aligned with its client's memory. `None`: comes into being with this turn.
    pub session: Option<Arc<Session>>,
    /// The session that a new one succeeds: its client, metadata and level carry over.
    pub predecessor: Option<Arc<Session>>,
    pub memory: SafetyMemory,
    /// The latest exchanges, oldest first.
    pub recent: Arc<Vec<Exchange>>,
    pub quota: Quota,
}

/// A place in a session's queue, or beside a running turn. Good for one [`Store::claim`].
#[derive(Debug)]
pub struct Ticket {
    pub session: SessionKey,
    pub id: u64,
    pub quota: Quota,
}

#[derive(Debug)]
pub enum Claim {
    Begun(Box<Begun>),
    /// The joined turn's reply.
    Replay(StoredReply),
    /// Not within the wait.
    Busy {
        retry_after: Duration,
    },
    /// The session went while waiting; as [`Gate::Gone`].
    Gone {
        successor: SessionKey,
    },
}

/// The bytes of a reply as they were sent.
pub type StoredReply = Arc<[u8]>;

#[derive(Debug, Clone)]
pub struct Commit {
    pub key: SessionKey,
    pub lease: Lease,
    /// The session after the turn. The store sets `revision`, and keeps its own `ttl`.
    pub session: Session,
    /// The revision on which the turn was decided; 0 where the session did not exist.
    pub base_revision: u64,
    /// The level under which the turn was decided. A lower one than what now pauses is [`Committed::Overtaken`].
    pub decided_under: Level,
    /// Ids of the rules by which this turn raises the level, if it does.
    pub why: Vec<String>,
    pub exchange: Exchange,
    pub reply: Option<(Idempotency, StoredReply)>,
    pub counters: Vec<Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    Committed {
        revision: u64,
    },
    /// The lease ran out; somebody else may be at work. Nothing was written.
    Lost,
    /// Somebody else wrote the session meanwhile: decide anew on this, under the same lease.
    Changed(Box<Reloaded>),
    /// The level rose to one that pauses: answer with the crisis dialogue, under the same lease.
    Overtaken(Box<Reloaded>),
}

/// What a turn that was overtaken or changed decides on anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Reloaded {
    pub session: Option<Arc<Session>>,
    pub memory: SafetyMemory,
    pub recent: Arc<Vec<Exchange>>,
}

impl Eq for Reloaded {}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abandon {
    /// Our fault: the permit is given back.
    Failed,
    /// The caller's wish: the permit stays taken.
    Stopped,
}

#[derive(Debug, Clone)]
pub struct Raise {
    pub session: SessionKey,
    /// Whose memory counts where the session does not exist.
    pub client: ClientKey,
    pub level: Level,
    /// Rule ids, never text.
    pub why: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// The level that counts now.
    pub level: Level,
    /// Whether it rose by this call.
    pub rose: bool,
}

#[derive(Debug, Clone)]
pub struct Transition {
    pub session: SessionKey,
    pub event: Event,
    pub by: Party,
    /// Up to 500 characters, a code or a clinician's words.
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transitioned {
    Done(Status),
    Refused(Refusal),
    /// No such session.
    Absent,
}

#[derive(Debug, Clone)]
pub struct Create {
    pub key: SessionKey,
    pub session: Session,
    pub idempotency: Option<Idempotency>,
    /// Makes the reply that is stored for a repeat out of the session as it counts.
    pub reply: fn(&Session) -> StoredReply,
}

#[derive(Debug)]
pub enum Created {
    /// The session as it counts: paused already at a remembered high or crisis.
    Created(Arc<Session>),
    Replay(StoredReply),
    KeyReused,
    /// The id is taken.
    Exists,
}

/// A session as it counts at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub session: Arc<Session>,
    pub remaining: Remaining,
}

/// How long a session still stands without a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remaining {
    For(Duration),
    /// Until its level is cleared.
    Held,
}

#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    pub exchanges: Vec<Exchange>,
    /// Ask with this as `before` for the next page.
    pub next_before: Option<u32>,
    /// Whether older turns have been dropped.
    pub trimmed: bool,
}

#[derive(Debug, Clone)]
pub struct ListQuery {
    pub org: OrgId,
    pub status: Option<Status>,
    pub level: Option<Level>,
    pub substate: Option<String>,
    /// Part of a session or client id.
    pub part: Option<String>,
    pub active_since: Option<Timestamp>,
    pub limit: usize,
    pub cursor: Option<Cursor>,
}

/// Where a page ended: the last row's place in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub last_interaction: Timestamp,
    pub id: SessionId,
}

#[derive(Debug, Clone)]
pub struct ListPage {
    pub rows: Vec<Arc<Session>>,
    /// A page may end early, when much was filtered out: ask on while there is a cursor.
    pub next: Option<Cursor>,
    pub total: u64,
    /// The total does not regard the substate and the part of an id.
    pub total_is_estimate: bool,
}

/// What a delete removed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct Receipt {
    pub exchanges: u64,
    pub stored_replies: u64,
    /// Read again after the removal: nothing was found.
    pub verified: bool,
}

/// What the daily counters count. The wire names are [`Counter::name`]'s.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    Input,
    SessionCreated,
    Turn,
    Decision(String),
    Level(Level),
    Limited,
    Busy,
    Scripted,
    Completed,
    Expired,
    Erased,
}

impl Counter {
    /// The field in the day's hash.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Input => "total_inputs".to_owned(),
            Self::SessionCreated => "event:session_created".to_owned(),
            Self::Turn => "event:turn".to_owned(),
            Self::Decision(decision) => format!("event:decision:{decision}"),
            Self::Level(level) => format!("event:level:{}", level.as_str()),
            Self::Limited => "event:limited".to_owned(),
            Self::Busy => "event:busy".to_owned(),
            Self::Scripted => "event:scripted".to_owned(),
            Self::Completed => "event:completed".to_owned(),
            Self::Expired => "event:expired".to_owned(),
            Self::Erased => "event:erased".to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DailyCounters {
    pub date: String,
    pub counts: BTreeMap<String, u64>,
}

/// A protocol's source, under the hash that its sessions name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtocolVersion {
    pub hash: String,
    pub source: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Set to expired by this sweep.
    pub expired: Vec<SessionKey>,
    /// Removed for good.
    pub removed: u64,
}

/// Durations and bounds that every adapter keeps to.
#[derive(Debug, Clone)]
pub struct Limits {
    pub session_ttl: Duration,
    /// No session stands longer than this after it was made, but for one that danger holds.
    pub session_max_age: Duration,
    /// Idle time after which the sweep expires a session; `None`: 23/24 of its TTL.
    pub session_idle: Option<Duration>,
    pub history_max: u32,
    /// How many of the latest exchanges [`Begun::recent`] carries.
    pub recent_max: u32,
    /// Permits per session in a window; 0 switches the limit off.
    pub rate_limit: u32,
    pub rate_window: Duration,
    /// The bound of the lane of danger, per session in a minute.
    pub danger_limit: u32,
    pub lease_ttl: Duration,
    /// How long a waiter may take to answer a hand-over. In process a hand-over cannot be lost, but its task may be gone.
    pub claim_ttl: Duration,
    /// Zero: nobody waits but those in danger.
    pub lease_wait: Duration,
    pub queue_max: usize,
    pub idempotency_ttl: Duration,
    /// How long a safety memory stands after clearing.
    pub memory_ttl: Duration,
    pub daily_ttl: Duration,
}
