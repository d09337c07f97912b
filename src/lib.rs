//! Attune: a therapy conversation server.

pub mod clock;
pub mod domain;
pub mod llm;
pub mod store;
