//! The keys of the index: an organisation's sessions by their last interaction, all of them and those of one status or level.

use super::{from_ordered, joined, ordered};
use crate::domain::id::{OrgId, SessionId};
use crate::domain::safety::Level;
use crate::domain::session::Status;
use crate::domain::time::Timestamp;
use crate::store::StoreError;

/// One order of an organisation's sessions, latest interaction first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facet {
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
pub const fn status_number(status: Status) -> u8 {
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

pub const fn level_number(level: Level) -> u8 {
    match level {
        Level::None => 0,
        Level::Elevated => 1,
        Level::High => 2,
        Level::Crisis => 3,
    }
}

pub fn of_facet(org: &OrgId, facet: Facet) -> Vec<u8> {
    joined(&[org.as_str().as_bytes(), b"\0", &facet.tag()])
}

/// Where everything at `time` or earlier begins.
fn index_at(org: &OrgId, facet: Facet, time: Timestamp) -> Vec<u8> {
    joined(&[&of_facet(org, facet), &(!ordered(time)).to_be_bytes()])
}

/// Behind every entry at `time` or later, and before all earlier ones.
pub fn index_until(org: &OrgId, facet: Facet, time: Timestamp) -> Vec<u8> {
    joined(&[&index_at(org, facet, time), &[0xff]])
}

pub fn index(org: &OrgId, facet: Facet, time: Timestamp, id: &SessionId) -> Vec<u8> {
    joined(&[&index_at(org, facet, time), id.as_str().as_bytes()])
}

/// The time and the id in an index entry's key.
pub fn parse_index(key: &[u8], prefix: usize) -> Result<(Timestamp, SessionId), StoreError> {
    let unreadable = || StoreError::Corrupt("an index entry".to_owned());
    let (time, id) =
        key.get(prefix..).and_then(|rest| rest.split_first_chunk::<8>()).ok_or_else(unreadable)?;
    let id = std::str::from_utf8(id).map_err(|_| unreadable())?;
    let id = SessionId::parse(id).map_err(|_| unreadable())?;
    Ok((from_ordered(!u64::from_be_bytes(*time)), id))
}
