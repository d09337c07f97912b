//! Who speaks over a connection, and whether what let it in still stands. That is asked with every input and every heartbeat:
//! one look-up each, and none where no credential was needed.

use std::time::Duration;

use crate::access::{Caller, CredentialHash, Kind};
use crate::config::Auth;
use crate::http::credentials::{PresentedBy, stands};
use crate::http::problem::Problem;
use crate::http::state::State;

/// How long somebody in danger waits for a store that is asked who they are.
const DANGER_WAIT: Duration = Duration::from_millis(150);

pub struct Speaker {
    pub caller: Caller,
    pub by: Option<PresentedBy>,
    /// Let in without a credential, where everything else needs one.
    pub is_legacy: bool,
}

impl Speaker {
    pub fn of(state: &State, caller: Caller, by: Option<PresentedBy>) -> Self {
        let is_legacy = by.is_none() && state.auth == Auth::Required;
        Self { caller, by, is_legacy }
    }

    /// # Errors
    /// What was revoked, or ended; or the store is away.
    pub async fn check(&self, state: &State) -> Result<(), Problem> {
        match &self.by {
            Some(by) => stands(state, by).await,
            None => Ok(()),
        }
    }

    /// The same for one who is in danger: a store that is slow or away stands in nobody's way.
    ///
    /// # Errors
    /// What was revoked, or ended.
    pub async fn check_in_danger(&self, state: &State) -> Result<(), Problem> {
        match tokio::time::timeout(DANGER_WAIT, self.check(state)).await {
            Ok(Err(problem)) if !problem.is_of_store() => Err(problem),
            Ok(Ok(()) | Err(_)) | Err(_) => Ok(()),
        }
    }

    /// The session token by which the caller speaks.
    pub fn token(&self) -> Option<CredentialHash> {
        self.by.as_ref().filter(|by| by.kind == Kind::Session).map(|by| by.hash)
    }

    /// Whether what let it in was made for one session of therapy.
    pub fn is_of_session(&self) -> bool {
        self.by.as_ref().is_some_and(|by| matches!(by.kind, Kind::Session | Kind::Ticket))
    }
}
