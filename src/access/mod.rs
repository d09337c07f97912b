//! Who calls, and with what. Credentials and roles arrive with their own work; here stand the caller that every step
//! is handed and the secret that every keyed hash uses.

mod secret;

pub use secret::{KeyFileError, Secret};

use crate::domain::id::OrgId;
use crate::domain::session::Party;

/// The authenticated principal of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub org: OrgId,
    /// As whom it changes a session.
    pub party: Party,
    /// What tells it from other callers in the scope of an idempotency key.
    pub name: String,
}

impl Caller {
    /// Whoever reaches an open server: an app of the default organisation.
    #[must_use]
    pub fn open() -> Self {
        Self { org: OrgId::default(), party: Party::App, name: "open".to_owned() }
    }
}
