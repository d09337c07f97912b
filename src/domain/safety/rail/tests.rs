//! The whole rail, on the data that ships. No test prints what it reads: a sentence is named by its line.

mod data;
mod reading;

use std::sync::{Arc, LazyLock};

use super::super::{Class, Rail, Reading, Secrets};

const CANARY: &str = "3f9a0c77be51d2086e4a91fc";
const INSTRUCTIONS: &str =
    "Speak warmly to the person. Ask exactly one question about the body, never two at once.";

static RAIL: LazyLock<Arc<Rail>> = LazyLock::new(|| match Rail::embedded() {
    Ok(rail) => Arc::new(rail),
    Err(faults) => panic!("{faults:#?}"),
});

fn rail() -> Arc<Rail> {
    Arc::clone(&RAIL)
}

fn begin(rail: &Arc<Rail>) -> Reading {
    rail.read(&Arc::new(Secrets::new(CANARY, INSTRUCTIONS)))
}

/// What goes out of a reply that comes in these chunks, and what stops it.
fn read_in<'a>(rail: &Arc<Rail>, chunks: impl IntoIterator<Item = &'a str>) -> (String, Option<Class>) {
    let mut reading = begin(rail);
    let mut out = String::new();
    for chunk in chunks {
        out.push_str(&reading.push(chunk).text);
    }
    let last = reading.finish();
    (out + &last.text, last.stopped)
}

fn stops(rail: &Arc<Rail>, text: &str) -> Option<Class> {
    read_in(rail, [text]).1
}
