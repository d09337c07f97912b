//! One binary for all integration tests.

mod store_contract;
mod store_embedded;
mod store_model;
mod world;
