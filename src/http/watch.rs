//! What is written down for the audit of requests: every access by a clinician or an admin, every change that somebody
//! with a credential asks for, and every refusal of one. Changes are written down before they are made, reads before they
//! are shown: nothing happens that is not known.

use actix_web::http::StatusCode;
use actix_web::{HttpMessage as _, HttpRequest};

use crate::access::{Caller, Operation, Role, Watch};
use crate::domain::audit::{Entry, Outcome};
use crate::domain::id::{ClinicianName, OrgId, SessionId};

use super::problem::Problem;
use super::state::State;

/// A request that is written down.
#[derive(Clone)]
pub struct Watched {
    org: OrgId,
    entry: Entry,
    is_change: bool,
    /// Whether its handler writes it down ahead, as only that knows what it is about.
    is_told_later: bool,
}

impl Watched {
    /// `None` where the caller may do this unseen.
    pub fn of(state: &State, caller: &Caller, operation: Operation, request: &HttpRequest) -> Option<Self> {
        let role = caller.role()?;
        let is_change = match (operation.watch(), role) {
            (Watch::No, _) | (Watch::Read, Role::Client | Role::App) => return None,
            (Watch::Read, Role::Clinician | Role::Admin) => false,
            (Watch::Change, _) => true,
        };
        Some(Self::new(state, caller, operation, request, is_change))
    }

    /// Writes down what is about to be done.
    pub async fn ahead(&self, state: &State) -> Result<(), Problem> {
        if self.is_change && !self.is_told_later { self.enter(state, Outcome::Asked).await } else { Ok(()) }
    }

    /// Writes down what is about to be done to what, in the organisation that it is done in.
    pub async fn ahead_of(&self, state: &State, org: &OrgId, on: Object) -> Result<(), Problem> {
        if *org == self.org && !self.is_told_later {
            return Ok(());
        }
        let object = on.id.or_else(|| self.entry.object.clone());
        let named = Self {
            org: org.clone(),
            entry: Entry { object, to: on.role, ..self.entry.clone() },
            ..self.clone()
        };
        named.enter(state, Outcome::Asked).await
    }

    /// Writes down what came of it.
    pub async fn behind(&self, state: &State, status: StatusCode) -> Result<(), Problem> {
        let is_refused = status.is_client_error() || status.is_server_error();
        let outcome = match (self.is_change, is_refused) {
            (true, false) => return Ok(()),
            (true, true) if status.is_server_error() => Outcome::Unknown,
            (true, true) => Outcome::Failed,
            (false, true) => Outcome::Refused,
            (false, false) => Outcome::Done,
        };
        self.enter(state, outcome).await
    }

    async fn enter(&self, state: &State, outcome: Outcome) -> Result<(), Problem> {
        let at_us = state.turns.clock.now().micros();
        let entry = Entry { at_us, outcome: Some(outcome), ..self.entry.clone() };
        Ok(state.store().enter(&self.org, entry).await?)
    }

    fn new(
        state: &State,
        caller: &Caller,
        operation: Operation,
        request: &HttpRequest,
        is_change: bool,
    ) -> Self {
        // Ours: a caller's own id for a request may be anything, and the same twice.
        let request_id = Some(state.turns.entropy.hex_id());
        let entry = Entry { request: request_id, ..entry(caller, operation, request) };
        let is_told_later = matches!(operation, Operation::CreateKey | Operation::AddClinician);
        Self { org: caller.org.clone(), entry, is_change, is_told_later }
    }
}

/// What a change is made to, where its path does not say.
#[derive(Default)]
pub struct Object {
    /// A key's, or a clinician's name.
    pub id: Option<String>,
    /// What it lets its bearer do.
    pub role: Option<String>,
}

/// Writes down what a handler is about to do to what, where the audit wants to know of it.
pub async fn ahead_of(state: &State, request: &HttpRequest, org: &OrgId, on: Object) -> Result<(), Problem> {
    let watched = request.extensions().get::<Watched>().cloned();
    match watched {
        Some(watched) => watched.ahead_of(state, org, on).await,
        None => Ok(()),
    }
}

/// Writes down that a credential was not for this. Best effort: it is refused whether or not.
pub async fn refused(state: &State, caller: &Caller, operation: Operation, request: &HttpRequest) {
    let refused = Watched::new(state, caller, operation, request, false);
    let _away = refused.enter(state, Outcome::Refused).await;
}

/// All of it but when, and what came of it.
fn entry(caller: &Caller, operation: Operation, request: &HttpRequest) -> Entry {
    let named = |name: &str| request.match_info().get(name).unwrap_or_default().to_owned();
    let path = operation.row().path;
    let is_of_session = path.starts_with("/session/{id}") || path.starts_with("/api/sessions/{id}");
    let session = if is_of_session { SessionId::parse(named("id")).ok() } else { None };
    let object = if is_of_session { None } else { plain(&named("id")).or_else(|| plain(&named("name"))) };
    Entry {
        action: operation.name(),
        role: caller.role().map(|role| role.as_str().to_owned()),
        name: Some(caller.name.clone()),
        session: session.map(|session| session.to_string()),
        object,
        ..Entry::default()
    }
}

/// An id or a name as a path has it. What is neither may be anything, words too.
fn plain(text: &str) -> Option<String> {
    ClinicianName::parse(text).ok().map(String::from)
}
