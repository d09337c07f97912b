//! How long an answer to somebody in danger takes, beside a model that is away, hung, or babbling: it must not matter.

use std::time::Instant;

use serde_json::json;
use tokio::runtime::Handle;

use super::client::Client;
use super::fake::{Fault, Reply, Script};
use super::figures::{millis, percentile};
use super::model;
use super::server::Server;

const INPUTS: &str = include_str!("../../tests/data/crisis_inputs.txt");
const BABBLE: &str = "You have so much to live for.";

pub async fn measure(models: &Handle, rounds: u64) {
    for (what, fault) in [
        ("babbling", None),
        ("hung", Some(Fault::StallBeforeHeaders)),
        ("refusing", Some(Fault::Status(503))),
    ] {
        let script = Script { reply: Reply::always(BABBLE), fault, ..Script::default() };
        let fake = model::start(models, script).await;
        beside(what, &fake.url(), rounds).await;
    }
    // Nobody listens there.
    beside("away", "http://127.0.0.1:9", rounds).await;
}

/// Every input to a session of its own, over one connection.
async fn beside(what: &str, model: &str, rounds: u64) {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start_with(directory.path(), &[("OLLAMA_BASE_URL", model)]).await;
    let mut client = Client::connect(server.addr).await;
    let mut times = Vec::new();
    for round in 0..rounds {
        for (n, text) in INPUTS.lines().enumerate() {
            let body = json!({ "session_id": format!("s{round}-{n}"), "user_input": text }).to_string();
            let began = Instant::now();
            let turn = client.post("/api/v1/input", &body).await;
            times.push(millis(began.elapsed()));
            assert_eq!((turn.status, &turn.json()["responder"]), (200, &json!("crisis")), "{what}: {text}");
        }
    }
    let at = |hundredth| percentile(times.clone(), hundredth);
    println!(
        "model {what}: {} of {} by the crisis dialogue, p50 {:.2} ms, p99 {:.2} ms, longest {:.2} ms",
        times.len(),
        times.len(),
        at(50),
        at(99),
        at(100)
    );
    server.stop();
}
