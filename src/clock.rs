//! Time, ids and randomness come in from here, and from nowhere else: a lint bans the ambient ones.
//!
//! Tests hold a [`ManualClock`] and a seeded [`Entropy`], so that a day passes in one call and a run repeats.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::domain::time::Timestamp;

/// The wall clock. Every expiry, window and wire time in Attune is read from one of these.
pub trait Clock: Send + Sync + 'static {
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the ambient clock")]
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(chrono::Utc::now().timestamp_micros())
    }
}

/// A clock that stands still until it is wound.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.micros())))
    }

    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_add(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// The source of ids and seeds.
#[derive(Debug)]
pub struct Entropy(parking_lot::Mutex<StdRng>);

impl Entropy {
    /// Seeded from the operating system.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for randomness")]
    pub fn system() -> Self {
        Self(parking_lot::Mutex::new(StdRng::from_os_rng()))
    }

    /// The same sequence for the same seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(parking_lot::Mutex::new(StdRng::seed_from_u64(seed)))
    }

    pub fn u64(&self) -> u64 {
        self.0.lock().random()
    }

    pub fn u128(&self) -> u128 {
        self.0.lock().random()
    }

    /// 32 lower-case hexadecimal digits.
    pub fn hex_id(&self) -> String {
        format!("{:032x}", self.u128())
    }

    pub fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().fill(bytes);
    }
}
