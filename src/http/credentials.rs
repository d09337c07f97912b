//! Who presents a credential: found in a request's headers, looked up in the store, and told as a caller.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use actix_web::web::Data;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};

use crate::access::{Caller, CredentialHash, Kind, Operation, RawCredential, Role, Who, is_same};
use crate::config::Auth;
use crate::domain::id::{ClinicianName, OrgId};
use crate::store::{Credential, StoreMode};

use super::login::COOKIE;
use super::problem::{Code, Problem};
use super::socket;
use super::state::State;

/// A key in a header of its own, as some clients send it.
const API_KEY: &str = "x-api-key";
/// What a page sends beside the cookie of a login.
const CSRF: &str = "x-csrf-token";

/// Who was let in, and by what.
pub struct Authenticated {
    pub caller: Caller,
    /// `None` on an open server without a credential.
    pub by: Option<PresentedBy>,
    /// False where a browser may have sent it without the page: by a cookie alone, for what changes something.
    pub is_meant: bool,
}

/// The credential by which a caller was let in, for the operations that put another in its place or end it.
#[derive(Clone)]
pub struct PresentedBy {
    pub hash: CredentialHash,
    pub kind: Kind,
    pub org: OrgId,
    /// `None` of the one that the configuration names.
    pub id: Option<String>,
    pub clinician: Option<ClinicianName>,
    /// Of a ticket: what it was minted by.
    pub behind: Option<CredentialHash>,
}

/// Who presents the credential of a request. An open server takes those who present none.
pub async fn authenticate(
    state: &State,
    operation: Operation,
    request: &HttpRequest,
) -> Result<Authenticated, Problem> {
    if let Some(raw) = in_headers(request.headers())? {
        return let_in(state, &raw).await;
    }
    let is_socket = operation == Operation::Connect;
    if is_socket && let Some(ticket) = socket::ticket(request.headers())? {
        return let_in(state, &ticket).await;
    }
    match login_of(state, request).await? {
        Some(authenticated) => Ok(authenticated),
        None if state.auth == Auth::Open || is_socket && state.sockets.legacy => {
            Ok(Authenticated { caller: Caller::open(), by: None, is_meant: true })
        }
        None => Err(unauthorized("a credential is needed")),
    }
}

fn bootstrap(state: &State, raw: &RawCredential) -> Option<Authenticated> {
    let caller = state.bootstrap_caller(raw)?;
    let (hash, org) = (raw.hash(), caller.org.clone());
    let by = PresentedBy { hash, kind: Kind::Key, org, id: None, clinician: None, behind: None };
    Some(Authenticated { caller, by: Some(by), is_meant: true })
}

async fn let_in(state: &State, raw: &RawCredential) -> Result<Authenticated, Problem> {
    if let Some(bootstrap) = bootstrap(state, raw) {
        return Ok(bootstrap);
    }
    let credential = state.store().present(raw.hash()).await?;
    // A login is a cookie, and nothing else: no script has it.
    let fits = |credential: &Credential| credential.kind == raw.kind() && raw.kind() != Kind::Login;
    let credential = credential.filter(fits).ok_or_else(refused)?;
    // A ticket is good once.
    if credential.kind != Kind::Ticket && !state.acquainted.contains_key(&raw.hash()) {
        state.acquainted.insert(raw.hash(), credential.clone());
    }
    authenticated(credential, raw.hash())
}

/// Whether the credential by which a request was let in still stands. A ticket was used up by it.
pub async fn still_stands(request: &HttpRequest) -> Result<(), Problem> {
    let by = request.extensions().get::<PresentedBy>().cloned();
    let (Some(by), Some(state)) = (by, request.app_data::<Data<State>>()) else { return Ok(()) };
    stands(state, &by).await
}

/// The same for the credential itself.
pub async fn stands(state: &State, by: &PresentedBy) -> Result<(), Problem> {
    if by.id.is_none() {
        return Ok(());
    }
    // A ticket was used up: what it was minted by tells.
    let hash = if by.kind == Kind::Ticket { by.behind } else { Some(by.hash) };
    let Some(hash) = hash else { return Ok(()) };
    match state.store().present(hash).await {
        Ok(credential) => credential.map(drop).ok_or_else(refused),
        Err(_away) if is_known_here(state, hash) => Ok(()),
        Err(away) => Err(away.into()),
    }
}

