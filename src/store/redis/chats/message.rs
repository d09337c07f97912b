//! A message of a chat as it lies in Redis: JSON in the words of the other programs.

use serde::{Deserialize, Serialize};

use crate::domain::chat::{BroadcastLevel, ChatMessage, ChatVoice};
use crate::domain::id::SessionId;
use crate::domain::time::Timestamp;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored<'a> {
    content: &'a str,
    is_sent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    is_broadcast: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    broadcast_level: Option<BroadcastLevel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    /// Milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<i64>,
}

/// `None` for what another program wrote and nobody can read: it is passed over.
pub(super) fn read(bytes: &[u8]) -> Option<ChatMessage> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Written {
        content: String,
        #[serde(default)]
        is_sent: bool,
        #[serde(default)]
        is_broadcast: bool,
        broadcast_level: Option<BroadcastLevel>,
        timestamp: f64,
    }
    let written: Written = serde_json::from_slice(bytes).ok()?;
    let from = match (written.is_broadcast, written.is_sent) {
        (true, _) => ChatVoice::Broadcast(written.broadcast_level.unwrap_or(BroadcastLevel::Info)),
        (false, true) => ChatVoice::Client,
        (false, false) => ChatVoice::Reply,
    };
    #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
    let at = Timestamp::from_millis(written.timestamp as i64);
    Some(ChatMessage { content: written.content, at, from })
}

/// What a client says, up to its time and behind it.
pub(super) fn around_the_time(content: &str, id: &SessionId) -> (String, &'static str) {
    let stored = Stored {
        content,
        is_sent: true,
        is_broadcast: None,
        broadcast_level: None,
        session_id: Some(id.as_str()),
        timestamp: None,
    };
    (format!("{},\"timestamp\":", open(&stored)), "}")
}

/// Words to everybody, up to the session's id and behind it.
pub(super) fn around_the_id(content: &str, level: BroadcastLevel, at: Timestamp) -> (String, &'static str) {
    let stored = Stored {
        content,
        is_sent: false,
        is_broadcast: Some(true),
        broadcast_level: Some(level),
        session_id: None,
        timestamp: Some(at.millis()),
    };
    (format!("{},\"sessionId\":\"", open(&stored)), "\"}")
}

/// Without the brace that closes it.
fn open(stored: &Stored<'_>) -> String {
    let mut json = serde_json::to_string(stored).unwrap_or_default();
    json.pop();
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_together_is_read_again() {
        let id = SessionId::parse("s").expect("an id");
        let (before, behind) = around_the_time("a \"word\"\n\u{1f33b}", &id);
        let json = format!("{before}1640995200000{behind}");
        let message = read(json.as_bytes()).expect("read");
        assert_eq!((message.content.as_str(), message.from), ("a \"word\"\n\u{1f33b}", ChatVoice::Client));
        assert_eq!(message.at, Timestamp::from_millis(1_640_995_200_000));
        let (before, behind) = around_the_id("soon", BroadcastLevel::Error, message.at);
        let words = read(format!("{before}s{behind}").as_bytes()).expect("read");
        assert_eq!(words.from, ChatVoice::Broadcast(BroadcastLevel::Error));
        assert_eq!(words.at, message.at);
        assert_eq!(read(b"{\"content\":5}"), None);
    }
}
