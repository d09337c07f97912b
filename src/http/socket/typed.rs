//! The typed dialect, `attune.v1`: JSON both ways. What is said are turns; an input's `id` is its idempotency key.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::End;
use super::outgoing::Outgoing;
use super::talk::Talk;
use super::telling::Telling;
use super::wire::{self, Hello};
use crate::domain::exchange::Exchange;
use crate::domain::safety::Level;
use crate::domain::session::Status;
use crate::http::body::{self, Text};
use crate::http::problem::Problem;
use crate::http::session::is_idempotency_key;
use crate::http::sse::{Rest, rest};
use crate::store::{Heard, StoreError};
use crate::turn::{self, Answer, Delta, Refused};

/// How long the store may take to say how a session stands, before it is greeted without.
const HELLO_WAIT: Duration = Duration::from_millis(500);
/// Turns that are told again to who missed them.
const MISSED_MAX: usize = 50;

/// A frame as it comes in. What is not needed for its type may be anything.
#[derive(Deserialize)]
struct Incoming {
    r#type: Text,
    #[serde(default)]
    id: Value,
    text: Option<Text>,
    #[serde(default)]
    turn: Value,
    #[serde(default)]
    last_turn: Value,
}

pub async fn text(talk: &mut Talk, out: &mut Outgoing, text: &str) -> Result<(), End> {
    let incoming = match body::decode::<Incoming>(text.as_bytes()) {
        Ok(incoming) => incoming,
        Err(problem) => return refuse(talk, out, problem, None).await,
    };
    match (incoming.r#type.0.as_str(), incoming.text) {
        ("input", Some(words)) => input(talk, out, words.0, &incoming.id).await,
        ("input", None) => {
            refuse(talk, out, Problem::invalid("text", "is required"), incoming.id.as_str()).await
        }
        ("stop", _) => {
            if talk.keeps_pace(out).await? {
                talk.stop(number(&incoming.turn));
            }
            Ok(())
        }
        ("resume", _) => match number(&incoming.last_turn) {
            None => refuse(talk, out, Problem::invalid("last_turn", "must be a whole number"), None).await,
            Some(last) if talk.lets_in(out, false, None).await? => hello(talk, out, Some(last)).await,
            Some(_) => Ok(()),
        },
        ("ping", _) if talk.keeps_pace(out).await? => out.text(wire::pong()).await,
        ("ping", _) => Ok(()),
        _ => refuse(talk, out, Problem::invalid("type", "must be input, stop, resume or ping"), None).await,
    }
}

fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok())
}

/// What does not fit counts as much as what does.
async fn refuse(talk: &mut Talk, out: &mut Outgoing, problem: Problem, id: Option<&str>) -> Result<(), End> {
    if talk.keeps_pace(out).await? { talk.refuse(out, problem, id).await } else { Ok(()) }
}

async fn input(talk: &mut Talk, out: &mut Outgoing, words: String, id: &Value) -> Result<(), End> {
    let body = words.clone();
    let screened = turn::screen(&talk.state.turns.knowledge.safety, words);
    let is_in_danger = screened.shows_danger();
    let id = id.as_str().filter(|id| is_idempotency_key(id)).map(str::to_owned);
    if !talk.lets_in(out, is_in_danger, id.as_deref()).await? {
        return Ok(());
    }
    // A malformed id must not stand in the way of an answer.
    if id.is_none() && !is_in_danger {
        return talk
            .refuse(out, Problem::invalid("id", "must have 1 to 255 printable characters"), None)
            .await;
    }
    let admitted = match talk.admit(screened, &body, id.as_deref()) {
        Ok(admitted) => admitted,
        Err(refused) => return talk.refuse(out, refused.into(), id.as_deref()).await,
    };
    if is_in_danger {
        talk.answer_danger(admitted, id.clone());
        return out.text(wire::about("accepted", id.as_deref())).await;
    }
    match talk.queue(admitted, id.clone()) {
        Err(refused) => talk.refuse(out, refused.into(), id.as_deref()).await,
        Ok(is_begun) => {
            out.text(wire::about("accepted", id.as_deref())).await?;
            if is_begun { out.text(wire::about("typing", id.as_deref())).await } else { Ok(()) }
        }
    }
}

