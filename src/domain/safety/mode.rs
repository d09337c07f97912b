//! Who stands behind Attune where it runs.

use super::level::Level;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Clinicians clear a level that pauses; nothing else lowers it.
    #[default]
    Supervised,
    /// There is no clinician: two negative re-screens, a day apart, end a level that pauses.
    SelfHelp,
}

impl Mode {
    /// Whether re-screens may end a level.
    #[must_use]
    pub fn ends_by_rescreens(self, level: Level) -> bool {
        match self {
            Self::Supervised => !level.pauses(),
            Self::SelfHelp => true,
        }
    }
}
