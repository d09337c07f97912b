//! The keys of what one server does for all.

use super::Keys;
use crate::domain::id::OrgId;
use crate::domain::notice::Channel;

impl Keys {
    /// Who leads in a role.
    #[must_use]
    pub fn lead(&self, role: &str) -> String {
        format!("{}lead:{role}", self.prefix)
    }

    /// How far whoever leads has come, by name.
    #[must_use]
    pub fn marks(&self) -> String {
        format!("{}marks", self.prefix)
    }

    /// Open alerts by the millisecond in which something is to be done about them over a channel.
    #[must_use]
    pub fn notices(&self, org: &OrgId, channel: Channel) -> String {
        format!("{}notices:{}", self.alerts_prefix(org), channel.as_str())
    }
}
