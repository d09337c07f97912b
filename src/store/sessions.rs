//! What is asked of a session outside of its turns: made, raised, changed, read, listed, removed.

use std::sync::Arc;
use std::time::Duration;

use super::{Idempotency, StoredReply};
use crate::domain::consent::Consent;
use crate::domain::exchange::Exchange;
use crate::domain::id::{ClientKey, OrgId, SessionId, SessionKey};
use crate::domain::safety::{Basis, Level, Negative};
use crate::domain::session::{Event, Party, Refusal, Session, Status};
use crate::domain::time::Timestamp;

#[derive(Debug, Clone)]
pub struct Raise {
    pub session: SessionKey,
    /// Whose memory counts where neither the session nor a successor of it exists, nor one of its id was that of a client
    /// who is in danger.
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

/// A completed negative re-screen of a client.
#[derive(Debug, Clone)]
pub struct Lower {
    pub session: SessionKey,
    /// What it was made on, and what names it.
    pub negative: Negative,
    /// How long after another one it has to lie, by the store's clock. `None`: one is enough.
    pub apart: Option<Duration>,
    /// A code of small letters, digits, dots and underscores: why the level falls, if it does.
    pub reason: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lowered {
    /// The client's level is none now, and its sessions go on where safety had paused them.
    Cleared(Status),
    /// It is noted as the first of two.
    Noted,
    /// Level, epoch or signs are others than those on which it was made. Nothing has changed.
    Refused,
    /// No such session.
    Absent,
}

#[derive(Debug, Clone)]
pub struct Transition {
    pub session: SessionKey,
    pub event: Event,
    pub by: Party,
    /// Up to 500 characters, a code or a clinician's words.
    pub reason: String,
    /// What a clearing was decided on, as [`Snapshot::basis`] told it. `None`: it clears whatever there is.
    pub seen: Option<Basis>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transitioned {
    Done(Status),
    Refused(Refusal),
    /// Danger has shown since the clearing was decided on, or somebody else has cleared it. Nothing has changed.
    Overtaken,
    /// No such session.
    Absent,
}

/// What a client consented to, as the session has it that answers: the one that was named, or where that is gone the
/// newest of its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consented {
    /// `None`: it never did.
    Of(Option<Consent>),
    /// No such session, nor any of its line.
    Absent,
}

impl Consented {
    /// `line`: what stands of it, the oldest first.
    pub(super) fn of(named: &SessionId, line: &[Arc<Session>]) -> Self {
        let answers = |session: &&Arc<Session>| !session.status.is_gone();
        let named = line.iter().find(|session| session.id == *named);
        let newest = line.last();
        let counts = named.filter(answers).or(newest.filter(answers)).or(named).or(newest);
        counts.map_or(Self::Absent, |session| Self::Of(session.consent.clone()))
    }
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
    /// The id is taken, or a successor of an earlier session of it still stands.
    Exists,
}

/// A session as it counts at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub session: Arc<Session>,
    pub remaining: Remaining,
    /// What its client's memory says of danger.
    pub basis: Basis,
}

/// How long a session still stands without a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remaining {
    For(Duration),
    /// Until its level is cleared, and what was reported of it acknowledged.
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

impl ListQuery {
    /// The first `limit` of an organisation's sessions, whatever they are.
    pub fn of(org: OrgId, limit: usize) -> Self {
        Self {
            org,
            status: None,
            level: None,
            substate: None,
            part: None,
            active_since: None,
            limit,
            cursor: None,
        }
    }
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
    /// What clinicians had written down.
    pub notes: u64,
    /// Session tokens and tickets that stood.
    pub credentials: u64,
    /// What its chat kept.
    pub messages: u64,
    /// Whether something stays: how much danger the client was in, by rule ids and under a keyed hash, no word of it.
    pub safety_memory_kept: bool,
    /// Read again after the removal: nothing was found.
    pub verified: bool,
}

impl Receipt {
    /// Of both together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            exchanges: self.exchanges + other.exchanges,
            stored_replies: self.stored_replies + other.stored_replies,
            notes: self.notes + other.notes,
            credentials: self.credentials + other.credentials,
            messages: self.messages + other.messages,
            safety_memory_kept: self.safety_memory_kept || other.safety_memory_kept,
            verified: self.verified && other.verified,
        }
    }
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
    /// There was more to do than one sweep takes on: sweep again at once.
    pub has_more: bool,
}
