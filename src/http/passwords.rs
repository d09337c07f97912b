//! Where passwords are hashed: off the threads that serve, a few at once, and no more may wait than a moment allows.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::{Code, Problem};

/// Each takes 19 MiB and a core.
const AT_ONCE: usize = 2;
const WAITING_MAX: usize = 16;

pub struct Passwords {
    working: Arc<Semaphore>,
    room: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            working: Arc::new(Semaphore::new(AT_ONCE)),
            room: Arc::new(Semaphore::new(AT_ONCE + WAITING_MAX)),
        }
    }
}

/// Room for one password to be looked at.
pub struct Room {
    held: OwnedSemaphorePermit,
    working: Arc<Semaphore>,
}

impl Passwords {
    /// # Errors
    /// The problem that refuses when too many wait.
    pub fn room(&self) -> Result<Room, Problem> {
        let held = Arc::clone(&self.room).try_acquire_owned().map_err(|_full| full())?;
        Ok(Room { held, working: Arc::clone(&self.working) })
    }
}

impl Room {
    /// # Errors
    /// The problem that a panic is answered with.
    pub async fn work<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let working = self.working.acquire_owned().await.map_err(|_closed| full())?;
        let done = tokio::task::spawn_blocking(move || {
            let _held = (self.held, working);
            work()
        });
        done.await.map_err(|_panicked| Problem::new(Code::Internal, "a password could not be looked at"))
    }
}

fn full() -> Problem {
    Problem::new(Code::LoginsFull, "too many passwords are looked at").retry_after(Duration::from_secs(1))
}
