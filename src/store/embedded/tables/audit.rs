//! The keys of the audit: outboxes, chains and their heads.

use super::joined;
use crate::domain::id::OrgId;
use crate::store::StoreError;

/// Stands before the outboxes of every organisation.
pub const OUTBOXES: &[u8] = b"o";
/// Stands before the heads of every organisation.
pub const HEADS: &[u8] = b"h";

pub fn of_outbox(org: &OrgId) -> Vec<u8> {
    joined(&[OUTBOXES, org.as_str().as_bytes(), b"\0"])
}

/// In the order in which they are entered.
pub fn outbox(org: &OrgId, number: u64) -> Vec<u8> {
    joined(&[&of_outbox(org), &number.to_be_bytes()])
}

/// The number in an outbox entry's key.
pub fn number_in(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

pub fn org_of_outbox(key: &[u8]) -> Result<OrgId, StoreError> {
    org_of(key.get(OUTBOXES.len()..key.len().saturating_sub(9)))
}

pub fn org_of_head(key: &[u8]) -> Result<OrgId, StoreError> {
    org_of(key.get(HEADS.len()..))
}

fn org_of(name: Option<&[u8]>) -> Result<OrgId, StoreError> {
    let name = name.and_then(|name| std::str::from_utf8(name).ok());
    let org = name.and_then(|name| OrgId::parse(name).ok());
    org.ok_or_else(|| StoreError::Corrupt("a key of the audit".to_owned()))
}

pub fn of_chain(org: &OrgId) -> Vec<u8> {
    joined(&[b"c", org.as_str().as_bytes(), b"\0"])
}

pub fn record(org: &OrgId, seq: u64) -> Vec<u8> {
    joined(&[&of_chain(org), &seq.to_be_bytes()])
}

pub fn chain_head(org: &OrgId) -> Vec<u8> {
    joined(&[HEADS, org.as_str().as_bytes()])
}