/// How the session stands, and what came behind a turn.
pub async fn hello(talk: &mut Talk, out: &mut Outgoing, last_turn: Option<u32>) -> Result<(), End> {
    let standing = tokio::time::timeout(HELLO_WAIT, standing(talk, last_turn)).await;
    let Standing { turn, status, missed, truncated } = match standing {
        Ok(Ok(standing)) => standing,
        // Who connects may speak, whether or not the store tells of what was.
        Ok(Err(_)) | Err(_) => Standing::default(),
    };
    let session = talk.key.id.as_str();
    talk.is_untold = false;
    out.text(Hello { r#type: "hello", session, turn, status, missed, truncated }.frame()).await
}

#[derive(Default)]
struct Standing {
    turn: Option<u32>,
    status: Option<Status>,
    missed: Vec<Exchange>,
    truncated: bool,
}

async fn standing(talk: &Talk, last_turn: Option<u32>) -> Result<Standing, StoreError> {
    let store = talk.state.store();
    let Some(snapshot) = store.read(&talk.key).await? else {
        return Ok(Standing { turn: Some(0), ..Standing::default() });
    };
    let (turn, status) = (snapshot.session.turn_count, Some(snapshot.session.status));
    let behind = last_turn.filter(|last| *last < turn);
    let page = match behind {
        Some(_) => store.history(&talk.key, None, MISSED_MAX).await?,
        None => None,
    };
    let exchanges = page.map(|page| page.exchanges).unwrap_or_default();
    let newer = exchanges.into_iter().filter(|exchange| behind.is_some_and(|last| exchange.turn > last));
    let mut missed: Vec<Exchange> = newer.collect();
    missed.reverse();
    let truncated = behind.is_some_and(|last| missed.first().is_none_or(|first| first.turn > last + 1));
    Ok(Standing { turn: Some(turn), status, missed, truncated })
}

/// Parts of a reply, as they are let out.
pub async fn deltas(telling: &mut Telling, out: &mut Outgoing, deltas: &[Delta]) -> Result<(), End> {
    for delta in deltas {
        telling.heard.push_str(&delta.text);
        telling.last = (delta.turn, delta.seq);
        telling.is_told = true;
        out.text(wire::delta(telling.id.as_deref(), delta)).await?;
    }
    Ok(())
}

/// The end of a turn: what was not said yet, and the turn itself, which acknowledges it.
pub async fn answer(
    talk: &Talk,
    out: &mut Outgoing,
    mut telling: Telling,
    answer: Result<Answer, Refused>,
) -> Result<(), End> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(refused) => return talk.refuse(out, refused.into(), telling.id.as_deref()).await,
    };
    let ready = telling.ready();
    deltas(&mut telling, out, &ready).await?;
    let (told, id) = (turn::told_in(&answer.body), telling.id.as_deref());
    match rest(&told, answer.replayed, &telling.heard, telling.is_told) {
        Rest::Nothing => {}
        Rest::Text(text) => {
            let (turn, seq) = if telling.is_told { telling.last } else { (told.turn.unwrap_or(0), 0) };
            out.text(wire::part(id, (turn, seq + 1), text)).await?;
        }
        Rest::Diverged => {
            let busy = Refused::Busy { retry_after: Duration::from_secs(1) };
            return talk.refuse(out, busy.into(), id).await;
        }
    }
    tell_turn(talk, out, id, &answer.body, answer.replayed).await
}

async fn tell_turn(
    talk: &Talk,
    out: &mut Outgoing,
    id: Option<&str>,
    stored: &[u8],
    replayed: bool,
) -> Result<(), End> {
    out.text(wire::reply("turn", id, stored, replayed)).await?;
    match pause_in(stored) {
        Some(level) => out.text(wire::paused(talk.key.id.as_str(), level)).await,
        None => Ok(()),
    }
}

/// The level under which a turn paused its session, or found it paused.
fn pause_in(stored: &[u8]) -> Option<Level> {
    #[derive(Deserialize)]
    struct Pause {
        status: Status,
        safety: Safety,
    }
    #[derive(Deserialize)]
    struct Safety {
        level: Level,
    }
    let pause: Pause = serde_json::from_slice(stored).ok()?;
    (pause.status == Status::Paused).then_some(pause.safety.level)
}

/// What others said.
pub async fn heard(talk: &Talk, out: &mut Outgoing, heard: &Heard) -> Result<(), End> {
    match heard {
        Heard::Turn { reply, .. } => tell_turn(talk, out, None, reply, false).await,
        Heard::Broadcast(words) => out.text(wire::broadcast(words)).await,
        Heard::Message { .. } | Heard::Removed => Ok(()),
    }
}
