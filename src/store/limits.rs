//! Durations and bounds that every adapter keeps to.

use std::time::Duration;

/// Read from the configuration, the same for every adapter.
#[derive(Debug, Clone)]
pub struct Limits {
    pub session_ttl: Duration,
    /// No session stands longer than this after it was made, but for one that danger holds.
    pub session_max_age: Duration,
    /// Idle time after which the sweep expires a session; `None`: 23/24 of its TTL.
    pub session_idle: Option<Duration>,
    pub history_max: u32,
    /// How many of the latest exchanges [`Begun::recent`](super::Begun::recent) carries.
    pub recent_max: u32,
    /// Permits per session in a window; 0 switches the limit off.
    pub rate_limit: u32,
    pub rate_window: Duration,
    /// The bound of the lane of danger, per session in a minute.
    pub danger_limit: u32,
    pub lease_ttl: Duration,
    /// How long a waiter may take to answer a hand-over. In process a hand-over cannot be lost, but its task may be gone.
    pub claim_ttl: Duration,
    /// Zero: nobody waits but those in danger.
    pub lease_wait: Duration,
    pub queue_max: usize,
    /// Sessions that a list counts for a total since a time, to either side of it; beyond, the total is an estimate.
    pub count_max: usize,
    pub idempotency_ttl: Duration,
    /// How long an alert stands after it was dealt with: a report after it was acknowledged; that a level rose after the
    /// level was cleared, and where it can be cleared no more, after it was acknowledged. See
    /// [`Alert::dealt_with_at`](crate::domain::alert::Alert::dealt_with_at).
    pub alert_ttl: Duration,
    /// How long an event stands in the log, and how many do.
    pub events_ttl: Duration,
    pub events_max: u32,
    /// How long a safety memory stands after clearing.
    pub memory_ttl: Duration,
    pub daily_ttl: Duration,
}
