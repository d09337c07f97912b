//! How many connections there may be, and how long they are waited for.

use std::time::Duration;

use super::reader::Reader;

#[derive(Debug, Clone)]
pub struct SocketConfig {
    /// How often a connection is told that it stands, and asked whether it does.
    pub heartbeat: Duration,
    /// How long a connection may leave unread what it is sent.
    pub slow_reader: Duration,
    pub connections_max: usize,
    pub per_caller: usize,
    /// `None`: no limit.
    pub per_address: Option<usize>,
    /// Whether whoever presents no credential may use a plain chat, where everything else needs one.
    pub legacy: bool,
}

/// `is_local`: nobody but this machine reaches the address, and no proxy is named that lets others through.
pub(super) fn read(reader: &mut Reader, is_local: bool) -> SocketConfig {
    let unset = if is_local { 0 } else { 200 };
    let per_address = reader.whole("CONNECTIONS_PER_ADDRESS", 0..=1_000_000).unwrap_or(unset);
    SocketConfig {
        heartbeat: reader.millis("SOCKET_HEARTBEAT_MS", 10..=60_000),
        slow_reader: reader.millis("SLOW_READER_MS", 100..=600_000),
        connections_max: reader.whole("CONNECTIONS_MAX", 0..=1_000_000).unwrap_or(0),
        per_caller: reader.whole("CONNECTIONS_PER_CALLER", 1..=1_000_000).unwrap_or(1),
        per_address: Some(per_address).filter(|most| *most > 0),
        legacy: reader.choice("ATTUNE_AUTH_LEGACY_WS", &[("0", false), ("1", true)]).unwrap_or_default(),
    }
}
