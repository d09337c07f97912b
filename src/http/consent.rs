//! What people consent to: the text, and in a session given, read, withdrawn.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::domain::consent::{ConsentChange, ConsentRule};
use crate::domain::id::SessionKey;
use crate::store::Consented;

use super::body::{self, OTHER_MAX_BYTES};
use super::guard::Reached;
use super::problem::{Body, Code, Problem};
use super::state::State;
use super::wire::consent::{ConsentBody, ConsentTextBody, SessionConsentBody};

/// The text that people consent to before they talk.
#[utoipa::path(
    get, path = "/api/v1/consent", tag = "consent",
    responses((status = 200, description = "The current text", body = ConsentTextBody))
)]
pub async fn current(state: Data<State>) -> HttpResponse {
    let text = state.turns.knowledge.consent.clone();
    let required = match state.turns.settings.consent {
        ConsentRule::Off => false,
        ConsentRule::Required => true,
    };
    let body = ConsentTextBody { version: text.version, hash: text.hash, text: text.text, required };
    HttpResponse::Ok().json(body)
}

/// What the client of a session consented to.
#[utoipa::path(
    get, path = "/api/v1/session/{id}/consent", tag = "consent", params(("id" = String, Path)),
    responses((status = 200, description = "The consent, standing or not", body = SessionConsentBody))
)]
pub async fn read(state: Data<State>, Reached(key): Reached) -> Result<HttpResponse, Problem> {
    change(&state, key, ConsentChange::None).await
}

/// Consent to the current text. A second time changes nothing.
#[utoipa::path(
    post, path = "/api/v1/session/{id}/consent", tag = "consent", request_body = ConsentBody,
    params(("id" = String, Path)),
    responses((status = 200, description = "It stands", body = SessionConsentBody), (status = 409, description = "It is to another text than the current one", body = Body, content_type = "application/problem+json"))
)]
pub async fn give(
    state: Data<State>,
    request: HttpRequest,
    Reached(key): Reached,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(&request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let ConsentBody { version, hash } = to_the_current(&state, body::decode(&bytes)?)?;
    change(&state, key, ConsentChange::Give { version, hash }).await
}

/// Withdraw the consent: from then on nothing that is said here is answered or stored, but for danger. A second time
/// changes nothing.
#[utoipa::path(
    delete, path = "/api/v1/session/{id}/consent", tag = "consent", params(("id" = String, Path)),
    responses((status = 200, description = "It stands no more", body = SessionConsentBody))
)]
pub async fn withdraw(state: Data<State>, Reached(key): Reached) -> Result<HttpResponse, Problem> {
    change(&state, key, ConsentChange::Revoke).await
}

/// Nobody consents to what they have not read.
pub fn to_the_current(state: &State, given: ConsentBody) -> Result<ConsentBody, Problem> {
    if state.turns.knowledge.consent.is(&given.version, &given.hash) {
        return Ok(given);
    }
    Err(Problem::new(Code::ConsentOutdated, "read GET /consent, and consent to that version and hash"))
}

async fn change(state: &State, key: SessionKey, change: ConsentChange) -> Result<HttpResponse, Problem> {
    match state.store().consent(&key, change).await? {
        Consented::Of(consent) => {
            let text = &state.turns.knowledge.consent;
            Ok(HttpResponse::Ok().json(SessionConsentBody::of(key.id.to_string(), consent, text)))
        }
        Consented::Absent => Err(Problem::not_found()),
    }
}
