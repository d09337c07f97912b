//! The therapy's protocol as data, and the engine that walks it. The engine knows no step by name.
//!
//! [`Protocol::parse`] reads a file, [`Protocol::check`] proves that it can be walked to its end, [`navigate`] takes one
//! turn of it. `docs/protocol.md` explains the file.

mod check;
mod draw;
mod graph;
mod model;
mod navigate;
mod outline;
mod parse;
mod place;
mod versions;
mod walk;

pub use model::{Affirm, Aside, Notice, Part, Pass, Protocol, Rule, Spent, Step, Then};
pub use navigate::{Choice, Decision, Navigation, Options, navigate};
pub use place::{CRITERIA_MAX, Place, PlaceFault, Progress, ProtocolRef, Standing};
pub use versions::{Protocols, Written};

/// Stage 1 of the therapy.
pub const TRT_STAGE_1: &str = include_str!("../../../prompts/protocols/trt-stage-1.toml");
/// The protocols inside of the binary.
pub const SHIPPED: [&str; 2] = [TRT_STAGE_1, include_str!("../../../prompts/protocols/breathing.toml")];

/// The source of the protocol inside of the binary that goes by an id.
#[must_use]
pub fn shipped(id: &str) -> Option<&'static str> {
    SHIPPED.into_iter().find(|source| Protocol::parse(source).is_ok_and(|protocol| protocol.head().id == id))
}

#[cfg(test)]
mod tests;
