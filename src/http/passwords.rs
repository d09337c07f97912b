//! Where passwords are hashed: off the threads that serve, a few at once, and no more may wait than a moment allows.

use std::sync::Arc;

use tokio::sync::Semaphore;

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

impl Passwords {
    /// # Errors
    /// The problem that refuses when too many wait.
    pub async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let full = || {
            Problem::new(Code::LoginsFull, "too many passwords are looked at")
                .retry_after(std::time::Duration::from_secs(1))
        };
        let room = Arc::clone(&self.room).try_acquire_owned().map_err(|_full| full())?;
        let working = Arc::clone(&self.working).acquire_owned().await.map_err(|_closed| full())?;
        let done = tokio::task::spawn_blocking(move || {
            let _held = (room, working);
            work()
        });
        done.await.map_err(|_panicked| Problem::new(Code::Internal, "a password could not be looked at"))
    }
}
