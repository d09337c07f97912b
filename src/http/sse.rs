//! A turn as server-sent events: deltas as they are let out, then the whole turn.
//!
//! `id: turn.seq`, so that a caller who lost its connection goes on behind the last event that it saw. What is refused
//! before the first event is an ordinary problem; later it is an event of that name.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use actix_web::http::header::{self, HeaderMap};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;

use crate::domain::safety::Resource;
use crate::domain::time::Timestamp;
use crate::turn::{self, Answer, Delta, Following, Line, Refused, Started, StopOnLeave, ToldInShort};

use super::problem::{Problem, write_quota};
use super::state::State;

pub const EVENT_STREAM: &str = "text/event-stream";
pub const LAST_EVENT_ID: &str = "last-event-id";

/// Whether the caller wants events.
pub fn is_wanted(request: &HttpRequest) -> bool {
    let accepts = request.headers().get_all(header::ACCEPT).filter_map(|value| value.to_str().ok());
    accepts.flat_map(|value| value.split(',')).any(|kind| {
        let mut parts = kind.split(';').map(str::trim);
        let is_ours = parts.next().unwrap_or_default().eq_ignore_ascii_case(EVENT_STREAM);
        is_ours && !parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

/// Which event was seen last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EventId {
    turn: u32,
    seq: u32,
}

impl EventId {
    /// One that is not ours counts as none: everything is told again.
    fn last_seen(headers: &HeaderMap) -> Option<Self> {
        let (turn, seq) = headers.get(LAST_EVENT_ID)?.to_str().ok()?.trim().split_once('.')?;
        Some(Self { turn: turn.parse().ok()?, seq: seq.parse().ok()? })
    }
}

/// What a problem in the middle of a stream is written with.
struct Frame {
    request_id: String,
    started: Timestamp,
    resources: Vec<Resource>,
}

/// Answers with events. The head goes out with the first of them, or with the first heartbeat.
pub async fn respond(
    state: &State,
    request: &HttpRequest,
    started: Started,
    cancels: Option<StopOnLeave>,
) -> Result<HttpResponse, Problem> {
    let frame = Frame {
        request_id: super::edge::id_of(request),
        started: state.turns.clock.now(),
        resources: state.resources().to_vec(),
    };
    let mut telling = Telling {
        following: None,
        started,
        cancels,
        last_seen: EventId::last_seen(request.headers()),
        told: Told::default(),
        heartbeat: state.heartbeat,
        frame,
        is_over: false,
    };
    let heard = telling.hear().await;
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, EVENT_STREAM))
        // Whatever stands between must neither pack nor keep back what is told bit by bit.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .insert_header(("x-accel-buffering", "no"));
    let quota = match &heard {
        Heard::Answer(Err(refused)) => return Err(refused.clone().into()),
        Heard::Answer(Ok(answer)) => answer.quota,
        Heard::Deltas(_) | Heard::Nothing => None,
    };
    let first = telling.write(heard);
    let rest = stream::unfold(telling, async |mut telling| {
        if telling.is_over {
            return None;
        }
        let heard = telling.hear().await;
        Some((telling.write(heard), telling))
    });
    let body = stream::StreamExt::chain(stream::iter([first]), rest);
    let mut response = response.streaming(stream::StreamExt::map(body, Ok::<Bytes, Infallible>));
    if let Some(quota) = quota {
        write_quota(response.headers_mut(), quota);
    }
    Ok(response)
}

/// What comes next.
enum Heard {
    Deltas(Vec<Delta>),
    Answer(Result<Answer, Refused>),
    /// Long enough for a heartbeat.
    Nothing,
}

/// A turn on its way to one caller.
struct Telling {
    started: Started,
    /// What it says, once it is known which feed that is.
    following: Option<Following>,
    /// Stops the turn when the caller goes before its end, where it asked for that.
    cancels: Option<StopOnLeave>,
    last_seen: Option<EventId>,
    told: Told,
    heartbeat: Duration,
    frame: Frame,
    is_over: bool,
}

/// What the feed has told, to this caller or to one before it on another connection.
#[derive(Default)]
struct Told {
    text: String,
    last: Option<(u32, u32)>,
    is_sent: bool,
}

impl Telling {
    async fn hear(&mut self) -> Heard {
        let nothing = tokio::time::sleep(self.heartbeat);
        tokio::pin!(nothing);
        tokio::select! {
            // What was let out goes before the turn that it belongs to.
            biased;
            Some(deltas) = deltas(&self.started.line, &mut self.following) => Heard::Deltas(deltas),
            answer = &mut self.started.answer => Heard::Answer(answer),
            () = &mut nothing => Heard::Nothing,
        }
    }

