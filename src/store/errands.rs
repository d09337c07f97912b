//! The part of the store by which one server does what has to be done once for all of them: who leads, and how far it came.

use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;

/// The role of whoever tells people of alerts, and the mark of how that fares: what goes on while Redis is away.
pub const ALERTS: &str = "alerts";
pub const NOTICES_FAILING: &str = "notices:failing";

/// A lead is asked for again and again: whoever has it keeps it that way, and when they end another gets it once it ran
/// out. It tells who should work, not that nobody else still does: what has to happen once is compared and set.
#[async_trait]
pub trait Errands: Send + Sync {
    /// Whether `holder` leads in `role` for the next `lasts`: nobody else does, or it does already. The role is a word of
    /// the code, the holder a name that no other server and no earlier start has.
    async fn lead(&self, role: &str, holder: &str, lasts: Duration) -> Result<bool, StoreError>;

    /// Gives the lead up, so that another need not wait for its end. Without effect where `holder` has it not.
    async fn yield_lead(&self, role: &str, holder: &str) -> Result<(), StoreError>;

    /// How far whoever leads has come, or what it found, as it was last written down.
    async fn mark(&self, name: &str) -> Result<Option<String>, StoreError>;

    /// Writes it down for whoever leads next. What was answered outlives the process. Safe to repeat.
    async fn set_mark(&self, name: &str, value: &str) -> Result<(), StoreError>;
}
