//! Who calls: every route is served behind its [`Operation`], and no handler is handed a caller or a session but by the
//! extractors here. What is not granted is refused, what is another's is not there.

use std::future::{Ready, ready};
use std::pin::Pin;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest, ResponseError as _, web};

use crate::access::{
    Access, Caller, CredentialHash, Grant, Kind, Operation, RawCredential, Reach, Role, Who,
};
use crate::config::Auth;
use crate::domain::id::{SessionId, SessionKey};
use crate::store::Credential;

use super::problem::{Code, Problem};
use super::state::State;

/// A key in a header of its own, as some clients send it.
const API_KEY: &str = "x-api-key";

/// Lets a request through to its handler where its caller may do this.
pub async fn authorize(
    operation: Operation,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let admitted = match request.app_data::<web::Data<State>>().cloned() {
        Some(state) => admit(&state, operation, &request).await,
        None => Err(Problem::new(Code::Internal, "the server has no state")),
    };
    match admitted {
        Ok(admitted) => {
            if let Some(Admitted { caller, presented }) = admitted {
                request.extensions_mut().insert(caller);
                request.extensions_mut().insert(presented);
            }
            next.call(request).await.map(ServiceResponse::map_into_boxed_body)
        }
        Err(problem) => Ok(request.into_response(problem.error_response())),
    }
}

/// Who was let in, and by what.
struct Admitted {
    caller: Caller,
    presented: Option<Presented>,
}

/// The credential by which a caller was let in, for the operation that puts another in its place.
#[derive(Clone, Copy)]
pub struct Presented {
    pub hash: CredentialHash,
    pub kind: Kind,
}

/// `None` where the operation is anybody's.
async fn admit(
    state: &State,
    operation: Operation,
    request: &ServiceRequest,
) -> Result<Option<Admitted>, Problem> {
    if operation.row().access == Access::Anyone {
        return Ok(None);
    }
    let admitted = match authenticate(state, request.headers()).await {
        Err(problem) if problem.code == Code::Unauthorized => {
            // Whoever guesses is slowed down, on the routes too that read their text before they count.
            state.addresses.check(request.peer_addr(), request.headers())?;
            return Err(problem);
        }
        admitted => admitted?,
    };
    match admitted.caller.grant(operation) {
        Grant::Own => Ok(Some(admitted)),
        Grant::No => Err(Problem::new(Code::Forbidden, "the credential is not for this")),
    }
}

/// Who presents the credential of a request. An open server takes those who present none.
async fn authenticate(state: &State, headers: &HeaderMap) -> Result<Admitted, Problem> {
    let Some(presented) = presented(headers)? else {
        return match state.auth {
            Auth::Open => Ok(Admitted { caller: Caller::open(), presented: None }),
            Auth::Required => Err(unauthorized("a credential is needed")),
        };
    };
    let raw = RawCredential::parse(&presented).ok_or_else(refused)?;
    let presented = Some(Presented { hash: raw.hash(), kind: raw.kind() });
    if let Some(caller) = state.bootstrap_caller(&raw) {
        return Ok(Admitted { caller, presented });
    }
    let credential = state.store().present(raw.hash()).await?.ok_or_else(refused)?;
    let fits = credential.kind == raw.kind() && raw.kind() != Kind::Login;
    let caller = if fits { caller_of(credential)? } else { return Err(refused()) };
    Ok(Admitted { caller, presented })
}

/// The one credential that a request presents.
fn presented(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut found = None;
    for (name, value) in headers
        .get_all(AUTHORIZATION)
        .map(|value| ("authorization", value))
        .chain(headers.get_all(API_KEY).map(|value| (API_KEY, value)))
    {
        let text = value.to_str().map_err(|_| refused())?;
        let text = if name == API_KEY { text } else { of_scheme(text).ok_or_else(refused)? };
        if found.replace(text.to_owned()).is_some() {
            return Err(unauthorized("more than one credential is presented"));
        }
    }
    Ok(found)
}

/// The credential behind `Bearer`, in any case.
fn of_scheme(text: &str) -> Option<&str> {
    let (scheme, credential) = text.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credential.trim())
}

fn caller_of(credential: Credential) -> Result<Caller, Problem> {
    let Credential { id, org, role, label, session, .. } = credential;
    let (who, name) = match (role, session) {
        (Role::Client, Some(session)) => {
            let name = session.to_string();
            (Who::Client(session), name)
        }
        (Role::App, None) => (Who::App, id),
        (Role::Admin, None) => (Who::Admin, id),
        (Role::Clinician, None) => (Who::Clinician, label),
        (Role::Client, None) | (Role::App | Role::Admin | Role::Clinician, Some(_)) => return Err(refused()),
    };
    Ok(Caller { org, who, name })
}

/// The same for one that is unknown, altered, used up, ended or revoked.
pub fn refused() -> Problem {
    unauthorized("the credential is not valid")
}

fn unauthorized(detail: &str) -> Problem {
    let challenge = HeaderValue::from_static("Bearer realm=\"attune\"");
    Problem::new(Code::Unauthorized, detail).header(WWW_AUTHENTICATE, challenge)
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(caller(request))
    }
}

/// Whom the guard let in. Without a guard there is nobody.
fn caller(request: &HttpRequest) -> Result<Caller, Problem> {
    request.extensions().get::<Caller>().cloned().ok_or_else(|| unauthorized("a credential is needed"))
}

/// The session that a path names, where it is the caller's own. A malformed id names nothing.
pub struct Reached(pub SessionKey);

impl FromRequest for Reached {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let caller = caller(&request)?;
            let state = request.app_data::<web::Data<State>>().ok_or_else(Problem::not_found)?;
            let id = request.match_info().get("id").unwrap_or_default();
            let id = SessionId::parse(id).map_err(|_malformed| Problem::not_found())?;
            reach(state, &caller, id).await.map(Self)
        })
    }
}

/// A session by its id, where it is the caller's own. Of another's nothing is told, not even by the time it takes: the
/// store is asked only about what succeeds the caller's own.
pub async fn reach(state: &State, caller: &Caller, id: SessionId) -> Result<SessionKey, Problem> {
    match caller.reach(id) {
        Reach::Own(key) => Ok(key),
        Reach::Successor { own, key, root } => {
            let is_ours = own.id == root || succeeds(state, &own, &root).await?;
            let is_ours = is_ours && succeeds(state, &key, &root).await?;
            if is_ours { Ok(key) } else { Err(Problem::not_found()) }
        }
        Reach::Foreign => Err(Problem::not_found()),
    }
}

async fn succeeds(state: &State, key: &SessionKey, root: &SessionId) -> Result<bool, Problem> {
    let snapshot = state.store().read(key).await?;
    Ok(snapshot.is_some_and(|snapshot| snapshot.session.successor_of.as_ref() == Some(root)))
}
