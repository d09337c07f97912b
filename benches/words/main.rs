//! Turns whose words a model writes: how close the server comes to what the model's time allows, and how soon a sentence
//! that the model has ended is at the client. The model is the fake of `examples/fake-model`, in this process and on a
//! thread of its own; the server is the release binary.
//!
//! `cargo bench --bench words` measures everything; `-- throughput`, `-- first_delta`, `-- crisis` one part of it.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

#[path = "../turns/client.rs"]
mod client;
mod crisis;
mod crowd;
#[allow(dead_code, unused_imports, reason = "tests look at more than is measured")]
#[path = "../../examples/fake-model/fake/mod.rs"]
mod fake;
#[path = "../turns/figures.rs"]
mod figures;
mod first_delta;
#[path = "../floor/instance.rs"]
#[allow(dead_code, reason = "shared with the floor")]
mod instance;
mod model;
mod pulse;
#[path = "../turns/server.rs"]
#[allow(dead_code, reason = "shared with the turns")]
mod server;
mod stream;
mod talk;
mod throughput;

use std::time::Duration;

use tokio::runtime::Builder;

const PARTS: [&str; 3] = ["throughput", "first_delta", "crisis"];

const HELP: &str = "cargo bench --bench words -- [throughput] [first_delta] [crisis] [help]

  throughput   turns a second beside what the model's time allows: 64 clients, 256 at 64 places, 1,000;
               on the embedded store, and on a redis-server of its own where there is one
  first_delta  from the model's last chunk of a sentence to the client's first event, one client and 16 at once,
               over both APIs, beside a client that reads the model itself
  crisis       how long the answer to somebody in danger takes, whatever the model does

  WORDS_BENCH_SECONDS  how long each round of throughput takes (10)
  WORDS_BENCH_ROUNDS   how many rounds each case of it has (3)
  WORDS_BENCH_TURNS    how many turns first_delta measures in each case at the least (500)
  WORDS_BENCH_INPUTS   how often crisis says each of its inputs (5)";

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if !asked.iter().all(|word| PARTS.contains(&word.as_str())) {
        println!("{HELP}");
        return;
    }
    let is_asked = |part: &str| asked.is_empty() || asked.iter().any(|word| word == part);
    // What writes must not wait for those who read.
    let models = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let clients = Builder::new_current_thread().enable_all().build().expect("a runtime");
    if is_asked(PARTS[0]) {
        let span = Duration::from_secs(number("WORDS_BENCH_SECONDS", 10));
        clients.block_on(throughput::measure(models.handle(), span, number("WORDS_BENCH_ROUNDS", 3)));
    }
    if is_asked(PARTS[1]) {
        clients.block_on(first_delta::measure(models.handle(), number("WORDS_BENCH_TURNS", 500)));
    }
    if is_asked(PARTS[2]) {
        clients.block_on(crisis::measure(models.handle(), number("WORDS_BENCH_INPUTS", 5)));
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}
