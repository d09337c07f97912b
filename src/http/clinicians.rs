//! Clinicians as an admin sees them: added, listed, given a new password, removed.

use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use secrecy::ExposeSecret as _;

use crate::access::{Caller, is_fit};
use crate::domain::id::ClinicianName;
use crate::store::Clinician;

use super::body::{self, OTHER_MAX_BYTES};
use super::keys::org_of;
use super::login::{given_or_made, hashed};
use super::problem::{Code, Problem};
use super::query::Query;
use super::state::State;
use super::watch::{self, Object};
use super::wire::clinicians::{
    AddClinicianBody, AddedClinicianBody, ClinicianBody, CliniciansBody, RemovedBody, ResetBody,
    password_fault,
};

/// Add somebody who logs in with a name and a password.
#[utoipa::path(
    post, path = "/api/v1/clinicians", tag = "clinicians", request_body = AddClinicianBody,
    responses((status = 200, description = "Added", body = AddedClinicianBody), (status = 409, description = "The name is taken", body = super::problem::Body, content_type = "application/problem+json"))
)]
pub async fn add(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(&request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let asked: AddClinicianBody = body::decode(&bytes)?;
    let org = org_of(caller, asked.organisation.as_deref())?;
    let (name, role) = asked.checked().map_err(|fault| Problem::invalid_fields(vec![fault]))?;
    let (password, is_made) = given_or_made(&state, asked.password);
    let hash = hashed(&state, password.clone()).await?;
    let clinician = Clinician { org, name, role, password: hash, made_at: state.turns.clock.now() };
    let about = ClinicianBody::of(&clinician);
    let on = Object {
        id: Some(clinician.name.as_str().to_owned()),
        role: Some(clinician.role.as_str().to_owned()),
    };
    watch::ahead_of(&state, &request, &clinician.org, on).await?;
    if !state.store().add_clinician(clinician).await? {
        return Err(Problem::new(Code::NameTaken, "somebody of that name is there already"));
    }
    let shown = is_made.then(|| password.expose_secret().to_owned());
    Ok(HttpResponse::Ok().json(AddedClinicianBody { password: shown, about }))
}

/// All of the organisation, by name.
#[utoipa::path(
    get, path = "/api/v1/clinicians", tag = "clinicians",
    params(("organisation" = Option<String>, Query, description = "Another than your own, for whoever runs the server")),
    responses((status = 200, description = "They", body = CliniciansBody))
)]
pub async fn list(state: Data<State>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let org = org_of(caller, Query::of(&request).text("organisation"))?;
    let clinicians = state.store().clinicians(&org).await?;
    Ok(HttpResponse::Ok()
        .json(CliniciansBody { clinicians: clinicians.iter().map(ClinicianBody::of).collect() }))
}

/// Set a new password, as for somebody who is locked out. Every login of theirs ends.
#[utoipa::path(
    post, path = "/api/v1/clinicians/{name}/reset", tag = "clinicians", request_body = Option<ResetBody>,
    params(("name" = String, Path)),
    responses((status = 200, description = "Set", body = AddedClinicianBody))
)]
pub async fn reset(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    path: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(&request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let asked: ResetBody = body::decode_if_any(&bytes)?.unwrap_or_default();
    let org = org_of(caller, asked.organisation.as_deref())?;
    let name = name_in_path(path)?;
    if asked.password.as_ref().is_some_and(|password| !is_fit(password)) {
        return Err(Problem::invalid_fields(vec![password_fault("password")]));
    }
    let (password, is_made) = given_or_made(&state, asked.password);
    let hash = hashed(&state, password.clone()).await?;
    watch::ahead_of(&state, &request, &org, Object::default()).await?;
    if !state.store().set_password(&org, &name, hash).await? {
        return Err(Problem::not_found());
    }
    let known = state.store().clinicians(&org).await?;
    let known = known.iter().find(|clinician| clinician.name == name).ok_or_else(Problem::not_found)?;
    let shown = is_made.then(|| password.expose_secret().to_owned());
    Ok(HttpResponse::Ok().json(AddedClinicianBody { password: shown, about: ClinicianBody::of(known) }))
}

/// Remove somebody. Every login of theirs ends.
#[utoipa::path(
    delete, path = "/api/v1/clinicians/{name}", tag = "clinicians",
    params(("name" = String, Path), ("organisation" = Option<String>, Query, description = "Another than your own, for whoever runs the server")),
    responses((status = 200, description = "Removed", body = RemovedBody))
)]
pub async fn remove(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    path: Path<String>,
) -> Result<HttpResponse, Problem> {
    let org = org_of(caller, Query::of(&request).text("organisation"))?;
    watch::ahead_of(&state, &request, &org, Object::default()).await?;
    if state.store().remove_clinician(&org, &name_in_path(path)?).await? {
        return Ok(HttpResponse::Ok().json(RemovedBody { removed: true }));
    }
    Err(Problem::not_found())
}

/// A malformed name names nobody.
fn name_in_path(path: Path<String>) -> Result<ClinicianName, Problem> {
    ClinicianName::parse(&path.into_inner()).map_err(|_malformed| Problem::not_found())
}
