//! What a turn costs Redis, beside the floor: the same commands without any script, in the same run on the same server.
//! And how long a session takes from one server to the next, and how quick a list is.
//!
//! `cargo bench --bench floor` measures everything on a redis-server of its own; `-- cost`, `-- handover`, `-- list`,
//! `-- outage`, `-- http` one part of it. `FLOOR_BENCH_ROUNDS` sets how often the kinds of turn take turns (5), `FLOOR_BENCH_SESSIONS`
//! how many sessions the list has (100,000).
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

mod bare;
mod cost;
mod handover;
mod instance;
mod lists;
mod outage;
mod stores;
mod talk;

#[path = "../turns/client.rs"]
mod client;
#[path = "../turns/figures.rs"]
mod figures;
#[path = "../turns/load.rs"]
#[allow(dead_code, reason = "shared with the turns")]
mod load;
#[path = "../turns/server.rs"]
#[allow(dead_code, reason = "shared with the turns")]
mod server;
#[path = "../turns/walk.rs"]
mod walk;

use std::time::Duration;

use instance::Redis;
use load::Load;
use server::Server;

const CLIENTS: u64 = 64;
const HTTP_ROUNDS: u64 = 3;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_asked = |part: &str| asked.is_empty() || asked.iter().any(|word| word == part);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    if is_asked("cost") {
        runtime.block_on(cost::measure(number("FLOOR_BENCH_ROUNDS", 5)));
    }
    if is_asked("handover") {
        runtime.block_on(handover::measure());
    }
    if is_asked("list") {
        runtime.block_on(lists::measure(number("FLOOR_BENCH_SESSIONS", 100_000)));
    }
    if is_asked("outage") {
        runtime.block_on(outage::measure());
    }
    if is_asked("http") {
        runtime.block_on(http(Duration::from_secs(number("TURNS_BENCH_SECONDS", 5))));
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Whole turns over HTTP: clients, server and Redis share the machine. The limit stands, and is never met.
async fn http(span: Duration) {
    let redis = Redis::start(instance::IN_MEMORY);
    let directory = tempfile::tempdir().expect("a directory");
    let settings = [("REDIS_URL", redis.url()), ("RATE_LIMIT_PER_MINUTE", "100".to_owned())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let server = Server::start_with(directory.path(), &settings).await;
    for round in 0..HTTP_ROUNDS {
        redis.reset();
        let before = redis.meter();
        let load = Load::conversations(&server, CLIENTS, round * 10_000_000, span).await;
        let spent = redis.meter().since(&before);
        println!("HTTP, {CLIENTS} clients, round {}: {}", round + 1, load.line());
        let turns = load.turns();
        println!("  Redis: {:.1} us/turn, {:.2} reads/turn", spent.cpu_us / turns, spent.reads / turns);
        if round + 1 == HTTP_ROUNDS {
            redis.print_commands("HTTP turns, sessions' first ones included", turns);
        }
        load.check(&server).await;
    }
    server.stop();
}
