//! Who stands behind Attune where it runs.

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Clinicians clear a level that pauses; nothing else lowers it.
    #[default]
    Supervised,
    /// There is no clinician: two negative re-screens, a day apart, end a level that pauses.
    SelfHelp,
}
