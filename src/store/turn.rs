//! What a turn asks of a store and is told: leases, tickets, the gate, the commit.

use std::sync::Arc;
use std::time::Duration;

use super::{Counter, StoreError};
use crate::domain::exchange::Exchange;
use crate::domain::id::{ClientKey, SessionKey};
use crate::domain::quota::Quota;
use crate::domain::safety::{Level, SafetyMemory};
use crate::domain::session::Session;
use crate::domain::time::Timestamp;

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
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Idempotency {
    pub key: [u8; 16],
    pub body: [u8; 16],
}

#[derive(Debug, Clone)]
pub struct Begin {
    pub id: BeginId,
    pub session: SessionKey,
    /// Whose memory counts while the session does not exist, and nothing is known of its client: see [`Begun::client`].
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
    /// Somebody else has the lease: wait with [`Store::claim`](super::Store::claim).
    Queued(Ticket),
    /// The same idempotency key is being worked on: wait for its reply with [`Store::claim`](super::Store::claim).
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
    /// Whose session it is, or will be: a predecessor's client, and whoever a gone session of this id was the client of,
    /// while that one is in danger, come before the one who was named.
    pub client: ClientKey,
    /// Aligned with its client's memory. `None`: comes into being with this turn.
    pub session: Option<Arc<Session>>,
    /// The session that a new one succeeds: its client, metadata and level carry over.
    pub predecessor: Option<Arc<Session>>,
    pub memory: SafetyMemory,
    /// The latest exchanges, oldest first.
    pub recent: Arc<Vec<Exchange>>,
    pub quota: Quota,
}

/// A place in a session's queue, or beside a running turn. Good for one [`Store::claim`](super::Store::claim).
#[derive(Debug)]
pub struct Ticket {
    /// What was asked for.
    pub request: Box<Begin>,
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

/// Turns that a session keeps beyond its window.
const PINS_MAX: usize = 8;
/// Of these, room for turns that found danger without raising the level further.
const REPEATED_PINS_MAX: usize = 4;

impl Commit {
    /// The client's memory with what this turn found. A level that it merely carries from before the last clearing
    /// raises nothing.
    pub(super) fn raised(&self, memory: &SafetyMemory, now: Timestamp) -> SafetyMemory {
        let session = &self.session;
        let mut raised = memory.clone();
        let is_found = session.level > self.decided_under || !self.why.is_empty();
        if is_found || session.safety_epoch >= memory.cleared_epoch {
            raised.raise(session.level, &self.why, now);
        }
        raised
    }

    /// What raised a level is kept until it is cleared; also where the level had been raised ahead of the commit. True
    /// when this turn is kept.
    pub(super) fn pin(&self, session: &mut Session, before: Level) -> bool {
        let turn = self.exchange.turn;
        let rose = session.level > before;
        let found = !self.why.is_empty() && session.level > Level::None;
        let room = if rose { PINS_MAX } else { REPEATED_PINS_MAX };
        let is_kept = (rose || found) && session.pins.len() < room && !session.pins.contains(&turn);
        if is_kept {
            session.pins.push(turn);
        }
        is_kept
    }

    /// A turn that does not follow the last one is a fault of its maker, and would leave a gap for ever.
    pub(super) fn check_shape(&self, stored: Option<&Session>) -> Result<(), StoreError> {
        let next = stored.map_or(0, |session| session.turn_count) + 1;
        let is_next = self.exchange.turn == next && self.session.turn_count == next;
        let is_its_own = self.session.id == self.key.id
            && stored.is_none_or(|session| session.client == self.session.client);
        if is_next && is_its_own {
            return Ok(());
        }
        Err(StoreError::Corrupt("a commit that does not follow the stored turn, or names another".to_owned()))
    }
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
    /// The session is kept elsewhere from now on, see [`Store::storage`](super::Store::storage), and nothing else has
    /// changed: tell it so in the reply, and commit again under the same lease. What was committed may stand already.
    Moved,
}

/// What a turn that was overtaken or changed decides on anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Reloaded {
    pub session: Option<Arc<Session>>,
    pub memory: SafetyMemory,
    pub recent: Arc<Vec<Exchange>>,
}

impl Eq for Reloaded {}

/// What one server asks of another that works on a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nudge {
    /// The caller wants the turn to end.
    Stop,
    /// Somebody in danger waits behind it.
    Hurry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abandon {
    /// Our fault: the permit is given back.
    Failed,
    /// The caller's wish: the permit stays taken.
    Stopped,
}
