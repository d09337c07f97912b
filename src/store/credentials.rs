//! What is kept of credentials: of a raw one its hash alone, and whom it lets in as whom.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::access::{CredentialHash, Kind, Role};
use crate::domain::id::{ClinicianName, OrgId, SessionId, SessionKey};
use crate::domain::time::Timestamp;

/// Credentials that one holder may have at once. A new one beyond it puts the oldest out.
pub const CREDENTIALS_MAX: usize = 32;

/// What is stored of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Names it in lists, in the audit and to whoever revokes it. No secret.
    pub id: String,
    pub kind: Kind,
    pub org: OrgId,
    pub role: Role,
    /// What its maker calls it.
    pub label: String,
    /// Who has logged in.
    pub clinician: Option<ClinicianName>,
    /// The session of a client.
    pub session: Option<SessionId>,
    pub made_at: Timestamp,
    /// Its end, however much it is used.
    pub ends_at: Option<Timestamp>,
    /// Its end when it is not used for so long.
    pub idle: Option<Duration>,
    /// Of a ticket: what it was minted by. A connection that it opened stands as long as that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<CredentialHash>,
}

/// Whose credentials.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Holder {
    /// The API keys of an organisation.
    Keys(OrgId),
    /// The tokens and tickets of a session's client.
    Session(SessionKey),
    /// The logins of a clinician, by name.
    Clinician(OrgId, ClinicianName),
}

impl Credential {
    #[must_use]
    pub fn holder(&self) -> Holder {
        match (&self.session, &self.clinician) {
            (Some(session), _) => Holder::Session(SessionKey::new(self.org.clone(), session.clone())),
            (None, Some(name)) => Holder::Clinician(self.org.clone(), name.clone()),
            (None, None) => Holder::Keys(self.org.clone()),
        }
    }

    /// When it ends if it is used now and never again.
    #[must_use]
    pub fn stands_until(&self, now: Timestamp) -> Option<Timestamp> {
        let idle = self.idle.map(|idle| now.plus(idle));
        match (idle, self.ends_at) {
            (Some(idle), Some(ends)) => Some(idle.min(ends)),
            (one, other) => one.or(other),
        }
    }
}

/// The part of the store that keeps credentials. As with the rest, what was answered stands.
#[async_trait]
pub trait Credentials: Send + Sync {
    /// Keeps a new credential under its hash. Where its holder has [`CREDENTIALS_MAX`] already, the oldest ends; of API
    /// keys none ends by that. False where the session or the clinician that it is for is not there: then nothing is kept.
    async fn issue(&self, hash: CredentialHash, credential: Credential) -> Result<bool, StoreError>;

    /// Presents one: what it stands for, while it stands. Its idle time begins anew; a ticket ends with it.
    async fn present(&self, hash: CredentialHash) -> Result<Option<Credential>, StoreError>;

    /// Puts a new one in the place of one that stands, at once for both. False where the old one does not stand: then
    /// nothing has changed.
    async fn rotate(
        &self,
        old: CredentialHash,
        new: (CredentialHash, Credential),
    ) -> Result<bool, StoreError>;

    /// Ends the credentials of a holder: the one of this id, or all. How many that were.
    async fn revoke(&self, holder: Holder, id: Option<String>) -> Result<u64, StoreError>;

    /// What stands of a holder's credentials, oldest first.
    async fn credentials(&self, holder: Holder) -> Result<Vec<Credential>, StoreError>;

    /// Whether any organisation has an API key.
    async fn has_keys(&self) -> Result<bool, StoreError>;
}
