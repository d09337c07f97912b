//! The frames that go out, in both dialects.

use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::chat::{Broadcast, BroadcastLevel};
use crate::domain::exchange::Exchange;
use crate::domain::safety::{Level, Resource};
use crate::domain::session::Status;
use crate::domain::time::Timestamp;
use crate::http::problem::Problem;
use crate::turn::{self, Delta};

/// One that says what it is. A shape of strings, numbers and lists has no way to fail.
fn frame(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[derive(Serialize)]
struct Counted<'a> {
    count: u64,
    echo: &'a str,
    /// Where the id was made for the connection.
    #[serde(rename = "sessionId", skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
}

/// What every text is answered with first.
pub fn echo(count: u64, echo: &str, session_id: Option<&str>) -> String {
    frame(&Counted { count, echo, session_id })
}

pub fn heartbeat(now: Timestamp) -> String {
    frame(&json!({ "ts": now.millis().to_string() }))
}

#[derive(Serialize)]
struct Message<'a> {
    r#type: &'static str,
    count: u64,
    content: &'a str,
    timestamp: i64,
    #[serde(rename = "sessionId")]
    session_id: &'a str,
}

/// What somebody else has said in the session.
pub fn message(count: u64, content: &str, at: Timestamp, session_id: &str) -> String {
    frame(&Message { r#type: "message", count, content, timestamp: at.millis(), session_id })
}

#[derive(Serialize)]
struct Words<'a> {
    r#type: &'static str,
    message: &'a str,
    timestamp: i64,
    level: BroadcastLevel,
    title: Option<&'a str>,
}

pub fn broadcast(words: &Broadcast) -> String {
    let Broadcast { message, title, level, at } = words;
    frame(&Words {
        r#type: "broadcast",
        message,
        timestamp: at.millis(),
        level: *level,
        title: title.as_deref(),
    })
}

/// That there is something new among what is kept.
pub fn new_messages(session_id: &str, now: Timestamp) -> String {
    frame(&json!({ "type": "new_messages_available", "sessionId": session_id, "timestamp": now.millis() }))
}

/// A stored reply under a type, and the client's own name for its input.
pub fn reply(kind: &str, id: Option<&str>, stored: &[u8], replayed: bool) -> String {
    let whole = turn::on_the_wire(stored, replayed);
    let id = id.map(|id| format!("\"id\":{},", Value::from(id))).unwrap_or_default();
    let members = String::from_utf8_lossy(whole.strip_prefix(b"{").unwrap_or(&whole)).into_owned();
    format!("{{\"type\":\"{kind}\",{id}{members}")
}

pub fn bye(total: u64) -> String {
    let message = "The server is about to stop. Connect again: your conversation goes on.";
    frame(&json!({ "type": "bye", "bye": true, "total": total, "message": message }))
}

/// A problem as HTTP tells it, but for its type: that is the frame's.
pub fn problem(
    problem: &Problem,
    id: Option<&str>,
    request_id: &str,
    (now, resources): (Timestamp, &[Resource]),
) -> String {
    let body = problem.body(request_id, now, Some(resources));
    let mut members: serde_json::Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
    members.insert("type".to_owned(), "problem".into());
    members.insert("close".to_owned(), problem.code.close().into());
    if let Some(id) = id {
        members.insert("id".to_owned(), id.into());
    }
    if let Some(wait) = problem.wait_seconds() {
        members.insert("retry_after".to_owned(), wait.into());
    }
    frame(&members)
}

/// How a session stands, and what was missed of it.
#[derive(Serialize)]
pub struct Hello<'a> {
    pub r#type: &'static str,
    pub session: &'a str,
    /// The last one; null where the store does not say.
    pub turn: Option<u32>,
    /// Null before the first turn.
    pub status: Option<Status>,
    /// Oldest first.
    pub missed: Vec<Exchange>,
    /// Whether more was missed than stands here.
    pub truncated: bool,
}

impl Hello<'_> {
    pub fn frame(&self) -> String {
        frame(self)
    }
}

/// A frame that names an input and no more.
pub fn about(kind: &'static str, id: Option<&str>) -> String {
    frame(&json!({ "type": kind, "id": id }))
}

pub fn pong() -> String {
    frame(&json!({ "type": "pong" }))
}

#[derive(Serialize)]
struct Part<'a> {
    r#type: &'static str,
    id: Option<&'a str>,
    turn: u32,
    seq: u32,
    text: &'a str,
}

pub fn delta(id: Option<&str>, delta: &Delta) -> String {
    part(id, (delta.turn, delta.seq), &delta.text)
}

pub fn part(id: Option<&str>, (turn, seq): (u32, u32), text: &str) -> String {
    frame(&Part { r#type: "delta", id, turn, seq, text })
}

pub fn paused(session: &str, level: Level) -> String {
    frame(&json!({ "type": "paused", "session": session, "level": level.as_str() }))
}
