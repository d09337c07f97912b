//! The tables on disk, and every key that lies in one. No other file spells a key.
//!
//! Names hold no NUL, so `org NUL id` is a prefix of nothing but its own entries. Numbers are big-endian, so that the
//! order of the bytes is theirs.

mod alerts;
mod audit;
mod holders;
mod log;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch as WriteBatch, UserValue};

use crate::domain::id::{ClientKey, OrgId, SessionId, SessionKey};
use crate::domain::safety::Level;
use crate::domain::session::Status;
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::counters::Page;

pub(super) use alerts::{alert, alert_behind, of_alerts, of_clients_alerts, of_sessions_alerts};
pub(super) use audit::{
    HEADS, OUTBOXES, chain_head, number_in, of_outbox, org_of_head, org_of_outbox, outbox, record,
};
pub(super) use holders::{
    KEYS_OF_ALL, clinician, credential, former, held, of_clinicians, of_former, of_holder,
};
pub(super) use log::{LOG, log_of, logged, parse_logged};

/// Small, so that little has to be read again from the journal at the start.
const MEMTABLE_BYTES: u64 = 16 << 20;

#[derive(Clone)]
pub(super) struct Tables {
    pub db: Database,
    /// The format's version and the secret's fingerprint.
    pub about: Keyspace,
    pub sessions: Keyspace,
    pub exchanges: Keyspace,
    /// Stored replies of turns.
    pub replies: Keyspace,
    /// Stored replies of creates.
    pub creates: Keyspace,
    pub memories: Keyspace,
    /// Which sessions a client has.
    pub clients: Keyspace,
    /// Whose the sessions were that have gone, while that client is in danger, and which these are.
    pub former: Keyspace,
    /// From the first session of a line to its newest successor.
    pub pointers: Keyspace,
    pub index: Keyspace,
    pub totals: Keyspace,
    pub expiry: Keyspace,
    /// Pages of counters: a day's or a year's.
    pub daily: Keyspace,
    pub alerts: Keyspace,
    /// Alerts by state and level, by client and by session.
    pub alert_index: Keyspace,
    /// Sources of protocol versions by hash.
    pub protocols: Keyspace,
    /// Credentials by hash, the hashes by holder, and clinicians by name.
    pub credentials: Keyspace,
    /// What clinicians wrote down, by session.
    pub notes: Keyspace,
    /// What was done: outboxes, chains and their heads.
    pub audit: Keyspace,
    /// The number of the next entry of an outbox. Atomic, because the tables are shared; the writer alone counts.
    pub next_entry: Arc<AtomicU64>,
}

impl Tables {
    pub fn open(db: Database) -> fjall::Result<Self> {
        let small = || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let table = |name: &str| db.keyspace(name, small);
        Ok(Self {
            about: table("about")?,
            sessions: table("sessions")?,
            exchanges: table("exchanges")?,
            replies: table("replies")?,
            creates: table("creates")?,
            memories: table("memories")?,
            clients: table("clients")?,
            former: table("former")?,
            pointers: table("pointers")?,
            index: table("index")?,
            totals: table("totals")?,
            expiry: table("expiry")?,
            daily: table("daily")?,
            alerts: table("alerts")?,
            alert_index: table("alert_index")?,
            protocols: table("protocols")?,
            credentials: table("credentials")?,
            notes: table("notes")?,
            audit: table("audit")?,
            next_entry: Arc::default(),
            db,
        })
    }

    /// What is written through this becomes visible and durable together. It is not synced by itself.
    pub fn batch(&self) -> WriteBatch {
        self.db.batch().durability(None)
    }
}

/// A failing disk: nobody knows what stands, so the writer stops on it.
pub(super) fn away(error: &fjall::Error) -> StoreError {
    let plain = match error {
        fjall::Error::Io(error) => error.kind().to_string(),
        fjall::Error::Poisoned => "an earlier write failed".to_owned(),
        _ => "the storage engine failed".to_owned(),
    };
    StoreError::Away(plain)
}

/// The same, once the writer has ended on it.
pub(super) fn stopped(reason: &StoreError) -> StoreError {
    match reason {
        StoreError::Away(why) => StoreError::Stopped(why.clone()),
        reason @ (StoreError::Stopped(_) | StoreError::Closed | StoreError::Corrupt(_)) => reason.clone(),
    }
}

pub(super) fn value_of(table: &Keyspace, key: &[u8]) -> Result<Option<UserValue>, StoreError> {
    table.get(key).map_err(|error| away(&error))
}

pub(super) fn pair_of(guard: Guard) -> Result<(fjall::UserKey, UserValue), StoreError> {
    guard.into_inner().map_err(|error| away(&error))
}

pub(super) fn key_of(guard: Guard) -> Result<fjall::UserKey, StoreError> {
    guard.key().map_err(|error| away(&error))
}

pub(super) const VERSION: &[u8] = b"version";
pub(super) const FINGERPRINT: &[u8] = b"fingerprint";

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

