//! What lies on disk as a value: a version byte, then JSON. A reader refuses a version that it does not know, and
//! never writes over one.

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::domain::alert::{AlertId, ReportReason};
use crate::domain::exchange::Exchange;
use crate::domain::id::ClientKey;
use crate::domain::safety::SafetyMemory;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::store::{Lease, Limits, Remaining, StoreError, StoredReply};

/// The version that this program writes.
const VERSION: u8 = 1;
/// Commits that are remembered beside the last one.
const EARLIER_COMMITS_MAX: usize = 3;

pub(super) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::with_capacity(1024);
    bytes.push(VERSION);
    serde_json::to_writer(&mut bytes, value)
        .map_err(|_| StoreError::Corrupt("a value that has no stored form".to_owned()))?;
    Ok(bytes)
}

/// `what` names the kind of value in the error, which never holds any of its content.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, StoreError> {
    let body = body_of(bytes, what)?;
    serde_json::from_slice(body).map_err(|_| StoreError::Corrupt(format!("{what} cannot be read")))
}

fn body_of<'a>(bytes: &'a [u8], what: &str) -> Result<&'a [u8], StoreError> {
    match bytes.split_first() {
        Some((&VERSION, body)) => Ok(body),
        Some((version, _)) => {
            Err(StoreError::Corrupt(format!("{what} of version {version}, which this program does not know")))
        }
        None => Err(StoreError::Corrupt(format!("{what} is empty"))),
    }
}

/// All that stands of a session in one value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    pub session: Arc<Session>,
    pub expires_at: Timestamp,
    /// When the TTL was last started anew; idle time counts from here.
    pub slid_at: Timestamp,
    /// Where its one entry in the expiry table lies: never later than it is due.
    pub due_at: Timestamp,
    /// Exchanges up to this turn are gone, but for pinned ones.
    pub trimmed_to: u32,
    /// Times of the limiter's permits, in microseconds.
    pub permits: Vec<i64>,
    pub last_commit: Option<LastCommit>,
    /// Those before it, newest first: a lost answer may be asked for after the next turn.
    #[serde(default)]
    pub earlier_commits: Vec<LastCommit>,
    /// The wire name of where the last turn stood; empty before the first.
    pub substate: String,
    /// Under which a repeated create finds its reply.
    pub created_by: Option<CreateKey>,
    /// What was reported of it, so that a repeated report is known again.
    #[serde(default)]
    pub reports: Vec<Reported>,
}

/// A report of the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Reported {
    pub turn: Option<u32>,
    pub reason: ReportReason,
    pub alert: AlertId,
    /// Whether nobody has acknowledged it yet.
    pub is_open: bool,
}

/// A create's idempotency key. Once its reply has gone, another session may be created by the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CreateKey {
    pub key: [u8; 16],
    pub expires_at: Timestamp,
}

/// What a commit whose answer was lost is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LastCommit {
    lease: [u8; 16],
    pub revision: u64,
}

impl LastCommit {
    pub fn new(lease: Lease, revision: u64) -> Self {
        Self { lease: lease.0.to_be_bytes(), revision }
    }

    pub fn is_of(self, lease: Lease) -> bool {
        self.lease == lease.0.to_be_bytes()
    }
}

impl Record {
    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        decode(bytes, "a session")
    }

    /// One that was just made. Its TTL runs from `now`.
    pub fn fresh(session: Session, limits: &Limits, now: Timestamp) -> Self {
        let mut record = Self {
            session: Arc::new(session),
            expires_at: now,
            slid_at: now,
            due_at: now,
            trimmed_to: 0,
            permits: Vec::new(),
            last_commit: None,
            earlier_commits: Vec::new(),
            substate: String::new(),
            created_by: None,
            reports: Vec::new(),
        };
        record.slide(limits, now);
        record.due_at = record.next_due(limits);
        record
    }

    /// Remembers a commit, and a few before it.
    pub fn committed(&mut self, commit: LastCommit) {
        self.earlier_commits.splice(0..0, self.last_commit.replace(commit));
        self.earlier_commits.truncate(EARLIER_COMMITS_MAX);
    }

    /// The revision that this lease has written, where it is among the last.
    pub fn revision_of(&self, lease: Lease) -> Option<u64> {
        let mut known = self.last_commit.iter().chain(&self.earlier_commits);
        known.find(|commit| commit.is_of(lease)).map(|commit| commit.revision)
    }

    /// A turn starts the TTL anew; an expiry that danger moved past the greatest age stays.
    pub fn slide(&mut self, limits: &Limits, now: Timestamp) {
        self.slid_at = now;
        self.expires_at = self.expires_at.max(self.latest(limits, now));
    }

    /// Sets the TTL and starts it anew.
    pub fn extend(&mut self, ttl: Duration, limits: &Limits, now: Timestamp) {
        Arc::make_mut(&mut self.session).ttl = ttl;
        self.slid_at = now;
        let latest = self.latest(limits, now);
        if latest > now {
            self.expires_at = latest;
        }
    }

    /// The hold of danger ends: a whole TTL from now, whatever the age.
    pub fn let_go(&mut self, now: Timestamp) {
        self.slid_at = now;
        self.expires_at = self.expires_at.max(now.plus(self.session.ttl));
    }

    fn latest(&self, limits: &Limits, now: Timestamp) -> Timestamp {
        now.plus(self.session.ttl).min(self.session.created_at.plus(limits.session_max_age))
    }

    /// In danger, or with a report that nobody has seen: nothing of it ends by itself.
    pub fn is_held(&self, memory: &SafetyMemory) -> bool {
        self.session.level_under(memory).pauses() || self.reports.iter().any(|report| report.is_open)
    }

    /// Past its deadline: absent for everybody, removed or not.
    pub fn is_dead(&self, memory: &SafetyMemory, now: Timestamp) -> bool {
        now >= self.expires_at && !self.is_held(memory)
    }

    pub fn remaining(&self, memory: &SafetyMemory, now: Timestamp) -> Remaining {
        if self.is_held(memory) { Remaining::Held } else { Remaining::For(self.expires_at.since(now)) }
    }

    /// When a reply that is stored now goes: with its time, at the latest with the session.
    pub fn reply_ends(&self, limits: &Limits, now: Timestamp) -> Timestamp {
        let ends = now.plus(limits.idempotency_ttl);
        if self.session.level.pauses() { ends } else { ends.min(self.expires_at) }
    }

    /// When no turn has come for so long, the sweep expires it.
    pub fn idle_at(&self, limits: &Limits) -> Timestamp {
        let ttl = self.session.ttl;
        self.slid_at.plus(limits.session_idle.unwrap_or_else(|| ttl.saturating_sub(ttl / 24)))
    }

    /// When the sweep has to look at it next.
    pub fn next_due(&self, limits: &Limits) -> Timestamp {
        let expirable = self.session.status.is_going_on()
            || self.session.status == crate::domain::session::Status::Paused;
        if expirable { self.idle_at(limits).min(self.expires_at) } else { self.expires_at }
    }

    /// As it counts under the client's memory.
    pub fn aligned(&self, memory: &SafetyMemory, now: Timestamp) -> Arc<Session> {
        let mut session = Arc::clone(&self.session);
        align(&mut session, memory, now);
        session
    }
}

