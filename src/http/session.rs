//! One session: made, read, paused, extended, deleted.

use std::time::Duration;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::access::{Caller, Who};
use crate::domain::consent::Consent;
use crate::domain::disclosure::Audience;
use crate::domain::id::{SessionId, SessionKey};
use crate::domain::session::{Event, Meta, MetaValue, Opening, Session};
use crate::store::{Counter, Create, Created, Receipt, StoredReply, Transition, Transitioned};
use crate::turn::{Storage, on_the_wire};

use super::body::{self, OTHER_MAX_BYTES};
use super::consent;
use super::guard::Reached;
use super::problem::{Body, Code, FieldError, Problem};
use super::query::Query;
use super::state::State;
use super::tokens::mint_token;
use super::wire::{
    self, ChangedBody, CreateBody, DeletedBody, ExtendBody, ExtendedBody, HistoryBody, ReasonBody,
    SessionBody, StatusBody,
};

const CLIENT_ID_MAX_CHARS: usize = 256;
const META_MAX_BYTES: usize = 4 * 1024;
const REASON_MAX_CHARS: usize = 500;
pub(super) const TTL_SECONDS: std::ops::RangeInclusive<u64> = 60..=2_592_000;
const HISTORY_DEFAULT: usize = 10;
const HISTORY_PAGE_MAX: usize = 50;

/// The `Idempotency-Key` header: 1 to 255 printable ASCII characters.
pub fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let Some(value) = request.headers().get("idempotency-key") else { return Ok(None) };
    let key = value.to_str().unwrap_or_default();
    if is_idempotency_key(key) {
        return Ok(Some(key.to_owned()));
    }
    Err(Problem::invalid("Idempotency-Key", "must have 1 to 255 printable characters"))
}

pub fn is_idempotency_key(key: &str) -> bool {
    (1..=255).contains(&key.len()) && key.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// Open a session ahead of its first turn.
#[utoipa::path(
    post, path = "/api/v1/session/create", tag = "sessions", request_body = CreateBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable characters")),
    responses((status = 200, description = "Opened", body = wire::Created), (status = 409, description = "The id exists, or the consent is to another text", body = Body, content_type = "application/problem+json"))
)]
pub async fn create(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(&request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let create: CreateBody = body::decode_if_any(&bytes)?.unwrap_or_else(empty_create);
    let key = idempotency_key(&request)?;
    let secret = &state.turns.secret;
    let idempotency = key.map(|key| secret.idempotency(&caller, "create", "", &key, &bytes));
    let id = session_id(&state, create.session_id, idempotency.as_ref().map(|idempotency| &idempotency.key))?;
    let client_id = client_id(create.client_id)?;
    let consent = create.consent.map(|given| consent::to_the_current(&state, given)).transpose()?;
    let mut session = Session::open(Opening {
        client: secret.client_key(&caller.org, client_id.as_deref(), &id),
        id: id.clone(),
        client_id,
        place: state.turns.knowledge.start(),
        ttl: state.turns.settings.session_ttl,
        meta: meta(create.metadata, "create_endpoint")?,
        now: state.turns.clock.now(),
    });
    // The answer tells it.
    session.telling.tell(session.created_at);
    session.consent = consent.map(|to| Consent::to(&to.version, &to.hash, session.created_at));
    let key = SessionKey::new(caller.org.clone(), id);
    let request = Create { key: key.clone(), session, idempotency, reply: created_reply };
    let created = self::created(&state, request).await?;
    // What the app hands to the person. It is no part of the stored reply: a repeat brings another one.
    let token = if caller.who == Who::App { Some(mint_token(&state, &key).await?) } else { None };
    let body = token.map_or_else(|| created.clone(), |token| with_token(&created, &token.session_token));
    Ok(HttpResponse::Ok().content_type("application/json").body(body))
}

/// The reply with one more member. A credential is of letters, digits, `-` and `_` alone.
fn with_token(created: &[u8], token: &str) -> Vec<u8> {
    let body = created.strip_suffix(b"}").unwrap_or(created);
    [body, b",\"session_token\":\"", token.as_bytes(), b"\"}"].concat()
}

fn empty_create() -> CreateBody {
    CreateBody { session_id: None, client_id: None, metadata: None, consent: None }
}

/// The reply of a create, or of the one that it repeats.
async fn created(state: &State, request: Create) -> Result<Vec<u8>, Problem> {
    let org = request.key.org.clone();
    match state.store().create(request).await? {
        Created::Created(session) => {
            // A counter that is lost harms nobody.
            let _lost = state.store().count(&org, vec![Counter::SessionCreated]).await;
            Ok(on_the_wire(&created_reply(&session), false))
        }
        Created::Replay(stored) => Ok(on_the_wire(&stored, true)),
        Created::KeyReused => {
            Err(Problem::new(Code::IdempotencyKeyReused, "the key was used with another body"))
        }
        Created::Exists => {
            Err(Problem::new(Code::SessionExists, "choose another id, or go on with this one"))
        }
    }
}

fn created_reply(session: &Session) -> StoredReply {
    let body = wire::Created {
        session_id: session.id.to_string(),
        created_at: session.created_at,
        status: session.status,
        message: "Session created".to_owned(),
        disclosure: Audience::of(&session.meta).disclosure(),
        session_token: None,
    };
    StoredReply::from(serde_json::to_vec(&body).unwrap_or_default())
}

fn session_id(state: &State, given: Option<String>, key: Option<&[u8; 16]>) -> Result<SessionId, Problem> {
    let id = match (given, key) {
        (Some(id), _) => id,
        (None, Some(key)) => format!("{:032x}", u128::from_be_bytes(*key)),
        (None, None) => state.turns.entropy.hex_id(),
    };
    SessionId::parse(id).map_err(|error| Problem::invalid("session_id", error.to_string()))
}

fn client_id(given: Option<String>) -> Result<Option<String>, Problem> {
    let fits = |id: &String| {
        (1..=CLIENT_ID_MAX_CHARS).contains(&id.chars().count()) && !id.chars().any(char::is_control)
    };
    if given.as_ref().is_none_or(fits) {
        return Ok(given);
    }
    Err(Problem::invalid("client_id", "must have 1 to 256 characters, none of them a control character"))
}

fn meta(
    given: Option<serde_json::Map<String, serde_json::Value>>,
    created_via: &str,
) -> Result<Meta, Problem> {
    let given = given.unwrap_or_default();
    let size = serde_json::to_vec(&given).map_or(usize::MAX, |bytes| bytes.len());
    if size > META_MAX_BYTES {
        return Err(Problem::invalid("metadata", "must be at most 4 KiB"));
    }
    let mut meta = Meta::new();
    let mut errors = Vec::new();
    for (name, value) in given {
        match serde_json::from_value::<MetaValue>(value) {
            Ok(value) => drop(meta.insert(name, value)),
            Err(_) => errors.push(FieldError {
                field: "metadata".to_owned(),
                message: "values must be strings, numbers or booleans".to_owned(),
            }),
        }
    }
    errors.truncate(1);
    meta.entry("created_via".to_owned()).or_insert_with(|| MetaValue::Text(created_via.to_owned()));
    if errors.is_empty() { Ok(meta) } else { Err(Problem::invalid_fields(errors)) }
}

/// Everything that is known of a session but its words.
#[utoipa::path(
    get, path = "/api/v1/session/{id}", tag = "sessions", params(("id" = String, Path)),
    responses((status = 200, description = "The session", body = SessionBody))
)]
pub async fn read(state: Data<State>, Reached(key): Reached) -> Result<HttpResponse, Problem> {
    let snapshot = state.store().read(&key).await?.ok_or_else(Problem::not_found)?;
    let storage = Storage::of_store(state.store().name());
    Ok(HttpResponse::Ok().json(SessionBody::of(&snapshot, &state.turns.knowledge, storage)))
}

