//! Redis is stopped for five seconds under two loaded servers: what people in danger get meanwhile, and how soon
//! everything is as before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::client::Client;
use super::figures;
use super::instance::{self, Redis};
use super::server::Server;

const SESSIONS: usize = 32;
const AWAY: Duration = Duration::from_secs(5);
const LOADED: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// The highest acknowledged turn of each session, and how many turns were acknowledged.
type Acknowledged = Arc<Mutex<BTreeMap<usize, (u64, u64)>>>;

pub async fn measure() {
    let redis = Redis::start(instance::EVERY_SECOND);
    let directory = tempfile::tempdir().expect("a directory");
    let url = redis.url();
    let settings = [("REDIS_URL", url.as_str()), ("HISTORY_MAX", "1000"), ("RATE_LIMIT_PER_MINUTE", "0")];
    let servers = [
        Server::start_with(directory.path(), &settings).await,
        Server::start_with(directory.path(), &settings).await,
    ];
    let addrs = [servers[0].addr, servers[1].addr];
    let (done, acknowledged) = (Arc::new(AtomicBool::new(false)), Acknowledged::default());
    let loads: Vec<_> = (0..SESSIONS)
        .map(|n| tokio::spawn(load(addrs[n % 2], n, Arc::clone(&done), Arc::clone(&acknowledged))))
        .collect();
    tokio::time::sleep(LOADED).await;
    redis.signal("-STOP");
    let danger = danger(addrs, AWAY).await;
    redis.signal("-CONT");
    let back = Instant::now();
    let mut again = Vec::new();
    for n in 0..SESSIONS {
        // Through the other server than before: nothing may hang on the one that lost its answers.
        answered(addrs[(n + 1) % 2], n, &acknowledged).await;
        again.push(back.elapsed());
    }
    done.store(true, Ordering::Relaxed);
    for load in loads {
        load.await.expect("not panicked");
    }
    println!("Redis stopped for {} s under {SESSIONS} writers on two servers:", AWAY.as_secs());
    println!("  danger: {} of {} answered, {}", danger.len(), danger.len(), times(&danger));
    println!(
        "  back: the first turn after {:.0} ms, one in each session after {:.0} ms",
        ms(again[0]),
        ms(*again.last().expect("some"))
    );
    let (turns, missing) = missing(addrs[0], &acknowledged).await;
    println!("  acknowledged turns: {turns}, missing or double: {missing}");
    for server in servers {
        server.stop();
    }
}

fn ms(time: Duration) -> f64 {
    figures::millis(time)
}

fn times(times: &[Duration]) -> String {
    let at = |hundredth| figures::percentile(times.iter().copied().map(ms).collect(), hundredth);
    format!("p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms", at(50), at(99), at(100))
}

fn body(session: &str, text: &str) -> String {
    format!("{{\"session_id\":\"{session}\",\"user_input\":\"{text}\"}}")
}

async fn load(addr: std::net::SocketAddr, n: usize, done: Arc<AtomicBool>, acknowledged: Acknowledged) {
    let mut client = Client::connect(addr).await;
    while !done.load(Ordering::Relaxed) {
        if !turn(&mut client, n, &acknowledged).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn turn(client: &mut Client, n: usize, acknowledged: &Acknowledged) -> bool {
    let answer = client.post("/api/v1/input", &body(&format!("s{n}"), "I want to feel calm")).await;
    if answer.status != 200 {
        return false;
    }
    let turn = answer.json();
    let number = turn["turn"].as_u64().expect("a number");
    let mut known = acknowledged.lock();
    let (highest, count) = known.entry(n).or_default();
    *highest = number.max(*highest);
    *count += 1;
    true
}

async fn danger(addrs: [std::net::SocketAddr; 2], span: Duration) -> Vec<Duration> {
    let mut clients = [Client::connect(addrs[0]).await, Client::connect(addrs[1]).await];
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed() < span {
        let n = times.len();
        let asked = Instant::now();
        let text = body(&format!("danger{}", n % 8), "I am going to kill myself tonight");
        let answer = clients[n % 2].post("/api/v1/input", &text).await;
        times.push(asked.elapsed());
        assert_eq!(answer.status, 200, "danger is answered");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    times
}

async fn answered(addr: std::net::SocketAddr, n: usize, acknowledged: &Acknowledged) {
    let mut client = Client::connect(addr).await;
    let by = Instant::now();
    while !turn(&mut client, n, acknowledged).await {
        assert!(by.elapsed() < PATIENCE, "no service");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How many turns were acknowledged, and how many of them the histories do not show exactly once.
async fn missing(addr: std::net::SocketAddr, acknowledged: &Acknowledged) -> (u64, u64) {
    let known = acknowledged.lock().clone();
    let mut client = Client::connect(addr).await;
    let mut wrong = 0;
    for (n, (highest, count)) in &known {
        let answer = client.get(&format!("/session/s{n}")).await;
        let stored = answer.json()["turn_count"].as_u64().expect("a number");
        // Unacknowledged turns may stand; acknowledged ones have to, and no number comes twice.
        wrong += u64::from(stored < *highest || *count > *highest);
    }
    (known.values().map(|(_, count)| count).sum(), wrong)
}
