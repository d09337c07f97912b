//! The integration tests: one binary, the program that people run.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::unchecked_time_subtraction,
    clippy::disallowed_methods,
    clippy::duration_suboptimal_units,
    clippy::assigning_clones,
    clippy::match_same_arms,
    reason = "a test that cannot go on should say so by its panic; and says things in its own way"
)]

mod access;
mod alerts;
mod attacks;
mod audit;
mod bad_input;
mod care;
mod carried;
mod chat;
mod clients;
mod clinic;
mod concurrency;
mod consent;
mod conversation;
mod corpus;
mod crisis;
mod danger;
mod disclosure;
mod events;
mod examples;
#[allow(dead_code, unused_imports, reason = "people who start it by hand use more than the tests")]
#[path = "../../examples/fake-model/fake/mod.rs"]
mod fake;
mod fake_faults;
mod fake_model;
mod fallback;
mod fallback_live;
mod faulty;
mod following;
mod injections;
mod lifecycle;
mod live_api;
mod logins;
mod model_faults;
mod model_rig;
mod model_turns;
mod modes;
mod notices;
mod openapi;
mod owned_model;
mod ports;
mod process;
mod python_client;
mod rail_set;
mod receivers;
mod redis_server;
mod redis_servers;
mod redis_world;
mod rescreen_faults;
mod resp;
mod retrieval;
mod rig;
mod rig_wire;
mod rights;
mod safety_cli;
mod seed_program;
mod server;
mod socket;
mod socket_client;
mod store_contract;
mod store_embedded;
mod store_model;
mod store_redis;
mod tidy;
mod turn_faults;
mod venv;
mod webhooks;
mod wire;
mod world;