/// Aligns a shared session, copying it only where something changes. True when something did.
pub(super) fn align(session: &mut Arc<Session>, memory: &SafetyMemory, now: Timestamp) -> bool {
    let in_line = session.safety_epoch >= memory.epoch
        && session.level >= memory.level
        && !(session.level.pauses() && session.status.is_going_on());
    if !in_line {
        Arc::make_mut(session).align(memory, now);
    }
    !in_line
}

pub(super) fn decode_memory(bytes: &[u8]) -> Result<SafetyMemory, StoreError> {
    decode(bytes, "a safety memory")
}

pub(super) fn decode_client(bytes: &[u8]) -> Result<ClientKey, StoreError> {
    decode(bytes, "a client's key")
}

pub(super) fn decode_exchange(bytes: &[u8]) -> Result<Exchange, StoreError> {
    decode(bytes, "an exchange")
}

/// A stored reply: version, the body's hash, when it goes, then the bytes as they were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReplyRecord {
    pub body: [u8; 16],
    pub expires_at: Timestamp,
    pub reply: StoredReply,
}

impl ReplyRecord {
    pub fn encode(&self) -> Vec<u8> {
        let expiry = self.expires_at.micros().to_be_bytes();
        [&[VERSION], self.body.as_slice(), &expiry, &self.reply].concat()
    }

    pub fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let short = || StoreError::Corrupt("a stored reply is cut".to_owned());
        let rest = body_of(bytes, "a stored reply")?;
        let (body, rest) = rest.split_first_chunk::<16>().ok_or_else(short)?;
        let (expiry, reply) = rest.split_first_chunk::<8>().ok_or_else(short)?;
        let expires_at = Timestamp::from_micros(i64::from_be_bytes(*expiry));
        Ok(Self { body: *body, expires_at, reply: reply.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::SessionId;
    use crate::domain::protocol::{Protocol, TRT_STAGE_1};
    use crate::domain::session::Opening;

    #[test]
    fn a_session_from_before_there_was_consent_reads_without_one() {
        let session = Session::open(Opening {
            id: SessionId::parse("s").expect("an id"),
            client_id: None,
            client: ClientKey::from_mac(b"c"),
            place: Protocol::parse(TRT_STAGE_1).expect("sound").start(),
            ttl: Duration::from_mins(1),
            meta: crate::domain::session::Meta::new(),
            now: Timestamp::from_millis(5),
        });
        let mut written = serde_json::to_value(&session).expect("JSON");
        let fields = written.as_object_mut().expect("an object");
        assert_eq!(fields.remove("consent"), Some(serde_json::Value::Null));
        let bytes = encode(&written).expect("a stored form");
        assert_eq!(decode::<Session>(&bytes, "a session"), Ok(session));
    }

    #[test]
    fn a_reply_reads_back_as_it_was_and_a_newer_version_is_left_alone() {
        let record = ReplyRecord {
            body: [7; 16],
            expires_at: Timestamp::from_millis(-3),
            reply: Arc::from(b"{}".as_slice()),
        };
        let mut bytes = record.encode();
        assert_eq!(ReplyRecord::decode(&bytes), Ok(record));
        bytes[0] = VERSION + 1;
        assert!(matches!(ReplyRecord::decode(&bytes), Err(StoreError::Corrupt(_))));
        assert!(matches!(ReplyRecord::decode(&[VERSION, 1]), Err(StoreError::Corrupt(_))));
    }
}
