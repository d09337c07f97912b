//! Clinicians log in with a name and a password, and are known by a cookie from then on.

use std::time::Duration;

use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use secrecy::SecretString;
use tokio::time::Instant;

use crate::access::{Caller, Kind, Operation, PasswordHash, RawCredential, is_fit, make_password};
use crate::domain::audit::{Entry, Outcome};
use crate::domain::id::{ClinicianName, OrgId};
use crate::store::{Attempt, Clinician, Credential, Holder};

use super::body::{self, OTHER_MAX_BYTES};
use super::credentials::PresentedBy;
use super::passwords::Room;
use super::problem::{Code, Problem};
use super::state::State;
use super::wire::clinicians::{LoggedInBody, LoggedOutBody, LoginBody, PasswordBody, password_fault};

/// The cookie's name.
pub const COOKIE: &str = "attune_login";

/// A wrong name and a wrong password take the same time, where looking at them takes no longer.
const FAILURE_TAKES: Duration = Duration::from_millis(500);

/// Log in.
#[utoipa::path(
    post, path = "/api/v1/login", tag = "clinicians", request_body = LoginBody,
    responses((status = 200, description = "Logged in, by the cookie that comes with it", body = LoggedInBody), (status = 401, description = "Name or password is wrong, or too many tries have failed", body = super::problem::Body, content_type = "application/problem+json"))
)]
pub async fn login(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(&request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let asked: LoginBody = body::decode(&bytes)?;
    let began = Instant::now();
    let org = asked.organisation.map_or_else(|| Ok(OrgId::default()), OrgId::parse);
    let name = ClinicianName::parse(&asked.name);
    let clinician = match (org, name) {
        (Ok(org), Ok(name)) => judge(&state, &org, &name, asked.password, Operation::LogIn).await?,
        (_, _) => waste(state.passwords.room()?, asked.password).await?,
    };
    let wrong = || Problem::new(Code::LoginFailed, "name or password is wrong");
    let Some(clinician) = clinician else {
        // What is written down of some names and not of others takes its time too.
        tokio::time::sleep_until(began + FAILURE_TAKES).await;
        return Err(wrong());
    };
    state.store().admit(&clinician.org, &clinician.name).await?;
    let (raw, login) = made(&state, &clinician);
    let body = LoggedInBody::of(&login, state.turns.secret.csrf(&raw.hash()));
    let (holder, id) = (login.holder(), login.id.clone());
    let is_issued = state.store().issue(raw.hash(), login).await?;
    if !(is_issued && is_current(&state, &clinician).await?) {
        state.store().revoke(holder, Some(id)).await?;
        tell_audit(&state, &clinician, Operation::LogIn, Outcome::Refused).await?;
        return Err(wrong());
    }
    tell_audit(&state, &clinician, Operation::LogIn, Outcome::Done).await?;
    Ok(HttpResponse::Ok().cookie(cookie(&state, raw.expose(), state.lifetimes.login)).json(body))
}

/// Who it is, where the password is right. Who is not there, and who is locked out, costs the same time.
async fn judge(
    state: &State,
    org: &OrgId,
    name: &ClinicianName,
    password: SecretString,
    operation: Operation,
) -> Result<Option<Clinician>, Problem> {
    // First, so that no try counts that is not judged.
    let room = state.passwords.room()?;
    match state.store().attempt(org, name).await? {
        Attempt::Unknown | Attempt::Locked => waste(room, password).await,
        Attempt::Open(clinician) => {
            let hash = clinician.password.clone();
            let is_right = room.work(move || hash.verify(&password)).await?;
            if !is_right {
                tell_audit(state, &clinician, operation, Outcome::Refused).await?;
            }
            Ok(is_right.then_some(*clinician))
        }
    }
}

/// Who logs in, or fails to. Of names that nobody has nothing is written down: they may be anything.
async fn tell_audit(
    state: &State,
    clinician: &Clinician,
    operation: Operation,
    outcome: Outcome,
) -> Result<(), Problem> {
    let entry = Entry {
        at_us: state.turns.clock.now().micros(),
        action: operation.name(),
        outcome: Some(outcome),
        role: Some(clinician.role.as_str().to_owned()),
        name: Some(clinician.name.as_str().to_owned()),
        request: Some(state.turns.entropy.hex_id()),
        ..Entry::default()
    };
    Ok(state.store().enter(&clinician.org, entry).await?)
}

/// Whether the password that was looked at is still the right one. A new one ends the logins that it finds; one that is
/// issued behind it ends itself.
async fn is_current(state: &State, judged: &Clinician) -> Result<bool, Problem> {
    let known = state.store().clinicians(&judged.org).await?;
    Ok(known.iter().any(|known| known.name == judged.name && known.password == judged.password))
}

/// Takes the time of a password that is looked at, and lets nobody in.
async fn waste(room: Room, password: SecretString) -> Result<Option<Clinician>, Problem> {
    room.work(move || PasswordHash::decoy().verify(&password)).await?;
    Ok(None)
}

fn made(state: &State, clinician: &Clinician) -> (RawCredential, Credential) {
    let (entropy, now) = (&state.turns.entropy, state.turns.clock.now());
    let login = Credential {
        id: entropy.hex_id(),
        kind: Kind::Login,
        org: clinician.org.clone(),
        role: clinician.role,
        label: String::new(),
        clinician: Some(clinician.name.clone()),
        session: None,
        made_at: now,
        ends_at: Some(now.plus(state.lifetimes.login)),
        idle: Some(state.lifetimes.login_idle),
        behind: None,
    };
    (RawCredential::make(Kind::Login, entropy), login)
}

/// Read by no script, sent to no other site, and over TLS alone but on this machine.
fn cookie<'c>(state: &State, value: &'c str, stands: Duration) -> Cookie<'c> {
    let seconds = time::Duration::seconds(i64::try_from(stands.as_secs()).unwrap_or(i64::MAX));
    let cookie = Cookie::build(COOKIE, value).path("/").http_only(true).same_site(SameSite::Strict);
    cookie.secure(!state.is_local).max_age(seconds).finish()
}

