//! A chat as it lies in Redis: JSON that other programs write too. What it holds is read here; the scripts put it together.

use std::time::Duration;

use serde::Deserialize;

use crate::domain::chat::{Chat, ShutdownReason};
use crate::domain::time::Timestamp;
use crate::store::redis::value::millis;

/// The scripts count in doubles.
const COUNT_MAX: f64 = 9_007_199_254_740_991.0;
/// The year 2286: what lies behind it is no time of ours.
const SECONDS_MAX: f64 = 9_999_999_999.0;
const TTL_SECONDS_MAX: f64 = 2_592_000.0;

#[derive(Deserialize)]
struct Envelope {
    data: Data,
    created_at: Option<f64>,
    ttl: Option<f64>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    count: f64,
    last_activity: Option<f64>,
    disconnected_at: Option<f64>,
    shutdown_reason: Option<String>,
}

/// What another program may leave out.
#[derive(Clone, Copy)]
pub(super) struct Otherwise {
    pub now: Timestamp,
    pub ttl: Duration,
}

/// `None`: nobody can read it.
pub(super) fn chat(bytes: &[u8], otherwise: Otherwise) -> Option<Chat> {
    let Envelope { data, created_at, ttl } = serde_json::from_slice(bytes).ok()?;
    let count =
        (data.count.fract() == 0.0 && (0.0..=COUNT_MAX).contains(&data.count)).then_some(data.count)?;
    let created_at = time_or(created_at, otherwise.now)?;
    let ttl = match ttl {
        None => otherwise.ttl,
        Some(ttl) if ttl > 0.0 => Duration::try_from_secs_f64(ttl.min(TTL_SECONDS_MAX)).ok()?,
        Some(_) => return None,
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole, and in bounds")]
    let count = count as u64;
    // Something that cannot be read is not nothing.
    let disconnected_at = match data.disconnected_at {
        None => None,
        at => Some(time_or(at, created_at)?),
    };
    let is_shutdown = data.shutdown_reason.as_deref() == Some(word(ShutdownReason::ServerShutdown));
    Some(Chat {
        count,
        created_at,
        last_activity: time_or(data.last_activity, created_at)?,
        disconnected_at,
        shutdown_reason: is_shutdown.then_some(ShutdownReason::ServerShutdown),
        ttl,
    })
}

fn time_or(seconds: Option<f64>, otherwise: Timestamp) -> Option<Timestamp> {
    let Some(seconds) = seconds else { return Some(otherwise) };
    if !(0.0..=SECONDS_MAX).contains(&seconds) {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is in bounds")]
    Some(Timestamp::from_micros((seconds * 1e6).round() as i64))
}

pub(super) const fn word(reason: ShutdownReason) -> &'static str {
    match reason {
        ShutdownReason::ServerShutdown => "server_shutdown",
    }
}

/// What the scripts are told of a chat that another program wrote; see `chat.lua`.
pub(super) fn told(mark: &str, bytes: &[u8], otherwise: Otherwise) -> String {
    let Some(chat) = chat(bytes, otherwise) else { return broken(mark) };
    let left = chat.disconnected_at.map_or_else(|| "-".to_owned(), |at| at.millis().to_string());
    let why = chat.shutdown_reason.map_or("-", word);
    let (created, last) = (chat.created_at.millis(), chat.last_activity.millis());
    format!("{mark} {} {created} {last} {} {left} {why}", chat.count, millis(chat.ttl).max(1))
}

pub(super) fn broken(mark: &str) -> String {
    format!("{mark} broken")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHERWISE: Otherwise =
        Otherwise { now: Timestamp::from_millis(7_000), ttl: Duration::from_mins(1) };

    #[test]
    fn what_the_other_program_writes_is_read() {
        let bytes =
            br#"{"data":{"count":5,"last_activity":1640995200.25},"created_at":1640991600.0,"ttl":3600}"#;
        let chat = chat(bytes, OTHERWISE).expect("read");
        assert_eq!((chat.count, chat.ttl), (5, Duration::from_hours(1)));
        assert_eq!(chat.last_activity, Timestamp::from_millis(1_640_995_200_250));
        assert_eq!(told("m", bytes, OTHERWISE), "m 5 1640991600000 1640995200250 3600000 - -");
        assert_eq!(told("m", br#"{"data":{}}"#, OTHERWISE), "m 0 7000 7000 60000 - -");
    }

    #[test]
    fn what_nobody_can_read_is_broken() {
        for bytes in [
            "",
            "nonsense",
            "[1]",
            r#"{"data":5}"#,
            r#"{"data":{"count":"five"}}"#,
            r#"{"data":{"count":-1}}"#,
            r#"{"data":{"count":1.5}}"#,
            r#"{"data":{"count":1e300}}"#,
            r#"{"data":{},"ttl":0}"#,
            r#"{"data":{},"created_at":1e300}"#,
            r#"{"data":{"disconnected_at":-5}}"#,
        ] {
            assert_eq!(told("m", bytes.as_bytes(), OTHERWISE), "m broken", "{bytes}");
        }
    }
}
