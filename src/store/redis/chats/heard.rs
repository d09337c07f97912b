//! What servers tell each other of sessions that somebody hears: the words of a message on a channel, and back.
//!
//! `{server} {name} message {connection} {count} {json}`, `... turn {connection or -} {reply}`, `... broadcast {json}`,
//! `... removed`. The name tells what was heard already: a message may come twice.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use super::message;
use crate::store::Heard;

/// Names that are remembered.
const NAMES_MAX: usize = 512;

/// What was told, by whom, under which name.
pub(super) struct Told<'a> {
    pub server: &'a str,
    pub name: &'a str,
    pub heard: Heard,
}

/// What stands before the count of a message.
pub(super) fn before_the_count(server: &str, name: &str, connection: u128) -> String {
    format!("{server} {name} message {connection:032x} ")
}

/// `None` for a message in a chat: only the script that counts it tells of it.
pub(super) fn payload(server: &str, name: &str, heard: &Heard) -> Option<Vec<u8>> {
    let begin = |kind: &str| format!("{server} {name} {kind}").into_bytes();
    Some(match heard {
        Heard::Message { .. } => return None,
        Heard::Turn { reply, connection } => {
            let connection = connection.map_or_else(|| "-".to_owned(), |id| format!("{id:032x}"));
            [&begin(&format!("turn {connection} "))[..], reply].concat()
        }
        Heard::Broadcast(broadcast) => {
            let json = serde_json::to_vec(broadcast).unwrap_or_default();
            [&begin("broadcast ")[..], &json].concat()
        }
        Heard::Removed => begin("removed "),
    })
}

/// `None` for one that a newer server tells.
pub(super) fn parse(payload: &[u8]) -> Option<Told<'_>> {
    let (server, rest) = word(payload)?;
    let (name, rest) = word(rest)?;
    let (kind, rest) = word(rest)?;
    let heard = match kind {
        "message" => {
            let (connection, rest) = word(rest)?;
            let (count, json) = word(rest)?;
            Heard::Message {
                count: count.parse().ok()?,
                message: message::read(json)?,
                connection: u128::from_str_radix(connection, 16).ok()?,
            }
        }
        "turn" => {
            let (connection, reply) = word(rest)?;
            Heard::Turn { reply: Arc::from(reply), connection: u128::from_str_radix(connection, 16).ok() }
        }
        "broadcast" => Heard::Broadcast(serde_json::from_slice(rest).ok()?),
        "removed" => Heard::Removed,
        _ => return None,
    };
    Some(Told { server, name, heard })
}

/// The first word, and what stands behind the space after it.
fn word(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b' ')?;
    Some((std::str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]))
}

/// The names of what was heard lately.
#[derive(Default)]
pub(in crate::store::redis) struct Names {
    known: HashSet<String>,
    order: VecDeque<String>,
}

impl Names {
    /// True for one that is new.
    pub fn note(&mut self, name: &str) -> bool {
        if !self.known.insert(name.to_owned()) {
            return false;
        }
        self.order.push_back(name.to_owned());
        if self.order.len() > NAMES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::chat::{Broadcast, BroadcastLevel};
    use crate::domain::time::Timestamp;

    fn again(heard: &Heard) -> Heard {
        let payload = payload("a-server", "a-name", heard).expect("it is told");
        let told = parse(&payload).expect("it is read");
        assert_eq!((told.server, told.name), ("a-server", "a-name"));
        told.heard
    }

    #[test]
    fn what_is_told_is_heard() {
        let turn = Heard::Turn { reply: Arc::from(&b"{\"a b\":1}"[..]), connection: Some(7) };
        assert!(matches!(again(&turn),
            Heard::Turn { reply, connection: Some(7) } if *reply == *b"{\"a b\":1}"));
        let over_http = Heard::Turn { reply: Arc::from(&b""[..]), connection: None };
        assert!(matches!(again(&over_http), Heard::Turn { connection: None, .. }));
        let words = Broadcast {
            message: "maintenance at six".to_owned(),
            title: None,
            level: BroadcastLevel::Warning,
            at: Timestamp::from_millis(5),
        };
        assert!(matches!(again(&Heard::Broadcast(words.clone())), Heard::Broadcast(heard) if heard == words));
        assert!(matches!(again(&Heard::Removed), Heard::Removed));
        assert!(parse(b"a-server a-name dance 5").is_none());
        assert!(parse(b"\xff").is_none());
    }

    #[test]
    fn a_name_is_new_once() {
        let mut names = Names::default();
        assert!(names.note("a") && !names.note("a") && names.note("b"));
        for number in 0..NAMES_MAX {
            names.note(&number.to_string());
        }
        assert_eq!((names.order.len(), names.known.len()), (NAMES_MAX, NAMES_MAX));
        assert!(names.note("a"), "it is long ago");
    }
}
