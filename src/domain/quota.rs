//! The limiter's arithmetic: exact over a sliding window, with `now` passed in.
//!
//! Invariant: in no span as long as the window are more than `limit` permits out, over any edge of a minute.

use std::collections::VecDeque;
use std::time::Duration;

use super::time::Timestamp;

/// What a caller is told of its limit. A limit of 0 means: there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    pub limit: u32,
    pub remaining: u32,
    /// How long until the next permit is free (when none remains), else until all are.
    pub reset: Duration,
}

/// Leave to go on, and what names it when it is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    /// `None` where there is no limit.
    pub at: Option<Timestamp>,
    pub quota: Quota,
}

/// The times of the permits that are out, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Window {
    permits: VecDeque<Timestamp>,
}

impl Window {
    /// Takes up what was remembered of an earlier run.
    #[must_use]
    pub fn from_permits(mut permits: Vec<Timestamp>) -> Self {
        permits.sort_unstable();
        Self { permits: permits.into() }
    }

    #[must_use]
    pub fn permits(&self) -> Vec<Timestamp> {
        self.permits.iter().copied().collect()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.permits.is_empty()
    }

    /// Takes a permit, or tells how long to wait for one.
    ///
    /// # Errors
    /// The quota with nothing remaining and `reset` as the time to wait.
    pub fn take(&mut self, limit: u32, window: Duration, now: Timestamp) -> Result<Permit, Quota> {
        if limit == 0 {
            return Ok(Permit { at: None, quota: Quota { limit, remaining: 0, reset: Duration::ZERO } });
        }
        self.forget(window, now);
        if self.permits.len() >= limit as usize {
            return Err(self.quota(limit, window, now));
        }
        // A clock that was set back must not break the order.
        let at = self.permits.back().map_or(now, |&last| last.max(now));
        self.permits.push_back(at);
        Ok(Permit { at: Some(at), quota: self.quota(limit, window, now) })
    }

    /// Gives a permit back. It has to be the very one: another's time would open or close the window wrongly.
    pub fn give_back(&mut self, permit: Permit) {
        let place = permit.at.and_then(|at| self.permits.iter().rposition(|&out| out == at));
        if let Some(place) = place {
            self.permits.remove(place);
        }
    }

    /// Drops permits that have left the window.
    pub fn forget(&mut self, window: Duration, now: Timestamp) {
        while self.permits.front().is_some_and(|&oldest| now.since(oldest) >= window) {
            self.permits.pop_front();
        }
    }

    fn quota(&self, limit: u32, window: Duration, now: Timestamp) -> Quota {
        let out = u32::try_from(self.permits.len()).unwrap_or(u32::MAX);
        let remaining = limit.saturating_sub(out);
        let frees = if remaining == 0 {
            // Where the limit was lowered, more than one has to leave first.
            self.permits.get((out - limit) as usize)
        } else {
            self.permits.back()
        };
        let reset = frees.map_or(Duration::ZERO, |&permit| permit.plus(window).since(now));
        Quota { limit, remaining, reset }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_mins(1);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    #[test]
    fn the_eleventh_in_a_window_is_refused_and_told_how_long() {
        let mut window = Window::default();
        for second in 0..10 {
            assert!(window.take(10, WINDOW, at(second)).is_ok());
        }
        let refused = window.take(10, WINDOW, at(30)).expect_err("ten are out");
        assert_eq!((refused.remaining, refused.reset), (0, Duration::from_secs(30)));
        assert!(window.take(10, WINDOW, at(60)).is_ok());
        assert!(window.take(10, WINDOW, at(60)).is_err());
    }

    #[test]
    fn a_minutes_edge_lets_no_more_through() {
        let mut window = Window::default();
        let admitted: Vec<i64> =
            (50..180).filter(|&second| window.take(10, WINDOW, at(second)).is_ok()).collect();
        for start in 0..180 {
            let inside = admitted.iter().filter(|&&s| s >= start && s < start + 60).count();
            assert!(inside <= 10, "{inside} from {start}");
        }
    }

    #[test]
    fn a_permit_given_back_can_be_taken_again() {
        let mut window = Window::default();
        let permit = window.take(1, WINDOW, at(0)).expect("none is out");
        window.give_back(permit);
        assert!(window.take(1, WINDOW, at(1)).is_ok());
        assert!(window.take(1, WINDOW, at(2)).is_err());
    }

    #[test]
    fn an_early_permit_given_back_leaves_the_later_one_counted() {
        let mut window = Window::default();
        let early = window.take(2, WINDOW, at(0)).expect("none is out");
        assert!(window.take(2, WINDOW, at(50)).is_ok());
        window.give_back(early);
        assert!(window.take(2, WINDOW, at(51)).is_ok());
        assert!(window.take(2, WINDOW, at(61)).is_err(), "those of 50 and 51 are still out");
    }

    #[test]
    fn a_clock_set_back_opens_no_gap() {
        let mut window = Window::default();
        assert!(window.take(2, WINDOW, at(100)).is_ok());
        assert!(window.take(2, WINDOW, at(40)).is_ok());
        assert!(window.take(2, WINDOW, at(41)).is_err());
    }

    #[test]
    fn a_limit_of_zero_is_no_limit() {
        let mut window = Window::default();
        assert!((0..1_000).all(|n| window.take(0, WINDOW, at(n)).is_ok()));
    }
}
