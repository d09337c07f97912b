//! One binary for all integration tests.
#![allow(
    clippy::expect_used,
    clippy::unchecked_time_subtraction,
    reason = "a test that cannot go on should say so by its panic"
)]

mod store_contract;
mod store_embedded;
mod store_model;
mod world;
