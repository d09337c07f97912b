//! The keys of alerts: each under its id, and by state and level, by client and by session.

use super::{joined, level_number, memory, of_client, of_session};
use crate::domain::alert::{AlertId, AlertState};
use crate::domain::id::{ClientKey, OrgId, SessionKey};
use crate::domain::safety::Level;
use crate::store::StoreError;

pub fn alert(org: &OrgId, id: &str) -> Vec<u8> {
    joined(&[org.as_str().as_bytes(), b"\0", id.as_bytes()])
}

/// Stands before the alerts of one state and level, the oldest of which comes first.
pub fn of_alerts(org: &OrgId, state: AlertState, level: Level) -> Vec<u8> {
    let state = match state {
        AlertState::Open => 0,
        AlertState::Acknowledged => 1,
        AlertState::Cleared => 2,
    };
    joined(&[b"i", org.as_str().as_bytes(), b"\0", &[state, level_number(level)]])
}

/// Stands before the alerts of a client that its clearing closes, and the open ones.
pub fn of_clients_alerts(client: &ClientKey) -> Vec<u8> {
    joined(&[b"c", &of_client(memory(client))])
}

pub fn of_sessions_alerts(key: &SessionKey) -> Vec<u8> {
    joined(&[b"s", &of_session(key)])
}

/// The id behind the prefix of an entry in the alerts' index.
pub fn alert_behind(prefix: &[u8], entry: &[u8]) -> Result<AlertId, StoreError> {
    let id = entry.get(prefix.len()..).and_then(|id| std::str::from_utf8(id).ok());
    id.and_then(AlertId::parse).ok_or_else(|| StoreError::Corrupt("an alert's index entry".to_owned()))
}
