//! The two input routes. The text is read for danger before anything can refuse it.

use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use utoipa::IntoParams;

use crate::access::{Caller, Operation};
use crate::domain::id::{OrgId, SessionId, SessionKey};
use crate::turn::{self, Address, Answer, Reply};

use super::body;
use super::credentials::token_of;
use super::guard::{Place, Speaker};
use super::problem::{Body, Problem, write_quota};
use super::query::Query;
use super::session::idempotency_key;
use super::sse;
use super::state::State;
use super::wire::{InputBody, SessionInputBody};

/// What both routes read besides the body.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "it stands in the description alone")]
struct InputHeaders {
    /// 1 to 255 printable characters; a repeat gets the same reply.
    #[param(rename = "Idempotency-Key")]
    idempotency_key: Option<String>,
    /// `text/event-stream` for events: `delta` with a part of the reply as `{text}`, then `turn` with the whole turn;
    /// `problem` where it is refused later.
    #[param(rename = "Accept")]
    accept: Option<String>,
    /// With the same `Idempotency-Key`: the events behind this one.
    #[param(rename = "Last-Event-ID")]
    last_event_id: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it stands in the description alone")]
struct InputQuery {
    /// `commit`, by default: a turn whose caller goes away is finished and stored. `cancel`: it is stopped, and what was
    /// said is stored.
    on_disconnect: Option<String>,
}

/// Say something; the session is made on first use.
#[utoipa::path(
    post, path = "/api/v1/input", tag = "conversation", request_body = InputBody,
    params(InputHeaders, InputQuery),
    responses((status = 200, description = "The turn; as events where they were asked for", content((Reply = "application/json"), (String = "text/event-stream"))), (status = 409, description = "Busy", body = Body, content_type = "application/problem+json"), (status = 428, description = "No consent stands", body = Body, content_type = "application/problem+json"), (status = 429, description = "Too many turns", body = Body, content_type = "application/problem+json"), (status = 451, description = "Nobody is talked with here", body = Body, content_type = "application/problem+json"))
)]
pub async fn input(
    state: Data<State>,
    speaker: Speaker,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read_words(&request, payload, state.patience).await?;
    let input: InputBody = body::decode(&bytes)?;
    let session = SessionId::parse(input.session_id)
        .map_err(|error| Problem::invalid("session_id", error.to_string()))?;
    answer(&state, (Operation::Input, &request), (speaker, session), input.user_input.0, &bytes).await
}

/// Say something in the session of the path.
#[utoipa::path(
    post, path = "/api/v1/session/{id}/input", tag = "conversation", request_body = SessionInputBody,
    params(("id" = String, Path), InputHeaders, InputQuery),
    responses((status = 200, description = "The turn; as events where they were asked for", content((Reply = "application/json"), (String = "text/event-stream"))), (status = 409, description = "Busy", body = Body, content_type = "application/problem+json"), (status = 428, description = "No consent stands", body = Body, content_type = "application/problem+json"), (status = 429, description = "Too many turns", body = Body, content_type = "application/problem+json"), (status = 451, description = "Nobody is talked with here", body = Body, content_type = "application/problem+json"))
)]
pub async fn session_input(
    state: Data<State>,
    speaker: Speaker,
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let session = SessionId::parse(id.into_inner()).map_err(|_malformed| Problem::not_found())?;
    let bytes = body::read_words(&request, payload, state.patience).await?;
    let input: SessionInputBody = body::decode(&bytes)?;
    if input.session_id.is_some_and(|id| id != session.as_str()) {
        return Err(Problem::invalid("session_id", "is not the one in the path"));
    }
    answer(&state, (Operation::SessionInput, &request), (speaker, session), input.user_input.0, &bytes).await
}

async fn answer(
    state: &State,
    (operation, request): (Operation, &HttpRequest),
    (speaker, session): (Speaker, SessionId),
    text: String,
    body: &[u8],
) -> Result<HttpResponse, Problem> {
    let screened = turn::screen(&state.turns.knowledge.safety, text);
    let is_in_danger = screened.shows_danger();
    let place = speaker.place(state, (operation, request), session.clone(), is_in_danger).await?;
    let (key, leaving) = if is_in_danger {
        // A malformed key must not stand in the way of an answer.
        (idempotency_key(request).unwrap_or_default(), Leaving::Commit)
    } else {
        state.addresses.check(request.peer_addr(), request.headers())?;
        (idempotency_key(request)?, Leaving::of(request)?)
    };
    let started = match place {
        Place::Own(caller, session) => {
            let route = operation.name();
            let address = Address {
                caller: &caller,
                session,
                route: &route,
                idempotency_key: key.as_deref(),
                body,
                by: token_of(request),
            };
            state.turns.start(turn::admit(screened, &address, &state.turns.secret)?)
        }
        Place::Unknown => {
            let session = SessionKey::new(OrgId::default(), session);
            let (caller, by) = (&Caller::open(), None);
            let address = Address { caller, session, route: "", idempotency_key: None, body, by };
            state.turns.answer_unknown(&turn::admit(screened, &address, &state.turns.secret)?)
        }
    };
    let cancels = (leaving == Leaving::Cancel).then(|| started.line.stop_on_leave());
    if sse::is_wanted(request) {
        return sse::respond(state, request, started, cancels).await;
    }
    let answer = started.answer.await;
    if let Some(guard) = cancels {
        guard.disarm();
    }
    Ok(respond(&answer?))
}

/// What becomes of a turn whose caller goes away: `?on_disconnect=`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    Commit,
    Cancel,
}

impl Leaving {
    fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let mut query = Query::of(request);
        let leaving = query.parse("on_disconnect", "commit or cancel", |word| match word {
            "commit" => Some(Self::Commit),
            "cancel" => Some(Self::Cancel),
            _ => None,
        });
        query.finish()?;
        Ok(leaving.unwrap_or(Self::Commit))
    }
}

fn respond(answer: &Answer) -> HttpResponse {
    let mut response = stored(&answer.body, answer.replayed);
    if let Some(quota) = answer.quota {
        write_quota(response.headers_mut(), quota);
    }
    response
}

/// A reply as it was stored.
pub fn stored(reply: &[u8], replayed: bool) -> HttpResponse {
    let mut response = HttpResponse::Ok().body(turn::on_the_wire(reply, replayed));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
