//! A person's rights to what is kept of them, and how long it is kept: all of it in one answer, an end to what is old.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::access::{Caller, Operation};
use crate::domain::audit::Entry;
use crate::rights::{self, Purge, retention};
use crate::turn::Storage;

use super::body::{self, OTHER_MAX_BYTES};
use super::guard::Reached;
use super::keys::org_of;
use super::lists::A_CURSOR;
use super::problem::Problem;
use super::state::State;
use super::watch::{self, Object};
use super::wire::cursor::decode_cursor;
use super::wire::rights::{ExportBody, PurgeBody, PurgedBody, RetentionBody};

/// Everything that is kept of a session: its turns with what was decided in each, its state, consent, disclosure, notes,
/// and who looked into it.
#[utoipa::path(
    get, path = "/api/v1/session/{id}/export", tag = "rights", params(("id" = String, Path)),
    responses((status = 200, description = "All of it", body = ExportBody))
)]
pub async fn export(state: Data<State>, Reached(key): Reached) -> Result<HttpResponse, Problem> {
    let held = rights::gather(state.store(), &key).await?.ok_or_else(Problem::not_found)?;
    let (storage, now) = (Storage::of_store(state.store().name()), state.turns.clock.now());
    Ok(HttpResponse::Ok().json(ExportBody::of(held, &state.turns.knowledge, storage, now)))
}

/// Remove sessions that nobody has used for long, a hundred a call. What danger holds stays.
#[utoipa::path(
    post, path = "/api/v1/purge", tag = "rights", request_body = PurgeBody,
    responses((status = 200, description = "What was found and done", body = PurgedBody))
)]
pub async fn purge(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(&request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let asked: PurgeBody = body::decode(&bytes)?;
    let clock = &*state.turns.clock;
    let before = asked.before(clock.now()).map_err(|fault| Problem::invalid_fields(vec![fault]))?;
    let unfit = || Problem::invalid("cursor", format!("must be {A_CURSOR}"));
    let after = asked.cursor.map(|cursor| decode_cursor(&cursor).ok_or_else(unfit)).transpose()?;
    let by = Entry {
        action: Operation::Erase.name(),
        role: caller.role().map(|role| role.as_str().to_owned()),
        name: Some(caller.name.clone()),
        request: Some(state.turns.entropy.hex_id()),
        ..Entry::default()
    };
    let org = org_of(caller, asked.organisation.as_deref())?;
    watch::ahead_of(&state, &request, &org, Object::default()).await?;
    let purge = Purge { org, before, is_trial: asked.dry_run, after, by };
    let purged = rights::purge(state.store(), clock, &purge).await?;
    Ok(HttpResponse::Ok().json(PurgedBody::of(purged, asked.dry_run)))
}

/// How long each kind of data is kept, and what sets it.
#[utoipa::path(
    get, path = "/api/v1/retention", tag = "rights",
    responses((status = 200, description = "The kinds", body = RetentionBody))
)]
pub async fn retention(state: Data<State>) -> HttpResponse {
    HttpResponse::Ok().json(RetentionBody::of(retention::RULES, &state.kept))
}
