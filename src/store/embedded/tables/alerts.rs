//! The keys of alerts: each under its id, and by state and level, by client and by session.

use super::{joined, level_number, memory, of_client, of_session, ordered};
use crate::domain::alert::{AlertId, AlertState};
use crate::domain::id::{ClientKey, OrgId, SessionKey};
use crate::domain::notice::Channel;
use crate::domain::safety::Level;
use crate::domain::time::Timestamp;
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

/// Stands before the ids of open alerts with a notice due on a channel, of all organisations, the earliest first.
pub fn of_notices(channel: Channel) -> Vec<u8> {
    let channel = match channel {
        Channel::Webhook => 0,
        Channel::Mail => 1,
        Channel::SecondWebhook => 2,
        Channel::SecondMail => 3,
    };
    joined(&[b"n", &[channel]])
}

/// The same at one time.
pub fn of_due_notices(channel: Channel, at: Timestamp) -> Vec<u8> {
    joined(&[&of_notices(channel), &ordered(at).to_be_bytes()])
}

/// Behind all that are due at that time or earlier.
pub fn notices_until(channel: Channel, at: Timestamp) -> Vec<u8> {
    joined(&[&of_notices(channel), &ordered(at).saturating_add(1).to_be_bytes()])
}

/// The id behind the prefix of an entry in the alerts' index.
pub fn alert_behind(prefix: &[u8], entry: &[u8]) -> Result<AlertId, StoreError> {
    let id = entry.get(prefix.len()..).and_then(|id| std::str::from_utf8(id).ok());
    id.and_then(AlertId::parse).ok_or_else(|| StoreError::Corrupt("an alert's index entry".to_owned()))
}