    fn write(&mut self, heard: Heard) -> Bytes {
        let mut events = String::new();
        match heard {
            Heard::Deltas(deltas) => deltas.iter().for_each(|delta| self.delta(delta, &mut events)),
            Heard::Nothing => events.push_str(": still here\n\n"),
            Heard::Answer(answer) => {
                self.is_over = true;
                if let Some(guard) = self.cancels.take() {
                    guard.disarm();
                }
                match answer {
                    Ok(answer) => self.turn(&answer, &mut events),
                    Err(refused) => self.problem(&refused.into(), &mut events),
                }
            }
        }
        Bytes::from(events)
    }

    fn delta(&mut self, delta: &Delta, events: &mut String) {
        self.told.text.push_str(&delta.text);
        self.told.last = Some((delta.turn, delta.seq));
        // A turn that is run anew says something else under the same ids.
        let is_repeat = self.following.as_ref().is_some_and(|following| following.is_repeat);
        let is_seen =
            is_repeat && self.last_seen.is_some_and(|seen| seen.turn == delta.turn && delta.seq <= seen.seq);
        if !is_seen {
            self.told.is_sent = true;
            event(events, (delta.turn, delta.seq), "delta", &delta_json(&delta.text));
        }
    }

    fn turn(&mut self, answer: &Answer, events: &mut String) {
        if self.following.is_none() {
            self.following = self.started.line.following_now();
        }
        for delta in self.following.as_mut().map(Following::ready).unwrap_or_default() {
            self.delta(&delta, events);
        }
        let told = turn::told_in(&answer.body);
        let turn = told.turn.unwrap_or(0);
        // Ids never fall behind one that this caller has seen.
        let seen = self.last_seen.filter(|seen| seen.turn == turn && answer.replayed);
        let (last_turn, last_seq) = self.told.last.unwrap_or((turn, seen.map_or(0, |seen| seen.seq)));
        self.told.last = Some((last_turn, last_seq));
        match rest(&told, answer.replayed, &self.told.text, self.told.is_sent) {
            Rest::Nothing => {}
            Rest::Text(rest) => {
                self.told.last = Some((last_turn, last_seq + 1));
                event(events, (last_turn, last_seq + 1), "delta", &delta_json(rest));
            }
            Rest::Diverged => {
                let busy = Refused::Busy { retry_after: Duration::from_secs(1) };
                return self.problem(&busy.into(), events);
            }
        }
        let (turn, seq) = self.told.last.unwrap_or((0, 0));
        let body = turn::on_the_wire(&answer.body, answer.replayed);
        event(events, (turn, seq + 1), "turn", &String::from_utf8_lossy(&body));
    }

    fn problem(&self, problem: &Problem, events: &mut String) {
        let frame = &self.frame;
        let body = problem.body(&frame.request_id, frame.started, Some(&frame.resources));
        let (turn, seq) = self.told.last.unwrap_or((0, 0));
        event(events, (turn, seq + 1), "problem", &String::from_utf8_lossy(&body));
    }
}

/// What a turn says behind what was heard of it.
pub enum Rest<'a> {
    Nothing,
    Text(&'a str),
    /// What was heard is of an attempt that failed; only the same key tells what became of the turn.
    Diverged,
}

/// `is_sent`: whether what was heard was told on.
pub fn rest<'a>(told: &'a ToldInShort, replayed: bool, heard: &str, is_sent: bool) -> Rest<'a> {
    match told.therapist_response.strip_prefix(heard) {
        // Another server told the deltas, or nobody did: the turn has them all.
        Some(_) if replayed && heard.is_empty() => Rest::Nothing,
        Some("") => Rest::Nothing,
        Some(rest) => Rest::Text(rest),
        // The crisis dialogue is told all the same.
        None if is_sent && !told.is_crisis() => Rest::Diverged,
        None => Rest::Nothing,
    }
}

/// More of what is said; `None` once that is all.
pub async fn deltas(line: &Line, following: &mut Option<Following>) -> Option<Vec<Delta>> {
    if following.is_none() {
        *following = Some(line.following().await);
    }
    following.as_mut()?.more().await
}

fn delta_json(text: &str) -> String {
    serde_json::json!({ "text": text }).to_string()
}

/// JSON has no line break in it, so one line of data is enough.
fn event(events: &mut String, (turn, seq): (u32, u32), name: &str, data: &str) {
    // Writing to a string does not fail.
    let _infallible = write!(events, "id: {turn}.{seq}\nevent: {name}\ndata: {data}\n\n");
}
