//! Every route is served behind its [`Operation`], and no handler is handed a caller or a session but by the extractors
//! here. What is not granted is refused, what is another's is not there.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::time::Duration;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest, ResponseError as _, web};

use crate::access::{Access, Caller, Grant, Operation, Reach, Role, Watch};
use crate::domain::id::{SessionId, SessionKey};
use crate::store::StoreMode;

use super::credentials::{Authenticated, acquainted, authenticate, unauthorized};
use super::problem::{Code, Problem};
use super::state::State;
use super::watch::{self, Watched};

/// How long the store may take to say who speaks, before what they say is read.
const WORDS_WAIT: Duration = Duration::from_millis(150);

/// How long one who is in danger waits for it, where this server has not met them.
const DANGER_WAIT: Duration = Duration::from_millis(500);

/// Lets a request through to its handler where its caller may do this.
pub async fn authorize(
    operation: Operation,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(state) = request.app_data::<web::Data<State>>().cloned() else {
        let problem = Problem::new(Code::Internal, "the server has no state");
        return Ok(request.into_response(problem.error_response()));
    };
    let watched = match admit(&state, operation, &request).await {
        Ok(watched) => watched,
        Err(problem) => return Ok(request.into_response(problem.error_response())),
    };
    let named = request.match_info().get("id").filter(|_| operation.ends_credentials()).map(str::to_owned);
    let response = next.call(request).await.map(ServiceResponse::map_into_boxed_body)?;
    // Also where it is not known whether it was done.
    if let Some(id) = named {
        state.forget_acquainted(&id);
    }
    let Some(watched) = watched else { return Ok(response) };
    match watched.behind(&state, response.status()).await {
        Ok(()) => Ok(response),
        // What nobody could write down nobody is shown.
        Err(problem) => Ok(response.into_response(problem.error_response())),
    }
}

/// Lets a caller in who may do this, and tells the audit. `None` where it does not want to know what comes of it.
async fn admit(
    state: &State,
    operation: Operation,
    request: &ServiceRequest,
) -> Result<Option<Watched>, Problem> {
    if operation.row().access == Access::Anyone {
        return Ok(None);
    }
    let Authenticated { caller, by, .. } = if operation.takes_words() {
        match tokio::time::timeout(WORDS_WAIT, granted(state, operation, request.request())).await {
            Ok(Err(problem)) if !problem.is_of_store() => return Err(problem),
            Ok(Ok(granted)) => granted,
            // Whoever it is, what they say is read before it is refused.
            Ok(Err(_)) | Err(_) => {
                let known = acquainted(state, request.request()).map(|known| known.caller);
                request.extensions_mut().insert(Speaker::Unsure(known));
                return Ok(None);
            }
        }
    } else {
        granted(state, operation, request.request()).await?
    };
    let watched = Watched::of(state, &caller, operation, request.request());
    if let Some(watched) = &watched {
        watched.ahead(state).await?;
    }
    let mut told = request.extensions_mut();
    watched.clone().map(|watched| told.insert(watched));
    if operation.takes_words() {
        told.insert(Speaker::Known(caller));
    } else {
        told.insert(caller);
    }
    by.map(|by| told.insert(by));
    Ok(watched)
}

/// Who asks, where the table grants it.
async fn granted(
    state: &State,
    operation: Operation,
    request: &HttpRequest,
) -> Result<Authenticated, Problem> {
    let authenticated = match authenticate(state, operation, request).await {
        Err(problem) if problem.code == Code::Unauthorized => {
            // Whoever guesses is slowed down, on the routes too that read their text before they count.
            state.addresses.check(request.peer_addr(), request.headers())?;
            return Err(problem);
        }
        Err(problem) if problem.is_of_store() => known_here(state, operation, request).ok_or(problem)?,
        authenticated => authenticated?,
    };
    let is_granted = authenticated.caller.grant(operation) != Grant::No;
    // What is written down is kept for good: one person must not fill it.
    if authenticated.caller.role() == Some(Role::Client)
        && (!is_granted || operation.watch() == Watch::Change)
    {
        state.clients.check(&authenticated.caller)?;
    }
    if !authenticated.is_meant {
        watch::refused(state, &authenticated.caller, operation, request).await;
        return Err(Problem::new(Code::Forbidden, "X-CSRF-Token has to be that of the login"));
    }
    if !is_granted {
        watch::refused(state, &authenticated.caller, operation, request).await;
        let detail =
            format!("the credential is not for this; one of these roles is needed: {}", operation.roles());
        return Err(Problem::new(Code::Forbidden, detail));
    }
    Ok(authenticated)
}

/// Whom this server has let in lately, while turns go on here without the store that could tell. Not for what clinicians
/// read: without the audit nobody is shown another's words.
fn known_here(state: &State, operation: Operation, request: &HttpRequest) -> Option<Authenticated> {
    let is_local = state.standing().is_some_and(|standing| standing.mode == StoreMode::Local);
    let known = acquainted(state, request).filter(|_| is_local && operation.goes_on_locally())?;
    let role = known.caller.role();
    let may = matches!(role, Some(Role::Client | Role::App)) || operation == Operation::SwitchStore;
    // A connection stays longer than the outage: it is asked again what let it in.
    let by = known.by.clone().filter(|_| operation == Operation::Connect);
    may.then_some(Authenticated { by, ..known })
}

/// Who speaks, on the routes that take words.
#[derive(Clone)]
pub enum Speaker {
    Known(Caller),
    /// The store did not say in time. Whom this server knows from lately, where it knows them.
    Unsure(Option<Caller>),
}

impl FromRequest for Speaker {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let speaker = request.extensions().get::<Self>().cloned();
        ready(speaker.ok_or_else(|| unauthorized("a credential is needed")))
    }
}

/// Where a speaker's words go.
pub enum Place {
    /// A session that is the caller's own.
    Own(Caller, SessionKey),
    /// The store that knows is away, and it is answered all the same.
    Unknown,
}

impl Speaker {
    /// Finds the session. One who is in danger does not wait for a store that does not answer.
    ///
    /// # Errors
    /// The problem that refuses the words.
    pub async fn place(
        self,
        state: &State,
        (operation, request): (Operation, &HttpRequest),
        id: SessionId,
        is_in_danger: bool,
    ) -> Result<Place, Problem> {
        let caller = match self {
            Self::Known(caller) => caller,
            Self::Unsure(Some(caller)) if is_in_danger => caller,
            Self::Unsure(None) if is_in_danger => {
                // A store that is slow and no more: whose danger it is, is worth a moment.
                match tokio::time::timeout(DANGER_WAIT, granted(state, operation, request)).await {
                    Ok(Err(problem)) if !problem.is_of_store() => return Err(problem),
                    Ok(Ok(granted)) => granted.caller,
                    Ok(Err(_)) | Err(_) => return Ok(Place::Unknown),
                }
            }
            Self::Unsure(_) => granted(state, operation, request).await?.caller,
        };
        if !is_in_danger {
            let key = reach(state, &caller, id).await?;
            return Ok(Place::Own(caller, key));
        }
        match tokio::time::timeout(WORDS_WAIT, reach(state, &caller, id)).await {
            Ok(Err(problem)) if !problem.is_of_store() => Err(problem),
            Ok(Ok(key)) => Ok(Place::Own(caller, key)),
            Ok(Err(_)) | Err(_) => Ok(Place::Unknown),
        }
    }
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
