//! Whole turns over HTTP on the embedded store: the release binary, nothing switched off but the session's rate limit,
//! clients and server on the same cores.
//!
//! `cargo bench --bench turns` measures everything; `-- load`, `-- pace`, `-- list`, `-- growth` one part of it.
//! `TURNS_BENCH_SECONDS` sets how long each round takes, `TURNS_BENCH_SESSIONS` how many sessions the large store has.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

mod client;
mod figures;
mod load;
mod server;
mod store;
mod walk;

use std::time::Duration;

use load::Load;
use server::Server;

const CLIENTS: u64 = 64;
const ROUNDS: u64 = 3;

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_asked = |part: &str| asked.is_empty() || asked.iter().any(|word| word == part);
    let span = Duration::from_secs(number("TURNS_BENCH_SECONDS", 5));
    let sessions = number("TURNS_BENCH_SESSIONS", 100_000);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    println!("binary: {:.1} MiB", server::binary_mib());
    if is_asked("load") {
        runtime.block_on(load(span));
    }
    if is_asked("pace") {
        runtime.block_on(pace(span));
    }
    if is_asked("list") {
        runtime.block_on(store::lists_and_restarts(sessions));
    }
    if is_asked("growth") {
        runtime.block_on(store::growth(sessions));
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// As fast as it goes: many clients, then one.
async fn load(span: Duration) {
    for clients in [CLIENTS, 1] {
        let directory = tempfile::tempdir().expect("a directory");
        let server = Server::start(directory.path()).await;
        println!("idle: {:.1} MiB resident", server.memory_mib());
        let mut rounds = Vec::new();
        for round in 0..ROUNDS {
            let load = Load::conversations(&server, clients, round * 10_000_000, span).await;
            println!("{clients} clients, round {}: {}", round + 1, load.line());
            load.check(&server).await;
            rounds.push(load.per_second());
        }
        println!("{clients} clients, median: {:.0} turns/s", figures::median(rounds));
        println!("loaded: {:.1} MiB resident", server.memory_mib());
        server.stop();
    }
}

/// A thousand turns a second whether or not the server keeps up.
async fn pace(span: Duration) {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(directory.path()).await;
    for round in 0..ROUNDS {
        let load = Load::paced(&server, 1_000, round * 10_000_000, span).await;
        println!("1,000 turns/s asked, round {}: {}", round + 1, load.line());
        load.check(&server).await;
    }
    server.stop();
}
