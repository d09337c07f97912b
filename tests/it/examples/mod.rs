//! The example clients in `examples/clients`, run as their readers would.

mod bad_days;
mod curl;
mod python;
mod socket;
mod talk;
mod tools;
mod typescript;

use std::path::Path;
use std::time::Duration;

use crate::process::{client, get};

fn example(name: &str) -> String {
    format!("{}/examples/clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What a client said in the session `s`, oldest first.
async fn history(url: &str) -> Vec<String> {
    let history = get(&client(), url, "/session/s/history?limit=50").await;
    let exchanges = history["exchanges"].as_array().expect("a list");
    let said = exchanges.iter().rev().filter_map(|exchange| exchange["client_input"].as_str());
    said.map(str::to_owned).collect()
}

/// Waits until a file holds a text, or something else is so.
async fn until_holds(file: &Path, text: &str, mut or: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if or() || std::fs::read_to_string(file).is_ok_and(|kept| kept.contains(text)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} does not come to hold {text}", file.display());
}
