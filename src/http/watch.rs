//! What is written down for the audit of requests: every access by a clinician or an admin, every change that somebody
//! with a credential asks for, and every refusal of one. Changes are written down before they are made, reads before they
//! are shown: nothing happens that is not known.

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;

use crate::access::{Caller, Operation, Role, Watch};
use crate::domain::audit::{Entry, Outcome};
use crate::domain::id::{ClinicianName, OrgId, SessionId};

use super::edge::id_of;
use super::problem::Problem;
use super::state::State;

/// A request that is written down.
pub struct Watched {
    org: OrgId,
    entry: Entry,
    is_change: bool,
}

impl Watched {
    /// `None` where the caller may do this unseen.
    pub fn of(caller: &Caller, operation: Operation, request: &ServiceRequest) -> Option<Self> {
        let role = caller.role()?;
        let is_change = match (operation.watch(), role) {
            (Watch::No, _) | (Watch::Read, Role::Client | Role::App) => return None,
            (Watch::Read, Role::Clinician | Role::Admin) => false,
            (Watch::Change, _) => true,
        };
        Some(Self::new(caller, operation, request, is_change))
    }

    /// Writes down what is about to be done.
    pub async fn ahead(&self, state: &State) -> Result<(), Problem> {
        if self.is_change { self.enter(state, Outcome::Asked).await } else { Ok(()) }
    }

    /// Writes down what came of it.
    pub async fn behind(&self, state: &State, status: StatusCode) -> Result<(), Problem> {
        let is_refused = status.is_client_error() || status.is_server_error();
        match (self.is_change, is_refused) {
            (true, false) => Ok(()),
            (true, true) => self.enter(state, Outcome::Failed).await,
            (false, true) => self.enter(state, Outcome::Refused).await,
            (false, false) => self.enter(state, Outcome::Done).await,
        }
    }

    async fn enter(&self, state: &State, outcome: Outcome) -> Result<(), Problem> {
        let at_us = state.turns.clock.now().micros();
        let entry = Entry { at_us, outcome: Some(outcome), ..self.entry.clone() };
        Ok(state.store().enter(&self.org, entry).await?)
    }

    fn new(caller: &Caller, operation: Operation, request: &ServiceRequest, is_change: bool) -> Self {
        Self { org: caller.org.clone(), entry: entry(caller, operation, request), is_change }
    }
}

/// Writes down that a credential was not for this. Best effort: it is refused whether or not.
pub async fn refused(state: &State, caller: &Caller, operation: Operation, request: &ServiceRequest) {
    let refused = Watched::new(caller, operation, request, false);
    let _away = refused.enter(state, Outcome::Refused).await;
}

/// All of it but when, and what came of it.
fn entry(caller: &Caller, operation: Operation, request: &ServiceRequest) -> Entry {
    let named = |name: &str| request.match_info().get(name).unwrap_or_default().to_owned();
    let is_of_session = operation.row().path.starts_with("/session/{id}");
    let session = if is_of_session { SessionId::parse(named("id")).ok() } else { None };
    let object = if is_of_session { None } else { plain(&named("id")).or_else(|| plain(&named("name"))) };
    Entry {
        action: operation.name(),
        role: caller.role().map(|role| role.as_str().to_owned()),
        name: Some(caller.name.clone()),
        session: session.map(|session| session.to_string()),
        object,
        request: Some(id_of(request.request())),
        ..Entry::default()
    }
}

/// An id or a name as a path has it. What is neither may be anything, words too.
fn plain(text: &str) -> Option<String> {
    ClinicianName::parse(text).ok().map(String::from)
}
