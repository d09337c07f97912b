//! Idle WebSockets: what each costs in memory beside a bare echo on the same library, how late their heartbeats come, and
//! what they do to the turns beside them. The server is the release binary; the clients are one thread of this process.
//!
//! `cargo bench --bench live` measures it all in about three minutes.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

mod bare;
#[path = "../turns/client.rs"]
#[allow(dead_code, reason = "shared with the turns")]
mod client;
mod crowd;
#[path = "../turns/figures.rs"]
mod figures;
#[path = "../turns/server.rs"]
#[allow(dead_code, reason = "shared with the turns")]
mod server;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use client::Client;
use crowd::Crowd;
use figures::{median, millis, percentile};
use server::Server;

/// As the program that is measured allocates.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Heartbeats of each connection that are waited for.
const BEATS: usize = 2;
const EVERY: Duration = Duration::from_secs(30);

const HELP: &str = "cargo bench --bench live -- [help]

  LIVE_BENCH_CONNECTIONS  idle connections (9000)
  LIVE_BENCH_TURNS        turns measured without and beside them (1000)";

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    match asked.first().map(String::as_str) {
        Some("bare") => return bare::serve(),
        Some(_) => return println!("{HELP}"),
        None => {}
    }
    let (count, turns) = (number("LIVE_BENCH_CONNECTIONS", 9_000), number("LIVE_BENCH_TURNS", 1_000));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let bare = bare_kib(count);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let server = runtime.block_on(Server::start(directory.path()));
    // What the first ones cost is paid once.
    runtime.block_on(take_turns(server.addr, "warm", turns));
    drop(Crowd::gather(server.addr, "/ws/chat/?session=warm-", 100));
    let alone = runtime.block_on(take_turns(server.addr, "alone", turns));
    let before = server.memory_mib();
    let mut crowd = Crowd::gather(server.addr, "/ws/chat/?session=idle-", count);
    let joined = server.memory_mib();
    let beside = runtime.block_on(take_turns(server.addr, "beside", turns));
    let late = crowd.wait_for_beats(BEATS, EVERY);
    let after = server.memory_mib();
    let each = |mib: f64| (mib - before) * 1_024.0 / count as f64;
    println!("{count} idle connections, each in a session of its own");
    println!(
        "memory     {:.1} KiB each once connected, {:.1} after {BEATS} heartbeats; bare echo {bare:.1} KiB each",
        each(joined),
        each(after)
    );
    println!(
        "heartbeats {} came, late by p50 {:.0} ms, p99 {:.0} ms, at most {:.0} ms",
        late.len(),
        median(late.clone()),
        percentile(late.clone(), 99),
        percentile(late, 100)
    );
    for (name, times) in [("alone", alone), ("beside", beside)] {
        let (p50, p99) = (median(times.clone()), percentile(times, 99));
        println!("turns      {name:<7} one client, {turns}: p50 {p50:.2} ms, p99 {p99:.2} ms");
    }
    let stopping = Instant::now();
    let ends = std::thread::spawn(move || crowd.wait_for_ends());
    server.stop();
    let (byes, away) = ends.join().expect("no panic");
    let took = stopping.elapsed().as_secs_f64();
    println!("stop       {took:.1} s; {byes} of {count} connections heard bye, {away} the code 1001");
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What a connection costs a bare echo, in KiB.
fn bare_kib(count: usize) -> f64 {
    let bare = bare::Bare::start();
    // What the first ones cost is paid once.
    drop(Crowd::gather(bare.addr, "/?", 100));
    let before = bare.memory_mib();
    let crowd = Crowd::gather(bare.addr, "/?", count);
    let each = (bare.memory_mib() - before) * 1_024.0 / count as f64;
    drop(crowd);
    each
}

/// The times of turns one after the other, each in a session of a few.
async fn take_turns(addr: SocketAddr, name: &str, turns: usize) -> Vec<f64> {
    let (mut client, mut times) = (Client::connect(addr).await, Vec::with_capacity(turns));
    for turn in 0..turns {
        let body =
            format!(r#"{{"session_id":"{name}-{}","user_input":"I want to feel calm at work"}}"#, turn / 10);
        let asked = Instant::now();
        let answer = client.post("/api/v1/input", &body).await;
        times.push(millis(asked.elapsed()));
        assert_eq!(answer.status, 200);
    }
    times
}
