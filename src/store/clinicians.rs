//! What is kept of those who log in with a name and a password.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::access::{PasswordHash, Role};
use crate::domain::id::{ClinicianName, OrgId};
use crate::domain::time::Timestamp;

/// Tries in a row that may fail.
pub const TRIES_MAX: u32 = 5;
/// How long nobody gets in under a name after that, whatever they know.
pub const LOCKED_FOR: Duration = Duration::from_mins(15);

/// Somebody of an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clinician {
    pub org: OrgId,
    pub name: ClinicianName,
    /// Clinician or admin.
    pub role: Role,
    pub password: PasswordHash,
    pub made_at: Timestamp,
}

/// What a try to log in finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// Nobody of that name.
    Unknown,
    /// Too many tries have failed.
    Locked,
    /// This is what the password has to match. The try counts as failed until [`Clinicians::admit`] is told.
    Open(Box<Clinician>),
}

/// The part of the store that keeps clinicians. As with the rest, what was answered stands.
#[async_trait]
pub trait Clinicians: Send + Sync {
    /// Keeps a new one. False where the name is taken: then nothing has changed.
    async fn add_clinician(&self, clinician: Clinician) -> Result<bool, StoreError>;

    /// Sets a password, ends the lock, and ends all logins. False where there is nobody of that name.
    async fn set_password(
        &self,
        org: &OrgId,
        name: &ClinicianName,
        password: PasswordHash,
    ) -> Result<bool, StoreError>;

    /// Removes one, and ends all logins. False where there is nobody of that name.
    async fn remove_clinician(&self, org: &OrgId, name: &ClinicianName) -> Result<bool, StoreError>;

    /// All of an organisation, by name.
    async fn clinicians(&self, org: &OrgId) -> Result<Vec<Clinician>, StoreError>;

    /// Counts a try before it is judged, so that however many come at once no more than [`TRIES_MAX`] are. The last of
    /// them locks the name for [`LOCKED_FOR`], by the store's clock.
    async fn attempt(&self, org: &OrgId, name: &ClinicianName) -> Result<Attempt, StoreError>;

    /// The latest try was right: none has failed.
    async fn admit(&self, org: &OrgId, name: &ClinicianName) -> Result<(), StoreError>;
}