/// Whether this server has let it in lately, while turns go on here without the store that could tell.
fn is_known_here(state: &State, hash: CredentialHash) -> bool {
    let is_local = state.standing().is_some_and(|standing| standing.mode == StoreMode::Local);
    let now = state.turns.clock.now();
    let stands = |known: &Credential| known.ends_at.is_none_or(|ends_at| now < ends_at);
    is_local && state.acquainted.get(&hash).is_some_and(|known| stands(&known))
}

/// The session token by which a request was let in.
pub fn token_of(request: &HttpRequest) -> Option<CredentialHash> {
    let extensions = request.extensions();
    extensions.get::<PresentedBy>().filter(|by| by.kind == Kind::Session).map(|by| by.hash)
}

/// Who presents a credential that was good here lately, where the store does not tell whether it still is.
pub fn acquainted(state: &State, request: &HttpRequest) -> Option<Authenticated> {
    if let Some(raw) = in_headers(request.headers()).ok()? {
        let now = state.turns.clock.now();
        let stands = |known: &Credential| known.ends_at.is_none_or(|ends_at| now < ends_at);
        let known = || authenticated(state.acquainted.get(&raw.hash()).filter(stands)?, raw.hash()).ok();
        return bootstrap(state, &raw).or_else(known);
    }
    let open = || Authenticated { caller: Caller::open(), by: None, is_meant: true };
    (state.auth == Auth::Open).then(open)
}

/// Who is logged in by a cookie. One that is good for nothing any more is none.
async fn login_of(state: &State, request: &HttpRequest) -> Result<Option<Authenticated>, Problem> {
    let cookie = request.cookie(COOKIE);
    let raw = cookie.and_then(|cookie| RawCredential::parse(cookie.value()));
    let Some(raw) = raw.filter(|raw| raw.kind() == Kind::Login) else { return Ok(None) };
    let Some(login) = state.store().present(raw.hash()).await? else { return Ok(None) };
    let given = request.headers().get(CSRF).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_meant =
        request.method().is_safe() || is_same(given, state.turns.secret.csrf(&raw.hash()).as_bytes());
    Ok(Some(Authenticated { is_meant, ..authenticated(login, raw.hash())? }))
}

/// The one credential that the headers present.
fn in_headers(headers: &HeaderMap) -> Result<Option<RawCredential>, Problem> {
    let bearers = headers.get_all(AUTHORIZATION).map(|value| value.to_str().ok().and_then(of_bearer));
    let keys = headers.get_all(API_KEY).map(|value| value.to_str().ok());
    let mut presented = bearers.chain(keys);
    let Some(first) = presented.next() else { return Ok(None) };
    if presented.next().is_some() {
        return Err(unauthorized("more than one credential is presented"));
    }
    first.and_then(RawCredential::parse).map(Some).ok_or_else(refused)
}

/// The credential behind `Bearer`, in any case.
fn of_bearer(text: &str) -> Option<&str> {
    let (scheme, credential) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim())
}

fn authenticated(credential: Credential, hash: CredentialHash) -> Result<Authenticated, Problem> {
    let by = PresentedBy {
        hash,
        kind: credential.kind,
        org: credential.org.clone(),
        id: Some(credential.id.clone()),
        clinician: credential.clinician.clone(),
        behind: credential.behind,
    };
    Ok(Authenticated { caller: caller_of(credential)?, by: Some(by), is_meant: true })
}

fn caller_of(credential: Credential) -> Result<Caller, Problem> {
    let Credential { id, org, role, clinician, session, .. } = credential;
    let name = clinician.map_or(id, |clinician| clinician.as_str().to_owned());
    let (who, name) = match (role, session) {
        (Role::Client, Some(session)) => {
            let name = session.to_string();
            (Who::Client(session), name)
        }
        (Role::App, None) => (Who::App, name),
        (Role::Admin, None) => (Who::Admin, name),
        (Role::Clinician, None) => (Who::Clinician, name),
        (Role::Client, None) | (Role::App | Role::Admin | Role::Clinician, Some(_)) => return Err(refused()),
    };
    Ok(Caller { org, who, name })
}

/// The same for one that is unknown, altered, used up, ended or revoked.
pub fn refused() -> Problem {
    unauthorized("the credential is not valid")
}

pub fn unauthorized(detail: &str) -> Problem {
    let challenge = HeaderValue::from_static("Bearer realm=\"attune\"");
    Problem::new(Code::Unauthorized, detail).header(WWW_AUTHENTICATE, challenge)
}

impl FromRequest for PresentedBy {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    /// An open server's caller has presented none, and what asks for it is not for them.
    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let by = request.extensions().get::<Self>().cloned();
        ready(by.ok_or_else(|| Problem::new(Code::Forbidden, "this needs a credential")))
    }
}
