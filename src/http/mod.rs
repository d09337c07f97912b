//! The edge: paths, bodies and problems. Thin: it decodes, asks, and encodes; it decides nothing.

mod address;
mod alerts;
mod body;
mod consent;
mod docs;
mod edge;
mod guard;
mod health;
mod input;
mod keys;
mod lists;
pub mod openapi;
pub mod problem;
mod query;
mod routes;
mod session;
mod sse;
mod state;
mod statement;
mod tokens;
mod turns;
pub mod wire;

pub use edge::{edge, guard};
pub use routes::routes;
pub use state::State;