/// Where a session stands.
#[utoipa::path(
    get, path = "/api/v1/session/{id}/status", tag = "sessions", params(("id" = String, Path)),
    responses((status = 200, description = "The status", body = StatusBody))
)]
pub async fn status(state: Data<State>, Reached(key): Reached) -> Result<HttpResponse, Problem> {
    let snapshot = state.store().read(&key).await?.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(StatusBody::of(&snapshot.session, &state.turns.knowledge)))
}

/// What was said, newest first.
#[utoipa::path(
    get, path = "/api/v1/session/{id}/history", tag = "sessions",
    params(
        ("id" = String, Path),
        ("limit" = Option<u32>, Query, description = "1 to 50, by default 10"),
        ("before" = Option<u32>, Query, description = "Only turns below this one")
    ),
    responses((status = 200, description = "A page of exchanges", body = HistoryBody))
)]
pub async fn history(
    state: Data<State>,
    request: HttpRequest,
    Reached(key): Reached,
) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let limit = query.whole("limit", 1..=HISTORY_PAGE_MAX).unwrap_or(HISTORY_DEFAULT);
    let before = query.whole("before", 1..=u32::MAX);
    query.finish()?;
    let page = state.store().history(&key, before, limit).await?.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(HistoryBody {
        exchanges: page.exchanges,
        next_before: page.next_before,
        history_trimmed: page.trimmed,
    }))
}