pub(super) fn session(key: &SessionKey) -> Vec<u8> {
    joined(&[key.org.as_str().as_bytes(), b"\0", key.id.as_str().as_bytes()])
}

/// Reads `org NUL id`.
pub(super) fn parse_session(bytes: &[u8]) -> Result<SessionKey, StoreError> {
    let unreadable = || StoreError::Corrupt("a key that names no session".to_owned());
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable())?;
    let (org, id) = text.split_once('\0').ok_or_else(unreadable)?;
    let org = OrgId::parse(org).map_err(|_| unreadable())?;
    Ok(SessionKey::new(org, SessionId::parse(id).map_err(|_| unreadable())?))
}

/// Stands before every exchange and every stored reply of a session.
pub(super) fn of_session(key: &SessionKey) -> Vec<u8> {
    joined(&[&session(key), b"\0"])
}

pub(super) fn exchange(key: &SessionKey, turn: u32) -> Vec<u8> {
    joined(&[&of_session(key), &turn.to_be_bytes()])
}

/// The turn in an exchange's key.
pub(super) fn turn_in(key: &[u8]) -> Option<u32> {
    key.last_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))
}

pub(super) fn reply(session: &SessionKey, idempotency: &[u8; 16]) -> Vec<u8> {
    joined(&[&of_session(session), idempotency])
}

pub(super) fn memory(client: &ClientKey) -> &[u8] {
    client.as_str().as_bytes()
}

/// Stands before every session of the client with this memory key.
pub(super) fn of_client(client: &[u8]) -> Vec<u8> {
    joined(&[client, b"\0"])
}

pub(super) fn client(client: &ClientKey, key: &SessionKey) -> Vec<u8> {
    joined(&[&of_client(memory(client)), &session(key)])
}

pub(super) fn totals(org: &OrgId) -> &[u8] {
    org.as_str().as_bytes()
}

/// One order of an organisation's sessions, latest interaction first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Facet {
    All,
    Status(Status),
    Level(Level),
}

impl Facet {
    fn tag(self) -> [u8; 2] {
        match self {
            Self::All => [b'a', 0],
            Self::Status(status) => [b's', status_number(status)],
            Self::Level(level) => [b'l', level_number(level)],
        }
    }
}

/// The numbers are stored: they never change, and new ones go behind.
pub(super) const fn status_number(status: Status) -> u8 {
    match status {
        Status::Initializing => 0,
        Status::Active => 1,
        Status::Paused => 2,
        Status::Transitioning => 3,
        Status::Completed => 4,
        Status::Error => 5,
        Status::Expired => 6,
    }
}

pub(super) const fn level_number(level: Level) -> u8 {
    match level {
        Level::None => 0,
        Level::Elevated => 1,
        Level::High => 2,
        Level::Crisis => 3,
    }
}

pub(super) fn of_facet(org: &OrgId, facet: Facet) -> Vec<u8> {
    joined(&[org.as_str().as_bytes(), b"\0", &facet.tag()])
}

/// Where everything at `time` or earlier begins.
fn index_at(org: &OrgId, facet: Facet, time: Timestamp) -> Vec<u8> {
    joined(&[&of_facet(org, facet), &(!ordered(time)).to_be_bytes()])
}

/// Behind every entry at `time` or later, and before all earlier ones.
pub(super) fn index_until(org: &OrgId, facet: Facet, time: Timestamp) -> Vec<u8> {
    joined(&[&index_at(org, facet, time), &[0xff]])
}

pub(super) fn index(org: &OrgId, facet: Facet, time: Timestamp, id: &SessionId) -> Vec<u8> {
    joined(&[&index_at(org, facet, time), id.as_str().as_bytes()])
}

/// The time and the id in an index entry's key.
pub(super) fn parse_index(key: &[u8], prefix: usize) -> Result<(Timestamp, SessionId), StoreError> {
    let unreadable = || StoreError::Corrupt("an index entry".to_owned());
    let (time, id) =
        key.get(prefix..).and_then(|rest| rest.split_first_chunk::<8>()).ok_or_else(unreadable)?;
    let id = std::str::from_utf8(id).map_err(|_| unreadable())?;
    let id = SessionId::parse(id).map_err(|_| unreadable())?;
    Ok((from_ordered(!u64::from_be_bytes(*time)), id))
}

/// What can come due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Due {
    Session(SessionKey),
    /// The key in its table.
    Reply(Vec<u8>),
    Create([u8; 16]),
    Memory(Vec<u8>),
    /// The prefix of a day's counters.
    Daily(Vec<u8>),
    /// The key in its table.
    Alert(Vec<u8>),
    /// The key in its table.
    Credential(Vec<u8>),
}

