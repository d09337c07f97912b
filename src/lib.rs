//! Attune: a therapy conversation server.

pub mod access;
pub mod clock;
pub mod config;
pub mod domain;
pub mod store;
