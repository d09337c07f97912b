//! Credentials on the wire. A raw one stands in the answer that makes it, and in no other.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Kind, RawCredential, Role};
use crate::domain::id::OrgId;
use crate::domain::time::Timestamp;
use crate::http::problem::FieldError;
use crate::store::Credential;

/// The longest name of a key.
const LABEL_MAX_CHARS: usize = 80;
const DAYS_MAX: u16 = 3_650;

#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenBody {
    /// Goes into `Authorization: Bearer`.
    pub session_token: String,
    /// Its end, however much it is used.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
    /// Its end when it is not used for so long.
    pub idle_seconds: Option<u64>,
}

impl TokenBody {
    pub fn of(raw: &RawCredential, token: &Credential) -> Self {
        Self {
            session_token: raw.expose().to_owned(),
            expires_at: token.ends_at,
            idle_seconds: token.idle.map(|idle| idle.as_secs()),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Ticket)]
pub struct TicketBody {
    pub ticket: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Revoked)]
pub struct RevokedBody {
    pub revoked: u64,
}

#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CreateKey)]
pub struct CreateKeyBody {
    /// What it is for, in words.
    #[schema(min_length = 1, max_length = 80)]
    pub label: String,
    /// `app`, by default, or `admin`.
    pub role: Option<Role>,
    /// Without it the key stands until it is revoked.
    #[schema(minimum = 1, maximum = 3_650)]
    pub expires_in_days: Option<u16>,
    /// Another organisation than the caller's own, for whoever runs the server.
    pub organisation: Option<String>,
}

impl CreateKeyBody {
    /// What is stored of the key.
    pub fn credential(&self, org: OrgId, id: String, made_at: Timestamp) -> Result<Credential, FieldError> {
        let fault =
            |field: &str, message: &str| FieldError { field: field.to_owned(), message: message.to_owned() };
        let role = self.role.unwrap_or(Role::App);
        if !matches!(role, Role::App | Role::Admin) {
            return Err(fault("role", "must be app or admin: clients have tokens, clinicians log in"));
        }
        let label = self.label.trim().to_owned();
        if !(1..=LABEL_MAX_CHARS).contains(&label.chars().count()) || label.chars().any(char::is_control) {
            return Err(fault("label", "must have 1 to 80 characters, none of them a control character"));
        }
        if self.expires_in_days.is_some_and(|days| !(1..=DAYS_MAX).contains(&days)) {
            return Err(fault("expires_in_days", "must be from 1 to 3650"));
        }
        let days = |days: u16| made_at.plus(Duration::from_hours(24 * u64::from(days)));
        let ends_at = self.expires_in_days.map(days);
        Ok(Credential {
            id,
            kind: Kind::Key,
            org,
            role,
            label,
            clinician: None,
            session: None,
            made_at,
            ends_at,
            idle: None,
            behind: None,
        })
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = NewKey)]
pub struct NewKeyBody {
    /// Shown this once.
    pub key: String,
    #[serde(flatten)]
    pub about: KeyBody,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Key)]
pub struct KeyBody {
    /// Names the key to whoever revokes it. No secret.
    pub id: String,
    pub label: String,
    pub role: Role,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

impl NewKeyBody {
    pub fn of(raw: &RawCredential, key: &Credential) -> Self {
        Self { key: raw.expose().to_owned(), about: KeyBody::of(key) }
    }
}

impl KeyBody {
    pub fn of(key: &Credential) -> Self {
        Self {
            id: key.id.clone(),
            label: key.label.clone(),
            role: key.role,
            created_at: key.made_at,
            expires_at: key.ends_at,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Keys)]
pub struct KeysBody {
    pub keys: Vec<KeyBody>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Caller)]
pub struct CallerBody {
    pub organisation: String,
    /// `client`, `app`, `clinician` or `admin`; `anyone` on an open server without a credential.
    pub role: &'static str,
    /// The id of its key, a clinician's name, a client's session.
    pub name: String,
}
