//! Keys of a journal's log: `log:`, the session, and the number of the entry.

use super::{joined, parse_session, session};
use crate::domain::id::SessionKey;
use crate::store::StoreError;

/// Stands before every entry. No other key of the table begins with it.
pub(in super::super) const LOG: &[u8] = b"log:";

/// Stands before every entry of a session.
pub(in super::super) fn log_of(key: &SessionKey) -> Vec<u8> {
    joined(&[LOG, &session(key), b"\0"])
}

pub(in super::super) fn logged(key: &SessionKey, number: u64) -> Vec<u8> {
    joined(&[&log_of(key), &number.to_be_bytes()])
}

/// The session and the number of an entry.
pub(in super::super) fn parse_logged(key: &[u8]) -> Result<(SessionKey, u64), StoreError> {
    let unreadable = || StoreError::Corrupt("a key of the log".to_owned());
    let rest = key.strip_prefix(LOG).ok_or_else(unreadable)?;
    let (named, number) = rest.split_last_chunk::<8>().ok_or_else(unreadable)?;
    let named = named.strip_suffix(b"\0").ok_or_else(unreadable)?;
    Ok((parse_session(named)?, u64::from_be_bytes(*number)))
}
