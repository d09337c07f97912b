//! When a server that fails is left in peace, and when it is tried again. Pure: `now` comes in.

use std::time::Duration;

use tokio::time::Instant;

use super::{ModelError, Waiting};

/// So many failures, one after the other, and the server rests.
pub const FAILURES_MAX: u32 = 5;
/// The first pause; each failed try doubles it.
pub const PAUSE_FIRST: Duration = Duration::from_secs(1);
pub const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How a request went, as far as it says something about the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Worked,
    Failed,
    /// It refuses everybody: as good as many failures.
    Refused,
    /// Says nothing: the caller gave up, or never came to the server.
    Unknown,
}

impl Outcome {
    #[must_use]
    pub const fn of(error: ModelError) -> Self {
        match error {
            // The request may be at fault: what one person wrote must not take the model from all others
            // at once.
            ModelError::Refused(400 | 413 | 422)
            | ModelError::Away
            // One reply that it has no room for says nothing of the others that it writes.
            | ModelError::Overloaded
            | ModelError::Failed
            | ModelError::Cut
            | ModelError::Garbled
            | ModelError::Empty
            | ModelError::Endless
            | ModelError::Slow(Waiting::FirstChunk | Waiting::NextChunk | Waiting::Whole) => Self::Failed,
            ModelError::Refused(_) => Self::Refused,
            ModelError::Slow(Waiting::Queue) | ModelError::QueueFull | ModelError::Resting => Self::Unknown,
        }
    }
}

/// The leave to ask a server. It is given back with [`Breaker::tell`], whatever happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pass {
    Ordinary,
    /// The one try after a pause.
    Trial,
}

/// What others are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    Closed,
    Open,
    /// The pause is over; the next request, or the one on its way, decides.
    HalfOpen,
}

impl State {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// One server's breaker.
#[derive(Debug)]
pub struct Breaker(Phase);

#[derive(Debug, Clone, Copy)]
enum Phase {
    Closed { failures: u32 },
    Resting { until: Instant, pause: Duration },
    Trying { pause: Duration },
}

impl Default for Breaker {
    fn default() -> Self {
        Self(Phase::Closed { failures: 0 })
    }
}

impl Breaker {
    #[must_use]
    pub fn state(&self, now: Instant) -> State {
        match self.0 {
            Phase::Closed { .. } => State::Closed,
            Phase::Resting { until, .. } if now < until => State::Open,
            Phase::Resting { .. } | Phase::Trying { .. } => State::HalfOpen,
        }
    }

    /// Failures since it last worked. Resting, it has had enough of them.
    #[must_use]
    pub fn failures(&self) -> u32 {
        match self.0 {
            Phase::Closed { failures } => failures,
            Phase::Resting { .. } | Phase::Trying { .. } => FAILURES_MAX,
        }
    }

    /// Whether [`Breaker::enter`] would let somebody through.
    #[must_use]
    pub fn allows(&self, now: Instant) -> bool {
        match self.0 {
            Phase::Closed { .. } => true,
            Phase::Resting { until, .. } => until <= now,
            Phase::Trying { .. } => false,
        }
    }

    /// Leave to ask the server now. After a pause, one gets it.
    pub fn enter(&mut self, now: Instant) -> Option<Pass> {
        match self.0 {
            Phase::Closed { .. } => Some(Pass::Ordinary),
            Phase::Resting { until, pause } if until <= now => {
                self.0 = Phase::Trying { pause };
                Some(Pass::Trial)
            }
            Phase::Resting { .. } | Phase::Trying { .. } => None,
        }
    }

    /// How it went. Those who began before a pause have no say in it.
    pub fn tell(&mut self, pass: Pass, outcome: Outcome, now: Instant) {
        self.0 = match (self.0, pass) {
            (Phase::Closed { failures }, Pass::Ordinary | Pass::Trial) => counted(failures, outcome, now),
            (Phase::Trying { pause }, Pass::Trial) => tried(pause, outcome, now),
            (phase @ (Phase::Resting { .. } | Phase::Trying { .. }), Pass::Ordinary | Pass::Trial) => phase,
        };
    }
}

fn counted(failures: u32, outcome: Outcome, now: Instant) -> Phase {
    match outcome {
        Outcome::Worked => Phase::Closed { failures: 0 },
        Outcome::Unknown => Phase::Closed { failures },
        Outcome::Failed if failures + 1 < FAILURES_MAX => Phase::Closed { failures: failures + 1 },
        Outcome::Failed | Outcome::Refused => resting(PAUSE_FIRST, now),
    }
}

fn tried(pause: Duration, outcome: Outcome, now: Instant) -> Phase {
    match outcome {
        Outcome::Worked => Phase::Closed { failures: 0 },
        // The next one may try at once.
        Outcome::Unknown => Phase::Resting { until: now, pause },
        Outcome::Failed | Outcome::Refused => resting((pause * 2).clamp(PAUSE_FIRST, PAUSE_MAX), now),
    }
}

fn resting(pause: Duration, now: Instant) -> Phase {
    Phase::Resting { until: now + pause, pause }
}
