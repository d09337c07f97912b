//! Who may call, and as whom.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::id::{OrgId, SessionId, SessionKey};
use crate::domain::session::Party;

use super::matrix::{Access, Grant, Operation};

/// What a credential makes of its bearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A person in one session.
    Client,
    /// An app's own server, for all sessions of its organisation.
    App,
    /// Somebody who looks after clients.
    Clinician,
    /// Somebody who runs Attune, and reads no session.
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Client, Self::App, Self::Clinician, Self::Admin];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::App => "app",
            Self::Clinician => "clinician",
            Self::Admin => "admin",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }

    const fn party(self) -> Party {
        match self {
            Self::Client => Party::Client,
            Self::App => Party::App,
            Self::Clinician => Party::Clinician,
            Self::Admin => Party::Admin,
        }
    }
}

/// The authenticated principal of a request. Made of a credential, or by a server that is open to everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub org: OrgId,
    pub who: Who,
    /// Tells it from other callers: the id of its key, a clinician's name, a client's session. No secret.
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Whoever reaches an open server: it may do everything.
    Anyone,
    /// The session is the one that its credential was made for.
    Client(SessionId),
    App,
    Clinician,
    Admin,
    /// An admin who runs the server, by the key that the configuration names: of every organisation.
    Operator,
}

/// A session that a caller may or may not work on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    Own(SessionKey),
    /// The caller's own where both sessions are of the line of `root`, which the store knows.
    Successor {
        own: SessionKey,
        key: SessionKey,
        root: SessionId,
    },
    /// Another's: to be answered as if there were none.
    Foreign,
}

impl Caller {
    /// The admin by the key that the configuration names.
    #[must_use]
    pub fn bootstrap() -> Self {
        Self { org: OrgId::default(), who: Who::Operator, name: "bootstrap".to_owned() }
    }

    /// Whoever reaches an open server.
    #[must_use]
    pub fn open() -> Self {
        Self { org: OrgId::default(), who: Who::Anyone, name: "open".to_owned() }
    }

    /// Whoever reaches an open server, and the bearer of the key that the configuration names.
    #[must_use]
    pub fn runs_the_server(&self) -> bool {
        match self.who {
            Who::Anyone | Who::Operator => true,
            Who::Client(_) | Who::App | Who::Clinician | Who::Admin => false,
        }
    }

    /// `None` on an open server.
    #[must_use]
    pub const fn role(&self) -> Option<Role> {
        match self.who {
            Who::Anyone => None,
            Who::Client(_) => Some(Role::Client),
            Who::App => Some(Role::App),
            Who::Clinician => Some(Role::Clinician),
            Who::Admin | Who::Operator => Some(Role::Admin),
        }
    }

    /// As whom it changes a session.
    #[must_use]
    pub fn party(&self) -> Party {
        self.role().map_or(Party::App, Role::party)
    }

    /// What the matrix grants it. Whoever reaches an open server is granted everything.
    #[must_use]
    pub fn grant(&self, operation: Operation) -> Grant {
        match (operation.row().access, self.role()) {
            (Access::Anyone, _) | (Access::Roles(_), None) => Grant::Own,
            (Access::Roles(grants), Some(role)) => grants.of(role),
        }
    }

    /// Whether a session is this caller's own: a client's is the one of its credential and what succeeds it, everybody
    /// else's are those of the organisation.
    #[must_use]
    pub fn reach(&self, id: SessionId) -> Reach {
        let own = match &self.who {
            Who::Anyone | Who::App | Who::Clinician | Who::Admin | Who::Operator => None,
            Who::Client(session) => Some(session),
        };
        let key = |id| SessionKey::new(self.org.clone(), id);
        match own {
            None => Reach::Own(key(id)),
            Some(own) if *own == id => Reach::Own(key(id)),
            Some(own) => match line_of(own, &id) {
                Some(root) => Reach::Successor { own: key(own.clone()), key: key(id), root },
                None => Reach::Foreign,
            },
        }
    }
}

/// The first of the line that both ids may be of, by their spelling: of `own` itself, or where it is numbered of what it may
/// succeed. An app may have made an id that only looks like a successor's.
fn line_of(own: &SessionId, id: &SessionId) -> Option<SessionId> {
    let root = id.root()?;
    (root == *own || own.root().is_some_and(|first| first == root)).then_some(root)
}
