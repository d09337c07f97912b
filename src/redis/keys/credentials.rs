//! The keys of credentials, and of those who log in.

use super::{CREDENTIALS, Keys};
use crate::domain::id::{ClinicianName, OrgId};

impl Keys {
    /// What stands before the hash of a credential. One that is presented does not tell its organisation.
    #[must_use]
    pub fn credentials_prefix(&self) -> String {
        format!("{}credential:", self.prefix)
    }

    #[must_use]
    pub fn credential(&self, hash: impl std::fmt::Display) -> String {
        format!("{}{hash}", self.credentials_prefix())
    }

    /// The API keys of an organisation.
    #[must_use]
    pub fn api_keys(&self, org: &OrgId) -> String {
        format!("{}{CREDENTIALS}:keys", self.of_org(org))
    }

    /// The logins of a clinician.
    #[must_use]
    pub fn logins(&self, org: &OrgId, name: &ClinicianName) -> String {
        format!("{}{CREDENTIALS}:clinician:{}", self.of_org(org), name.as_str())
    }

    #[must_use]
    pub fn clinician(&self, org: &OrgId, name: &ClinicianName) -> String {
        format!("{}{}", self.clinicians_prefix(org), name.as_str())
    }

    /// What stands before a clinician's name, in a key that is no session's and no client's.
    #[must_use]
    pub fn clinicians_prefix(&self, org: &OrgId) -> String {
        format!("{}clinician:", self.of_org(org))
    }

    /// The names of an organisation's clinicians.
    #[must_use]
    pub fn clinicians(&self, org: &OrgId) -> String {
        format!("{}clinicians", self.of_org(org))
    }
}