pub(super) fn due(at: Timestamp, what: &Due) -> Vec<u8> {
    let (tag, key): (u8, &[u8]) = match what {
        Due::Session(key) => (b's', &session(key)),
        Due::Reply(key) => (b'r', key),
        Due::Create(key) => (b'c', key),
        Due::Memory(key) => (b'm', key),
        Due::Daily(key) => (b'd', key),
        Due::Alert(key) => (b'a', key),
        Due::Credential(key) => (b'k', key),
    };
    joined(&[&ordered(at).to_be_bytes(), &[tag], key])
}

/// Behind everything that is due at `now` or earlier, and before all else.
pub(super) fn due_before(now: Timestamp) -> Vec<u8> {
    ordered(now).saturating_add(1).to_be_bytes().to_vec()
}

pub(super) fn parse_due(key: &[u8]) -> Result<(Timestamp, Due), StoreError> {
    let unreadable = || StoreError::Corrupt("an expiry entry".to_owned());
    let (time, rest) = key.split_first_chunk::<8>().ok_or_else(unreadable)?;
    let (tag, rest) = rest.split_first().ok_or_else(unreadable)?;
    let what = match tag {
        b's' => Due::Session(parse_session(rest)?),
        b'r' => Due::Reply(rest.to_vec()),
        b'c' => Due::Create(rest.try_into().map_err(|_| unreadable())?),
        b'm' => Due::Memory(rest.to_vec()),
        b'd' => Due::Daily(rest.to_vec()),
        b'a' => Due::Alert(rest.to_vec()),
        b'k' => Due::Credential(rest.to_vec()),
        _ => return Err(unreadable()),
    };
    Ok((from_ordered(u64::from_be_bytes(*time)), what))
}

/// Stands before every counter of the page. A year's begins with a letter, so that no span of days meets it.
pub(super) fn of_page(org: &OrgId, page: &Page) -> Vec<u8> {
    let (letter, name): (&[u8], _) = match page {
        Page::Day(date) => (b"", date),
        Page::Year(year) => (b"y", year),
    };
    joined(&[org.as_str().as_bytes(), b"\0", letter, name.as_bytes(), b"\0"])
}

/// Behind every counter of the day.
pub(super) fn after_day(org: &OrgId, date: &str) -> Vec<u8> {
    joined(&[org.as_str().as_bytes(), b"\0", date.as_bytes(), b"\x01"])
}

pub(super) fn counter(day: &[u8], name: &str) -> Vec<u8> {
    joined(&[day, name.as_bytes()])
}

/// The date and the name in a counter's key.
pub(super) fn parse_counter(key: &[u8]) -> Result<(String, String), StoreError> {
    let unreadable = || StoreError::Corrupt("a daily counter".to_owned());
    let text = std::str::from_utf8(key).map_err(|_| unreadable())?;
    let mut parts = text.splitn(3, '\0');
    let (_org, date, name) = (parts.next(), parts.next(), parts.next());
    Ok((date.ok_or_else(unreadable)?.to_owned(), name.ok_or_else(unreadable)?.to_owned()))
}

const SIGN: u64 = 1 << 63;

/// Keeps the order of signed times in unsigned bytes.
fn ordered(time: Timestamp) -> u64 {
    time.micros().cast_unsigned() ^ SIGN
}

fn from_ordered(number: u64) -> Timestamp {
    Timestamp::from_micros((number ^ SIGN).cast_signed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: &str) -> SessionKey {
        SessionKey::new(OrgId::default(), SessionId::parse(id).expect("an id"))
    }

    #[test]
    fn keys_read_back_as_what_they_name() {
        let at = Timestamp::from_micros(-5);
        for what in [
            Due::Session(key("s.2")),
            Due::Reply(reply(&key("s"), &[0; 16])),
            Due::Create([255; 16]),
            Due::Memory(b"ab".to_vec()),
            Due::Daily(of_page(&OrgId::default(), &Page::Day("2026-01-02".to_owned()))),
            Due::Alert(alert(&OrgId::default(), "an id")),
            Due::Credential(b"ab".to_vec()),
        ] {
            assert_eq!(parse_due(&due(at, &what)), Ok((at, what)));
        }
        let org = OrgId::default();
        let entry = index(&org, Facet::Status(Status::Paused), at, &key("s").id);
        let prefix = of_facet(&org, Facet::Status(Status::Paused)).len();
        assert_eq!(parse_index(&entry, prefix), Ok((at, key("s").id)));
        assert_eq!(turn_in(&exchange(&key("s"), 7)), Some(7));
    }

    #[test]
    fn later_interactions_come_first_and_earlier_dues_do() {
        let (early, late) = (Timestamp::from_micros(-1), Timestamp::from_micros(1));
        let org = OrgId::default();
        assert!(index_at(&org, Facet::All, late) < index_at(&org, Facet::All, early));
        assert!(due(early, &Due::Create([9; 16])) < due(late, &Due::Create([0; 16])));
    }

    #[test]
    fn no_sessions_entries_begin_with_anothers_prefix() {
        assert!(!exchange(&key("ab"), 1).starts_with(&of_session(&key("a"))));
        assert!(!session(&key("a.2")).starts_with(&of_session(&key("a"))));
    }
}
