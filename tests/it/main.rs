//! The integration tests: one binary, the program that people run.

mod bad_input;
mod concurrency;
mod conversation;
mod danger;
mod lifecycle;
mod openapi;
mod process;
mod python_client;
mod server;
mod store_contract;
mod store_embedded;
mod store_model;
mod tidy;
mod world;