/// Set how long the session stands without a turn.
#[utoipa::path(
    post, path = "/api/v1/session/{id}/extend", tag = "sessions", request_body = ExtendBody,
    params(("id" = String, Path)),
    responses((status = 200, description = "Set", body = ExtendedBody))
)]
pub async fn extend(
    state: Data<State>,
    request: HttpRequest,
    Reached(key): Reached,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(&request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let extend: ExtendBody = body::decode(&bytes)?;
    if !TTL_SECONDS.contains(&extend.ttl) {
        return Err(Problem::invalid("ttl", "must be from 60 to 2592000 seconds"));
    }
    let ttl = Duration::from_secs(extend.ttl);
    let remaining = state.store().extend(&key, ttl).await?.ok_or_else(Problem::not_found)?;
    let body = ExtendedBody { session_id: key.id.to_string(), remaining_ttl: wire::seconds(remaining) };
    Ok(HttpResponse::Ok().json(body))
}

/// Pause a session: it answers, but does not go on.
#[utoipa::path(
    post, path = "/api/v1/session/{id}/pause", tag = "sessions", request_body = Option<ReasonBody>,
    params(("id" = String, Path)),
    responses((status = 200, description = "Paused", body = ChangedBody), (status = 409, description = "The lifecycle says no", body = Body, content_type = "application/problem+json"))
)]
pub async fn pause(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    Reached(key): Reached,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    change(&state, (&caller, key), &request, payload, Event::Pause).await
}

/// Let a paused session go on.
#[utoipa::path(
    post, path = "/api/v1/session/{id}/resume", tag = "sessions", request_body = Option<ReasonBody>,
    params(("id" = String, Path)),
    responses((status = 200, description = "Active", body = ChangedBody), (status = 409, description = "The lifecycle says no", body = Body, content_type = "application/problem+json"))
)]
pub async fn resume(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    Reached(key): Reached,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    change(&state, (&caller, key), &request, payload, Event::Resume).await
}

/// Close a session for good.
#[utoipa::path(
    post, path = "/api/v1/session/{id}/complete", tag = "sessions", request_body = Option<ReasonBody>,
    params(("id" = String, Path)),
    responses((status = 200, description = "Completed", body = ChangedBody), (status = 409, description = "The lifecycle says no", body = Body, content_type = "application/problem+json"))
)]
pub async fn complete(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    Reached(key): Reached,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    change(&state, (&caller, key), &request, payload, Event::Complete).await
}

async fn change(
    state: &State,
    (caller, key): (&Caller, SessionKey),
    request: &HttpRequest,
    payload: Payload,
    event: Event,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let body: ReasonBody = body::decode_if_any(&bytes)?.unwrap_or_default();
    let reason = body.reason.unwrap_or_else(|| "asked".to_owned());
    if reason.chars().count() > REASON_MAX_CHARS {
        return Err(Problem::invalid("reason", "must be at most 500 characters"));
    }
    let transition = Transition { session: key.clone(), event, by: caller.party(), reason, seen: None };
    match state.store().transition(transition).await? {
        Transitioned::Done(status) => {
            if event == Event::Complete {
                let _lost = state.store().count(&key.org, vec![Counter::Completed]).await;
            }
            Ok(HttpResponse::Ok().json(ChangedBody { session_id: key.id.to_string(), status }))
        }
        Transitioned::Refused(refusal) => Err(refusal.into()),
        // Only a clearing is.
        Transitioned::Overtaken | Transitioned::Absent => Err(Problem::not_found()),
    }
}

/// Remove a session and everything in it. What is remembered for the client's safety stays, and so do alerts, which
/// name it no more.
#[utoipa::path(
    delete, path = "/api/v1/session/{id}", tag = "sessions", params(("id" = String, Path)),
    responses((status = 200, description = "Removed", body = DeletedBody))
)]
pub async fn delete(
    state: Data<State>,
    caller: Caller,
    Reached(key): Reached,
) -> Result<HttpResponse, Problem> {
    let (receipt, left) = erase_line(&state, &caller, &key).await?.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(DeletedBody {
        message: format!("Session {} deleted", key.id),
        timestamp: state.turns.clock.now(),
        receipt,
        line: left.iter().map(|other: &SessionKey| other.id.to_string()).collect(),
    }))
}

/// Erases a session, and for the person whose it is all of its line. What is left of the line is told.
pub(super) async fn erase_line(
    state: &State,
    caller: &Caller,
    key: &SessionKey,
) -> Result<Option<(Receipt, Vec<SessionKey>)>, Problem> {
    let line = state.store().line(key).await?;
    // To the person it is one conversation. The first goes last: its token opens all of it, should this be cut off.
    let (going, left) = if matches!(caller.who, Who::Client(_)) && line.contains(key) {
        (line.into_iter().rev().collect(), Vec::new())
    } else {
        (vec![key.clone()], line.into_iter().filter(|other| other != key).collect())
    };
    let mut erased: Option<Receipt> = None;
    for going in &going {
        if let Some(receipt) = erase(state, going).await? {
            erased = Some(erased.map_or(receipt.clone(), |others| others.and(&receipt)));
        }
    }
    Ok(erased.map(|receipt| (receipt, left)))
}

async fn erase(state: &State, key: &SessionKey) -> Result<Option<Receipt>, Problem> {
    // A turn at work would bring the session back, or bring it about.
    let _ended = state.turns.live.stop(key).await;
    let receipt = state.store().delete(key).await?;
    if receipt.is_some() {
        let _lost = state.store().count(&key.org, vec![Counter::Erased]).await;
    }
    Ok(receipt)
}
