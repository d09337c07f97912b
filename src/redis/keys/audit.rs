//! The keys of the audit.

use super::Keys;
use crate::domain::id::OrgId;

impl Keys {
    /// What was done and is not sealed yet. Among the indices, because whatever changes a session knows these.
    #[must_use]
    pub fn outbox(&self, org: &OrgId) -> String {
        self.index(org, "outbox")
    }

    #[must_use]
    pub fn chain(&self, org: &OrgId) -> String {
        format!("{}audit:chain", self.of_org(org))
    }

    /// Where the chain ends.
    #[must_use]
    pub fn chain_head(&self, org: &OrgId) -> String {
        format!("{}audit:head", self.of_org(org))
    }
}
