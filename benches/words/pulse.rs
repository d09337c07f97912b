//! `/health`, asked all the while on a connection and a thread of its own: whether the server still has time for
//! whoever looks after it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::client::Client;
use super::figures::{median, millis, percentile};

const EVERY: Duration = Duration::from_millis(20);

pub struct Pulse {
    done: Arc<AtomicBool>,
    thread: JoinHandle<Vec<f64>>,
}

impl Pulse {
    /// Asks until it is told to stop. An answer that is late puts off the next question, and is measured whole.
    pub fn take(addr: SocketAddr) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let is_done = Arc::clone(&done);
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let mut connection = runtime.block_on(Client::connect(addr));
            let mut times = Vec::new();
            while !is_done.load(Ordering::Relaxed) {
                let asked = Instant::now();
                let answer = runtime.block_on(connection.get("/health"));
                assert_eq!(answer.status, 200);
                times.push(millis(asked.elapsed()));
                std::thread::sleep(EVERY.saturating_sub(asked.elapsed()));
            }
            times
        });
        Self { done, thread }
    }

    pub fn stop(self) -> String {
        self.done.store(true, Ordering::Relaxed);
        let times = self.thread.join().expect("every answer was a good one");
        format!(
            "{} asked, p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
            times.len(),
            median(times.clone()),
            percentile(times.clone(), 99),
            percentile(times, 100)
        )
    }
}
