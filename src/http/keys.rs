//! API keys: made, listed and revoked by an admin. And who a credential is.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::access::{Caller, Kind, RawCredential, Role};
use crate::domain::id::OrgId;
use crate::store::Holder;

use super::body::{self, OTHER_MAX_BYTES};
use super::problem::Problem;
use super::query::Query;
use super::state::State;
use super::watch::{self, Object};
use super::wire::credentials::{CallerBody, CreateKeyBody, KeyBody, KeysBody, NewKeyBody, RevokedBody};

/// Make an API key.
#[utoipa::path(
    post, path = "/api/v1/keys", tag = "credentials", request_body = CreateKeyBody,
    responses((status = 200, description = "Shown this once", body = NewKeyBody))
)]
pub async fn create(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(&request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let asked: CreateKeyBody = body::decode(&bytes)?;
    let (entropy, now) = (&state.turns.entropy, state.turns.clock.now());
    let org = org_of(caller, asked.organisation.as_deref())?;
    let key = asked.credential(org, entropy.hex_id(), now);
    let key = key.map_err(|fault| Problem::invalid_fields(vec![fault]))?;
    let raw = RawCredential::make(Kind::Key, entropy);
    let made = NewKeyBody::of(&raw, &key);
    let on = Object { id: Some(key.id.clone()), role: Some(key.role.as_str().to_owned()) };
    watch::ahead_of(&state, &request, &key.org, on).await?;
    state.store().issue(raw.hash(), key).await?;
    Ok(HttpResponse::Ok().json(made))
}

/// The organisation that is asked for: its own, but for whoever runs the server.
pub fn org_of(caller: Caller, named: Option<&str>) -> Result<OrgId, Problem> {
    let Some(named) = named.filter(|named| *named != caller.org.as_str()) else { return Ok(caller.org) };
    if !caller.runs_the_server() {
        return Err(Problem::invalid("organisation", "must be your own"));
    }
    OrgId::parse(named).map_err(|error| Problem::invalid("organisation", error.to_string()))
}

/// The API keys of the organisation, oldest first. What they are is shown to nobody again.
#[utoipa::path(
    get, path = "/api/v1/keys", tag = "credentials",
    params(("organisation" = Option<String>, Query, description = "Another than your own, for whoever runs the server")),
    responses((status = 200, description = "The keys", body = KeysBody))
)]
pub async fn list(state: Data<State>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let org = org_of(caller, Query::of(&request).text("organisation"))?;
    let keys = state.store().credentials(Holder::Keys(org)).await?;
    Ok(HttpResponse::Ok().json(KeysBody { keys: keys.iter().map(KeyBody::of).collect() }))
}

/// Revoke an API key: it is refused from then on, by every server.
#[utoipa::path(
    delete, path = "/api/v1/keys/{id}", tag = "credentials",
    params(("id" = String, Path), ("organisation" = Option<String>, Query, description = "Another than your own, for whoever runs the server")),
    responses((status = 200, description = "Revoked", body = RevokedBody))
)]
pub async fn revoke(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let org = org_of(caller, Query::of(&request).text("organisation"))?;
    watch::ahead_of(&state, &request, &org, Object::default()).await?;
    match state.store().revoke(Holder::Keys(org), Some(path.into_inner())).await? {
        0 => Err(Problem::not_found()),
        revoked => Ok(HttpResponse::Ok().json(RevokedBody { revoked })),
    }
}

/// Who the presented credential is: to try one, and to tell what it may do.
#[utoipa::path(
    get, path = "/api/v1/caller", tag = "credentials",
    responses((status = 200, description = "The caller", body = CallerBody))
)]
pub async fn caller(caller: Caller) -> HttpResponse {
    HttpResponse::Ok().json(CallerBody {
        organisation: caller.org.as_str().to_owned(),
        role: caller.role().map_or("anyone", Role::as_str),
        name: caller.name,
    })
}
