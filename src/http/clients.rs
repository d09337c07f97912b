//! How often a person's app may ask for what the audit keeps.

use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::access::Caller;

use super::problem::{Code, Problem};

/// One a second, and so many at once.
const PER_SECOND: NonZeroU32 = NonZeroU32::MIN;
const BURST: NonZeroU32 = NonZeroU32::MIN.saturating_add(59);
/// How many are remembered before those at rest are dropped.
const CLIENTS_MAX: usize = 50_000;

/// The limit per session of a client.
pub struct ClientLimit {
    limiter: DefaultKeyedRateLimiter<String>,
    clock: DefaultClock,
}

impl Default for ClientLimit {
    fn default() -> Self {
        let quota = Quota::per_second(PER_SECOND).allow_burst(BURST);
        Self { limiter: RateLimiter::keyed(quota), clock: DefaultClock::default() }
    }
}

impl ClientLimit {
    /// # Errors
    /// The problem that refuses the request.
    pub fn check(&self, caller: &Caller) -> Result<(), Problem> {
        if self.limiter.len() > CLIENTS_MAX {
            self.limiter.retain_recent();
        }
        let key = format!("{}:{}", caller.org.as_str(), caller.name);
        self.limiter.check_key(&key).map_err(|refused| {
            let wait = refused.wait_time_from(self.clock.now());
            Problem::new(Code::AddressLimited, "too many requests with this credential").retry_after(wait)
        })
    }
}
