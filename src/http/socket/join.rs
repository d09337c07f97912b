//! Who may connect, to which session and in which dialect. Whatever refuses does so before the upgrade, as an ordinary problem.

use std::panic::AssertUnwindSafe;

use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::web::{Data, Payload};
use actix_web::{FromRequest as _, HttpRequest, HttpResponse, dev};
use futures_util::FutureExt as _;
use utoipa::IntoParams;

use super::frames::Frames;
use super::leaving::Leaving;
use super::offer::{self, Dialect, PLAIN, TYPED};
use super::outgoing::Outgoing;
use super::places::Place;
use super::speaker::Speaker;
use super::talk::Talk;
use super::talking::Talking;
use crate::access::{Caller, Who};
use crate::domain::id::{SessionId, SessionKey};
use crate::http::credentials::{PresentedBy, unauthorized};
use crate::http::edge;
use crate::http::guard::reach;
use crate::http::problem::{Body, Code, Problem};
use crate::http::query::Query;
use crate::http::state::State;

/// Tells the id of a session that was made for a connection.
const SESSION_ID: HeaderName = HeaderName::from_static("x-session-id");

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it stands in the description alone")]
struct ConnectQuery {
    /// The session. Absent: the one that the credential was made for, else a new id, told in `X-Session-Id` and with the first answer.
    session: Option<String>,
    /// `true`, by default. `false`: count and messages live with the connection, and nothing is stored.
    redis_persistence: Option<bool>,
    /// `therapy`: what is said are turns, as over `/input`. So it is with a session token or a ticket, and in `attune.v1`.
    mode: Option<String>,
    /// In `attune.v1`: the last turn that was seen; what came after it is told at once.
    last_turn: Option<u32>,
}

/// Connect a WebSocket. The frames of both dialects are in the documentation: docs/live.md.
#[utoipa::path(
    get, path = "/ws/chat/", tag = "conversation",
    params(
        ConnectQuery,
        ("Sec-WebSocket-Protocol" = Option<String>, Header, description = "`attune.v1` or `attune.plain`, the default; beside it `ticket.` and a ticket, where no header can be set"),
        ("Origin" = Option<String>, Header, description = "A browser's has to be this host, or one of `ATTUNE_CORS_ORIGINS`")
    ),
    responses(
        (status = 101, description = "Connected"),
        (status = 404, description = "No such session", body = Body, content_type = "application/problem+json"),
        (status = 426, description = "No WebSocket is asked for", body = Body, content_type = "application/problem+json")
    )
)]
pub async fn connect(
    state: Data<State>,
    caller: Caller,
    by: Option<PresentedBy>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    if state.is_draining() {
        return Err(Problem::new(Code::ShuttingDown, "try another server, or this one again"));
    }
    check_origin(&state, request.headers())?;
    let mut asked = Asked::of(&state, &request, Speaker::of(&state, caller, by))?;
    let place = Joining::check(&state, &mut asked, &request).await?;
    let (mut response, frames, out) = upgrade(&state, &request, payload)?;
    if asked.is_made
        && let Ok(id) = HeaderValue::from_str(asked.key.id.as_str())
    {
        response.headers_mut().insert(SESSION_ID, id);
    }
    let last_turn = asked.last_turn;
    let talk = Talk::new(asked, Joining { state, place, request_id: edge::id_of(&request) });
    // What came in belongs to the worker's thread, so the task does too; the guard of its place tells its end.
    drop(actix_web::rt::spawn(run(Talking::new(talk, frames, out), last_turn)));
    Ok(response)
}

/// A connection from its first frame to its last, on one task.
async fn run(mut talking: Box<Talking>, last_turn: Option<u32>) {
    let ran = AssertUnwindSafe(talking.run(last_turn)).catch_unwind().await;
    let end = ran.unwrap_or_else(|_panic| {
        tracing::error!(request = talking.talk.request_id, "a connection panicked");
        super::End::Fault(Code::Internal)
    });
    Leaving::of(talking, end).run().await;
}

/// What a connection has besides what was asked for.
pub struct Joining {
    pub state: Data<State>,
    pub place: Place,
    pub request_id: String,
}

