//! The tables on disk, and every key that lies in one. No other file spells a key.
//!
//! Names hold no NUL, so `org NUL id` is a prefix of nothing but its own entries. Numbers are big-endian, so that the
//! order of the bytes is theirs.

mod alerts;
mod audit;
mod chats;
mod due;
mod events;
mod facets;
mod holders;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use fjall::{Database, Guard, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch as WriteBatch, UserValue};
use parking_lot::Mutex;

use crate::domain::event::EventId;
use crate::domain::id::{ClientKey, OrgId, SessionId, SessionKey};
use crate::domain::time::Timestamp;
use crate::store::StoreError;
use crate::store::counters::Page;

pub(super) use alerts::{
    alert, alert_behind, notices_until, of_alerts, of_clients_alerts, of_due_notices, of_notices,
    of_sessions_alerts,
};
pub(super) use audit::{
    HEADS, OUTBOXES, chain_head, number_in, of_outbox, org_of_head, org_of_outbox, outbox, record,
};
pub(super) use chats::{chat_message, of_orgs_chats};
pub(super) use due::{Due, due, due_before, parse_due};
pub(super) use events::{event, parse_event};
pub(super) use facets::{Facet, index, index_until, level_number, of_facet, parse_index, status_number};
pub(super) use holders::{
    KEYS_OF_ALL, clinician, credential, former, held, of_clinicians, of_former, of_holder,
};

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
    /// What whoever leads has written down for whoever comes next.
    pub marks: Keyspace,
    /// Plain chats, and what was said in each.
    pub chats: Keyspace,
    pub chat_messages: Keyspace,
    /// What was done: outboxes, chains and their heads.
    pub audit: Keyspace,
    /// What subscribers are told, in order.
    pub events: Keyspace,
    /// The number of the next entry of an outbox. Atomic, because the tables are shared; the writer alone counts.
    pub next_entry: Arc<AtomicU64>,
    /// The latest event that was told, once it is known. The writer alone counts here too.
    pub last_event: Arc<Mutex<Option<EventId>>>,
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
            marks: table("marks")?,
            chats: table("chats")?,
            chat_messages: table("chat_messages")?,
            audit: table("audit")?,
            events: table("events")?,
            next_entry: Arc::default(),
            last_event: Arc::default(),
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
    use crate::domain::session::Status;

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
            Due::Chat(key("s")),
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
        let (id, all) = (key("s").id, Facet::All);
        assert!(index(&org, all, late, &id) < index(&org, all, early, &id));
        assert!(due(early, &Due::Create([9; 16])) < due(late, &Due::Create([0; 16])));
    }

    #[test]
    fn no_sessions_entries_begin_with_anothers_prefix() {
        assert!(!exchange(&key("ab"), 1).starts_with(&of_session(&key("a"))));
        assert!(!session(&key("a.2")).starts_with(&of_session(&key("a"))));
    }
}
