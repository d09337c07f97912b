//! How long a session takes from one holder to the next: two servers, waiters in turn on the one and the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use attune::clock::Entropy;
use attune::store::redis::RedisStore;
use attune::store::{Begun, Claim, Gate, Limits, Store as _};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::figures::{millis, percentile};
use super::instance::{IN_MEMORY, Redis};
use super::stores::{self, WARM};
use super::talk::{self, Said};

const HAND_OVERS: u64 = 4_000;
const WAIT: Duration = Duration::from_secs(30);
const ID: &str = "floor-handed";

/// What the waiters of one session share.
struct Line {
    talk: Vec<Said>,
    entropy: Entropy,
    left: AtomicU64,
    /// Who committed last: its server, when it sent the commit, and when that had returned.
    last: Mutex<Option<(usize, Instant, Option<Instant>)>>,
    times: Mutex<Times>,
}

#[derive(Default)]
struct Times {
    from_sent: Vec<f64>,
    from_returned: Vec<f64>,
    to_the_other: u64,
}

pub async fn measure() {
    let redis = Redis::start(IN_MEMORY);
    for waiters in [2, 8, 32] {
        let talk = talk::recorded(&redis, 5).await;
        let line = Arc::new(Line {
            talk,
            entropy: Entropy::system(),
            left: AtomicU64::new(HAND_OVERS),
            last: Mutex::default(),
            times: Mutex::default(),
        });
        let limits = Limits { rate_limit: 1_000, rate_window: Duration::from_millis(50), ..stores::limits() };
        let servers = [(); 2].map(|()| stores::store(&redis, limits.clone(), WARM));
        let mut tasks = JoinSet::new();
        for waiter in 0..waiters {
            let (line, store) = (Arc::clone(&line), Arc::clone(&servers[waiter % 2]));
            tasks.spawn(async move { line.wait_in(waiter % 2, &store).await });
        }
        tasks.join_all().await;
        line.print(waiters);
    }
}

impl Line {
    /// Turn after turn, until there were enough.
    async fn wait_in(&self, server: usize, store: &RedisStore) {
        while self.left.load(Ordering::Relaxed) > 0 {
            let begun = self.turn_to_work(server, store).await;
            *self.last.lock() = Some((server, Instant::now(), None));
            talk::commit(store, ID, &begun, &self.talk[4]).await;
            if let Some((_, _, returned @ None)) = &mut *self.last.lock() {
                *returned = Some(Instant::now());
            }
        }
    }

    async fn turn_to_work(&self, server: usize, store: &RedisStore) -> Box<Begun> {
        match store.begin(talk::request(ID, &self.entropy)).await.expect("it is there") {
            Gate::Begun(begun) => begun,
            Gate::Queued(ticket) => match store.claim(ticket, WAIT).await.expect("it is there") {
                Claim::Begun(begun) => {
                    self.took_over(server);
                    begun
                }
                other => panic!("not begun: {other:?}"),
            },
            other => panic!("neither begun nor queued: {other:?}"),
        }
    }

    fn took_over(&self, server: usize) {
        let now = Instant::now();
        let Some((other, sent, returned)) = self.last.lock().take() else { return };
        let mut times = self.times.lock();
        times.from_sent.push(millis(now - sent));
        // The next one may work before the last one has heard that its commit stands.
        times
            .from_returned
            .push(returned.map_or(0.0, |returned| millis(now.saturating_duration_since(returned))));
        times.to_the_other += u64::from(other != server);
        // Several may take over after the last that counts.
        let one_less = |left: u64| Some(left.saturating_sub(1));
        let _was = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
    }

    fn print(&self, waiters: usize) {
        let times = self.times.lock();
        let of = |times: &[f64], hundredth| percentile(times.to_vec(), hundredth);
        println!(
            "hand-over, {waiters} waiters on 2 servers, {} of {} to the other server: from the commit sent p50 {:.2} ms, p99 {:.2} ms; from its return p50 {:.2} ms, p99 {:.2} ms",
            times.to_the_other,
            times.from_sent.len(),
            of(&times.from_sent, 50),
            of(&times.from_sent, 99),
            of(&times.from_returned, 50),
            of(&times.from_returned, 99),
        );
    }
}
