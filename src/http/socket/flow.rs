//! How much one connection may say: a steady pace, and a burst ahead of it. Pure; the time is an argument.

use std::time::Duration;

use tokio::time::Instant;

/// One each, when it goes on for long.
const PACE: Duration = Duration::from_millis(50);
/// So many at once.
const BURST: u32 = 100;
/// After so many refusals more than what was taken since the first, nobody listens there.
const PATIENCE: u32 = 100;

pub struct Flow {
    /// When all of the burst is there again.
    full_at: Instant,
    refused: u32,
}

impl Flow {
    pub fn new(now: Instant) -> Self {
        Self { full_at: now, refused: 0 }
    }

    /// Whether one more may be said now.
    pub fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + PACE;
        if full_at > now + PACE * BURST {
            self.refused += 1;
            return false;
        }
        (self.full_at, self.refused) = (full_at, self.refused.saturating_sub(1));
        true
    }

    /// Whether too much was refused to listen on.
    pub fn is_over(&self) -> bool {
        self.refused > PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_then_a_pace_then_nothing_more() {
        let now = Instant::now();
        let mut flow = Flow::new(now);
        assert!((0..BURST).all(|_| flow.take(now)));
        assert_eq!([now, now + PACE, now + PACE].map(|at| flow.take(at)), [false, true, false]);
        assert!((1..PATIENCE).all(|_| !flow.take(now + PACE)) && !flow.is_over());
        assert!(!flow.take(now + PACE) && flow.is_over());
        assert!(flow.take(now + PACE * BURST * 2) && !flow.is_over(), "the time heals");
    }
}
