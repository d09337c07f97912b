//! The therapy's protocol as data, and the engine that walks it. The engine knows no step by name.
//!
//! [`Protocol::parse`] reads a file, [`Protocol::check`] proves that it can be walked to its end, [`navigate`] takes one
//! turn of it. `docs/protocol.md` explains the file.

mod check;
mod graph;
mod model;
mod navigate;
mod parse;
mod place;
mod versions;
mod walk;

pub use model::{Aside, Notice, Part, Pass, Protocol, Rule, Spent, Step};
pub use navigate::{Choice, Decision, Navigation, Options, navigate};
pub use place::{CRITERIA, Place, PlaceFault, Progress, ProtocolRef, Standing};
pub use versions::{Protocols, Written};

/// Stage 1 of the therapy.
pub const TRT_STAGE_1: &str = include_str!("../../../prompts/protocols/trt-stage-1.toml");

#[cfg(test)]
mod tests;
