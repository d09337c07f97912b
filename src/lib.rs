//! Attune: a therapy conversation server.
//!
//! # The layers, and which may know which
//!
//! ```text
//! domain <- redis <- store, access, llm <- audit, events, rights, retrieval <- notify <- turn <- http <- app <- cli, main
//! ```
//!
//! An arrow is never reversed. A module's contract may be used by its sisters, its adapters never.
//!
//! # The turn
//!
//! ```text
//! screen     the text alone, for danger, before anything can refuse it
//! admit      bounds, and the idempotency key
//! begin      a permit, the session's lease, and all that is known of it
//! assess     what the text means together with what is remembered; decides first
//! navigate   the protocol's next step
//! retrieve   examples of what such a step says
//! generate   the words
//! commit     session, exchange and reply at once, or nothing
//! reply      the same bytes that were stored
//! ```
//!
//! # Invariants
//!
//! - An acknowledged turn is in the store; a turn is stored once; numbers have no gap and no repeat.
//! - A writer whose lease ran out cannot write.
//! - A session is never both going on and at level high or crisis.
//! - Of a session nothing outlives it but its client's safety memory.
//! - No text of a person is in logs, metrics, keys or errors.
//!
//! # In reading order

pub mod access;
pub mod app;
pub mod audit;
pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod events;
pub mod http;
pub mod llm;
pub mod notify;
pub mod redis;
pub mod retrieval;
pub mod rights;
pub mod store;
pub mod tasks;
pub mod telemetry;
pub mod turn;
