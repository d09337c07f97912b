//! What happens, as server-sent events: in one session, or in all of an organisation. A stream that breaks goes on behind the
//! last event that was seen; none waits for another.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::stream;
use tokio::time::Instant;

use crate::access::Caller;
use crate::domain::event::{EventId, EventKind, SessionEvent};
use crate::domain::id::{OrgId, SessionId, SessionKey};
use crate::events::{EventBody, Subscription};
use crate::store::StoreError;

use super::credentials::{PresentedBy, stands};
use super::guard::Reached;
use super::problem::{Code, Problem};
use super::query::Query;
use super::socket::Place;
use super::sse::{EVENT_STREAM, LAST_EVENT_ID};
use super::state::State;

/// How long a client waits before it connects again.
const RETRY_MS: u32 = 1_000;
/// How long a stream waits before it asks a store again that is away.
const PAUSE: Duration = Duration::from_secs(1);

/// What happens in one session, from now on or behind an event that was seen.
#[utoipa::path(
    get, path = "/api/v1/session/{id}/events", tag = "events",
    params(
        ("id" = String, Path),
        ("kinds" = Option<String>, Query, description = "Of these kinds alone, separated by commas"),
        ("after" = Option<String>, Query, description = "The id of an event that was seen; the header wins"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the event that was seen last")
    ),
    responses((status = 200, description = "Events of the kind that they are, each with an Event as its data", body = EventBody<'static>, content_type = "text/event-stream"))
)]
pub async fn of_session(
    state: Data<State>,
    by: Option<PresentedBy>,
    request: HttpRequest,
    Reached(key): Reached,
) -> Result<HttpResponse, Problem> {
    if state.store().read(&key).await?.is_none() {
        return Err(Problem::not_found());
    }
    respond(
        state,
        by,
        &request,
        Wanted { org: key.org, by: String::new(), session: Some(key.id), kinds: Vec::new() },
    )
    .await
}

/// What happens in all sessions of the caller's organisation.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "events",
    params(
        ("kinds" = Option<String>, Query, description = "Of these kinds alone, separated by commas"),
        ("after" = Option<String>, Query, description = "The id of an event that was seen; the header wins"),
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the event that was seen last")
    ),
    responses((status = 200, description = "Events of the kind that they are, each with an Event as its data", body = EventBody<'static>, content_type = "text/event-stream"))
)]
pub async fn of_all(
    state: Data<State>,
    caller: Caller,
    by: Option<PresentedBy>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    respond(
        state,
        by,
        &request,
        Wanted { org: caller.org, by: caller.name, session: None, kinds: Vec::new() },
    )
    .await
}

/// What a stream is about.
struct Wanted {
    org: OrgId,
    /// The caller's name.
    by: String,
    session: Option<SessionId>,
    /// Empty: all.
    kinds: Vec<EventKind>,
}

impl Wanted {
    fn fits(&self, event: &SessionEvent) -> bool {
        event.org == self.org
            && self.session.as_ref().is_none_or(|session| *session == event.session)
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind))
    }
}

async fn respond(
    state: Data<State>,
    by: Option<PresentedBy>,
    request: &HttpRequest,
    mut wanted: Wanted,
) -> Result<HttpResponse, Problem> {
    let seen = read_query(request, &mut wanted)?;
    let household = state.addresses.household(request.peer_addr(), request.headers());
    let place = state.streams.take(&whose(&state, &wanted)?, household)?;
    let subscription = Subscription::begin(state.turns.store.clone(), seen).await?;
    let next_look = Instant::now() + state.heartbeat;
    let follower = Follower { state, subscription, wanted, by, _place: place, next_look, is_over: false };
    let first = Bytes::from(format!("retry: {RETRY_MS}\n: here\n\n"));
    let rest = stream::unfold(follower, async |mut follower| {
        let bytes = follower.next().await?;
        Some((bytes, follower))
    });
    let body = stream::StreamExt::chain(stream::iter([first]), rest);
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, EVENT_STREAM))
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(stream::StreamExt::map(body, Ok::<Bytes, Infallible>)))
}

/// By whom the bound of one caller's streams counts.
fn whose(state: &State, wanted: &Wanted) -> Result<SessionKey, Problem> {
    let id = match &wanted.session {
        Some(session) => session.clone(),
        None => SessionId::parse(&*wanted.by)
            .or_else(|_| SessionId::parse(state.turns.entropy.hex_id()))
            .map_err(|error| Problem::new(Code::Internal, error.to_string()))?,
    };
    Ok(SessionKey::new(wanted.org.clone(), id))
}

fn read_query(request: &HttpRequest, wanted: &mut Wanted) -> Result<Option<EventId>, Problem> {
    let mut query = Query::of(request);
    let kinds = query.parse("kinds", "kinds of events, separated by commas", |text| {
        text.split(',').map(|kind| EventKind::parse(kind.trim())).collect::<Option<Vec<_>>>()
    });
    let after = query.parse("after", "the id of an event", EventId::parse);
    query.finish()?;
    wanted.kinds = kinds.unwrap_or_default();
    let header = request.headers().get(LAST_EVENT_ID).and_then(|value| value.to_str().ok());
    Ok(header.and_then(|text| EventId::parse(text.trim())).or(after))
}

/// One stream on its way to a subscriber.
struct Follower {
    state: Data<State>,
    subscription: Subscription,
    wanted: Wanted,
    by: Option<PresentedBy>,
    _place: Place,
    /// When the credential is looked at again, and a quiet stream says that it is still there.
    next_look: Instant,
    is_over: bool,
}

impl Follower {
    /// `None` at the end: the server stops, the session was removed, or the credential does not count any more.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.is_over {
                return None;
            }
            let state = self.state.clone();
            let told = tokio::select! {
                biased;
                () = state.drained() => return None,
                () = tokio::time::sleep_until(self.next_look) => return self.still_here().await,
                told = self.subscription.next() => told,
            };
            match told {
                Ok(events) => {
                    let fitting = events.iter().filter(|event| self.wanted.fits(event));
                    let text = fitting.fold(String::new(), |text, event| written(text, event));
                    self.is_over = self.wanted.session.is_some()
                        && events
                            .iter()
                            .any(|event| event.kind == EventKind::SessionDeleted && self.wanted.fits(event));
                    if !text.is_empty() {
                        return Some(Bytes::from(text));
                    }
                }
                Err(StoreError::Closed | StoreError::Stopped(_)) => return None,
                Err(StoreError::Away(_) | StoreError::Corrupt(_)) => {
                    tokio::time::sleep(PAUSE).await;
                    return Some(Bytes::from_static(b": the store is away\n\n"));
                }
            }
        }
    }

    /// A stream may outlive the credential that opened it: it is looked at again with every heartbeat.
    async fn still_here(&mut self) -> Option<Bytes> {
        self.next_look = Instant::now() + self.state.heartbeat;
        let stands = match &self.by {
            Some(by) => stands(&self.state, by).await,
            None => Ok(()),
        };
        match stands {
            Err(problem) if !problem.is_of_store() => None,
            // While the store is away nobody knows; the next look tells.
            Ok(()) | Err(_) => Some(Bytes::from_static(b": still here\n\n")),
        }
    }
}

fn written(mut text: String, event: &SessionEvent) -> String {
    let body = EventBody::from(event);
    let data = serde_json::to_string(&body).unwrap_or_default();
    // Writing to a string does not fail.
    let _infallible = write!(text, "id: {}\nevent: {}\ndata: {data}\n\n", body.id, event.kind.as_str());
    text
}