impl Joining {
    async fn check(state: &Data<State>, asked: &mut Asked, request: &HttpRequest) -> Result<Place, Problem> {
        let own = reach(state, &asked.speaker.caller, asked.key.id.clone()).await?;
        if asked.speaker.is_legacy {
            // Whoever presents nothing is told nothing of what is said in therapy.
            if state.store().read(&own).await?.is_some() {
                return Err(unauthorized("a credential is needed"));
            }
        } else if asked.is_kept && !asked.is_therapy {
            // Whoever comes back to a session of therapy goes on in it, however they ask for it.
            asked.is_therapy = matches!(state.store().read(&own).await, Ok(Some(_)));
        }
        state.places.take(&own, state.addresses.household(request.peer_addr(), request.headers()))
    }
}

/// What a client asks for.
pub struct Asked {
    pub speaker: Speaker,
    pub key: SessionKey,
    /// Whether the id was made here, so that it has to be told.
    pub is_made: bool,
    pub dialect: Dialect,
    /// Whether what is said are turns.
    pub is_therapy: bool,
    pub is_kept: bool,
    pub last_turn: Option<u32>,
}

impl Asked {
    fn of(state: &State, request: &HttpRequest, speaker: Speaker) -> Result<Self, Problem> {
        let dialect = offer::dialect(request.headers())?;
        let mut query = Query::of(request);
        let session = query.parse("session", "a session id", |id| SessionId::parse(id).ok());
        let is_kept = query.parse("redis_persistence", "true or false", |word| match word {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        });
        let mode = query.parse("mode", "therapy", |word| (word == "therapy").then_some(()));
        let last_turn = query.whole("last_turn", 0..=u32::MAX);
        let is_kept = is_kept.unwrap_or(true);
        let is_therapy = mode.is_some() || dialect == Dialect::Typed || speaker.is_of_session();
        if is_therapy && !is_kept {
            query.fault("redis_persistence", "a session of therapy is kept");
        }
        query.finish()?;
        if speaker.is_legacy && is_therapy {
            return Err(unauthorized("a credential is needed"));
        }
        let own = match &speaker.caller.who {
            Who::Client(own) => Some(own.clone()),
            Who::Anyone | Who::App | Who::Clinician | Who::Admin | Who::Operator => None,
        };
        let named = session.or(own);
        let is_made = named.is_none();
        let id = match named {
            Some(id) => id,
            None => SessionId::parse(state.turns.entropy.hex_id())
                .map_err(|error| Problem::invalid("session", error.to_string()))?,
        };
        let key = SessionKey::new(speaker.caller.org.clone(), id);
        Ok(Self { speaker, key, is_made, dialect, is_therapy, is_kept, last_turn })
    }
}

/// A page of another host must not speak with what a browser has for this one.
pub fn check_origin(state: &State, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_ours =
        origin.split_once("://").is_some_and(|(_, of)| !host.is_empty() && of.eq_ignore_ascii_case(host));
    let is_listed = state.cors_origins.iter().any(|listed| listed.eq_ignore_ascii_case(origin));
    if is_ours || is_listed {
        return Ok(());
    }
    Err(Problem::new(
        Code::Forbidden,
        "pages of this origin may not connect; ATTUNE_CORS_ORIGINS lists those that may",
    ))
}

/// The handshake. What comes in is read by [`Frames`], which knows what is too large before it is there.
pub fn upgrade(
    state: &State,
    request: &HttpRequest,
    payload: Payload,
) -> Result<(HttpResponse, Frames, Outgoing), Problem> {
    let nothing = Payload::from_request(request, &mut dev::Payload::None).into_inner();
    let nothing = nothing.map_err(|_| Problem::new(Code::Internal, "no payload could be made"))?;
    let upgraded = actix_ws::handle_with_protocols(request, nothing, &[TYPED, PLAIN]);
    let (response, session, _) = upgraded.map_err(|_| {
        let problem = Problem::new(Code::UpgradeRequired, "ask for a WebSocket: RFC 6455, version 13");
        problem
            .header(header::UPGRADE, HeaderValue::from_static("websocket"))
            .header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"))
    })?;
    Ok((response, Frames::of(payload), Outgoing::new(session, state.sockets.slow_reader)))
}
