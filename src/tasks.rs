//! Tracked tasks: a turn outlives the connection that asked for it, and shutdown waits for the turns.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Spawns on one runtime that ends after the HTTP workers do.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    runtime: Handle,
    closing: CancellationToken,
}

impl Tasks {
    pub fn on(runtime: Handle) -> Self {
        Self { tracker: TaskTracker::new(), runtime, closing: CancellationToken::new() }
    }

    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.tracker.spawn_on(task, &self.runtime)
    }

    pub fn running(&self) -> usize {
        self.tracker.len()
    }

    /// Ends when the tasks are waited for: a task that only waits for better days should give up then.
    pub async fn closing(&self) {
        self.closing.cancelled().await;
    }

    pub fn is_closing(&self) -> bool {
        self.closing.is_cancelled()
    }

    /// Tells the tasks to give up, and does not wait for them.
    pub fn close(&self) {
        self.tracker.close();
        self.closing.cancel();
    }

    /// Waits until no task is left, `bound` at most. False when some had to be left behind.
    pub async fn finish(&self, bound: Duration) -> bool {
        self.close();
        tokio::time::timeout(bound, self.tracker.wait()).await.is_ok()
    }
}
