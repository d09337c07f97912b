//! The keys of the plain chats.

use super::{joined, of_session};
use crate::domain::id::{OrgId, SessionKey};

/// Stands before every chat of an organisation.
pub fn of_orgs_chats(org: &OrgId) -> Vec<u8> {
    joined(&[org.as_str().as_bytes(), b"\0"])
}

/// A message by its place.
pub fn chat_message(key: &SessionKey, place: u64) -> Vec<u8> {
    joined(&[&of_session(key), &place.to_be_bytes()])
}
