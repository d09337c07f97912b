//! Who stands behind Attune where it runs.

use super::level::Level;

/// From the laxest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// There is no clinician: two negative re-screens, a day apart, end a level that pauses.
    SelfHelp,
    /// Clinicians clear a level that pauses; nothing else lowers it.
    #[default]
    Supervised,
    /// Nobody is talked with. Danger is answered all the same.
    Disabled,
}

impl Mode {
    /// Whether re-screens may end a level.
    #[must_use]
    pub fn ends_by_rescreens(self, level: Level) -> bool {
        match self {
            Self::Supervised | Self::Disabled => !level.pauses(),
            Self::SelfHelp => true,
        }
    }
}
