//! The keys of the log of events.

use crate::domain::event::EventId;
use crate::store::StoreError;

/// In the order of time.
pub fn event(id: EventId) -> [u8; 16] {
    (u128::from(id.ms) << 64 | u128::from(id.number)).to_be_bytes()
}

pub fn parse_event(key: &[u8]) -> Result<EventId, StoreError> {
    let both = key.try_into().map(u128::from_be_bytes);
    let both = both.map_err(|_| StoreError::Corrupt("a key of the log of events".to_owned()))?;
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
    Ok(EventId { ms: half(both >> 64), number: half(both) })
}
