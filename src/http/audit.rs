//! The audit as an admin reads it.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};

use crate::access::Caller;

use super::keys::org_of;
use super::lists::{PAGE_DEFAULT, PAGE_MAX};
use super::problem::Problem;
use super::query::Query;
use super::state::State;
use super::wire::audit::{AuditBody, VerifiedBody, noted};

/// Records of the chain, oldest first. What was done in the last moment is not sealed yet.
#[utoipa::path(
    get, path = "/api/v1/audit", tag = "audit",
    params(
        ("from" = Option<u64>, Query, description = "The number of the first record, by default 1"),
        ("limit" = Option<u32>, Query, description = "1 to 500, by default 100"),
        ("organisation" = Option<String>, Query, description = "Another than your own, for whoever runs the server")
    ),
    responses((status = 200, description = "A page", body = AuditBody))
)]
pub async fn show(state: Data<State>, caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let from = query.whole("from", 1..=u64::MAX).unwrap_or(1);
    let limit = query.whole("limit", 1..=PAGE_MAX).unwrap_or(PAGE_DEFAULT);
    let org = org_of(caller, query.text("organisation"))?;
    query.finish()?;
    let records = state.store().chain(&org, from, limit).await?;
    let head = state.store().head(&org).await?;
    Ok(HttpResponse::Ok().json(AuditBody::of(&records, &head)))
}

/// Walk the chain from its first record and say whether it is whole, or which record is the first that is not.
#[utoipa::path(
    get, path = "/api/v1/audit/verify", tag = "audit",
    params(
        ("noted" = Option<String>, Query, description = "`SEQ:MAC` of a record that was noted elsewhere: the chain has to hold it"),
        ("organisation" = Option<String>, Query, description = "Another than your own, for whoever runs the server")
    ),
    responses((status = 200, description = "What was found", body = VerifiedBody))
)]
pub async fn verify(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let noted = query.parse("noted", "a number and a hash, like 12:0a1b", noted);
    let org = org_of(caller, query.text("organisation"))?;
    query.finish()?;
    let found = crate::audit::verify(state.store(), &state.turns.secret, &org, noted.as_ref()).await?;
    Ok(HttpResponse::Ok().json(VerifiedBody::of(found)))
}
