//! The keys of what comes due, in the order of its time.

use super::{from_ordered, joined, ordered, parse_session, session};
use crate::domain::id::SessionKey;
use crate::domain::time::Timestamp;
use crate::store::StoreError;

/// What can come due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    Session(SessionKey),
    /// The key in its table.
    Reply(Vec<u8>),
    Create([u8; 16]),
    Memory(Vec<u8>),
    /// The prefix of a day's counters.
    Daily(Vec<u8>),
    /// The key in its table, as that of a credential.
    Alert(Vec<u8>),
    Credential(Vec<u8>),
    Chat(SessionKey),
}

pub fn due(at: Timestamp, what: &Due) -> Vec<u8> {
    let (tag, key): (u8, &[u8]) = match what {
        Due::Session(key) => (b's', &session(key)),
        Due::Reply(key) => (b'r', key),
        Due::Create(key) => (b'c', key),
        Due::Memory(key) => (b'm', key),
        Due::Daily(key) => (b'd', key),
        Due::Alert(key) => (b'a', key),
        Due::Credential(key) => (b'k', key),
        Due::Chat(key) => (b't', &session(key)),
    };
    joined(&[&ordered(at).to_be_bytes(), &[tag], key])
}

/// Behind everything that is due at `now` or earlier, and before all else.
pub fn due_before(now: Timestamp) -> Vec<u8> {
    ordered(now).saturating_add(1).to_be_bytes().to_vec()
}

pub fn parse_due(key: &[u8]) -> Result<(Timestamp, Due), StoreError> {
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
        b't' => Due::Chat(parse_session(rest)?),
        _ => return Err(unreadable()),
    };
    Ok((from_ordered(u64::from_be_bytes(*time)), what))
}
