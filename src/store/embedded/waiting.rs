//! The words between a seat and those who come to it: what they ask, where they stand, what they are told.

use crate::domain::id::{ClientKey, SessionKey};
use crate::domain::quota::{Permit, Quota};
use crate::domain::time::Timestamp;
use crate::store::{Abandon, BeginId, Idempotency, Lane, Lease, StoredReply};

/// How a waiter is answered, and whether it is still there to be answered.
pub(super) trait Claimer {
    fn is_gone(&self) -> bool;
}

/// Which call of claim holds a ticket: a late withdrawal by an earlier call must not end a later one.
pub(super) type Call = u64;

/// What a turn asked for. It moves from the queue to the lease, and its permit with it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub begin: BeginId,
    pub lane: Lane,
    pub client: ClientKey,
    pub predecessor: Option<SessionKey>,
    pub idempotency: Option<Idempotency>,
    pub permit: Permit,
}

/// Where a repeated begin finds itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Holds(Lease),
    Queued(u64, Quota),
    Joined(u64, Quota),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    Holds,
    Queued,
    Busy,
    Full,
}

/// What a claim finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Claimed<C> {
    /// It was handed over already.
    Holds(C),
    Replay(C, StoredReply),
    Waits,
    /// No such ticket, or no longer.
    Unknown(C),
}

/// Somebody who is to be told something.
#[derive(Debug)]
pub(super) enum Woken<C> {
    /// The lease is theirs.
    Handed(C),
    Replayed(C, StoredReply),
}

/// How a turn ended.
#[derive(Debug, Clone)]
pub(super) enum End {
    Committed(Option<(Idempotency, StoredReply)>),
    Abandoned(Abandon),
    /// Its lease ran out, or its session was deleted.
    Died,
}

#[derive(Debug)]
pub(super) struct Holder {
    pub lease: Lease,
    pub request: Request,
    pub deadline: Timestamp,
    /// The ticket that it waited with.
    pub ticket: Option<u64>,
    /// The claim that it was handed over to; `None` while nobody has claimed with the ticket.
    pub call: Option<Call>,
}

#[derive(Debug)]
pub(super) struct Waiter<C> {
    pub ticket: u64,
    pub request: Request,
    pub claimer: Option<(Call, C)>,
    /// Whether more than one answer names the ticket.
    pub is_repeated: bool,
}

/// Kept for a joiner for as long as a hand-over would be.
#[derive(Debug)]
pub(super) struct Done {
    pub ticket: u64,
    pub reply: StoredReply,
    pub until: Timestamp,
}