/// Log out: the cookie is good for nothing any more.
#[utoipa::path(
    post, path = "/api/v1/logout", tag = "clinicians",
    responses((status = 200, description = "Logged out", body = LoggedOutBody))
)]
pub async fn logout(state: Data<State>, by: PresentedBy) -> Result<HttpResponse, Problem> {
    let holder = by.clinician.map(|name| Holder::Clinician(by.org, name));
    let (Some(holder), Some(id)) = (holder, by.id) else {
        return Err(Problem::new(Code::Forbidden, "only a login ends by this"));
    };
    state.store().revoke(holder, Some(id)).await?;
    Ok(HttpResponse::Ok().cookie(cookie(&state, "", Duration::ZERO)).json(LoggedOutBody { logged_out: true }))
}

/// Choose another password. Every login ends, this one too.
#[utoipa::path(
    post, path = "/api/v1/password", tag = "clinicians", request_body = PasswordBody,
    responses((status = 200, description = "Changed: log in with it", body = LoggedOutBody))
)]
pub async fn change_password(
    state: Data<State>,
    caller: Caller,
    by: PresentedBy,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(&request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let asked: PasswordBody = body::decode(&bytes)?;
    let name = by.clinician.ok_or_else(|| Problem::invalid("credential", "is no login"))?;
    if !is_fit(&asked.new_password) {
        return Err(Problem::invalid_fields(vec![password_fault("new_password")]));
    }
    let known = judge(&state, &caller.org, &name, asked.password, Operation::ChangePassword).await?;
    let known = known.ok_or_else(|| Problem::new(Code::LoginFailed, "the password is wrong"))?;
    let hash = hashed(&state, asked.new_password).await?;
    state.store().set_password(&known.org, &known.name, hash).await?;
    Ok(HttpResponse::Ok().cookie(cookie(&state, "", Duration::ZERO)).json(LoggedOutBody { logged_out: true }))
}

pub async fn hashed(state: &State, password: SecretString) -> Result<PasswordHash, Problem> {
    let entropy = std::sync::Arc::clone(&state.turns.entropy);
    state.passwords.room()?.work(move || PasswordHash::of(&password, &entropy)).await
}

/// One of ours, where none is given.
pub fn given_or_made(state: &State, given: Option<SecretString>) -> (SecretString, bool) {
    match given {
        Some(password) => (password, false),
        None => (make_password(&state.turns.entropy), true),
    }
}
