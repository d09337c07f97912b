//! The edge: paths, bodies and problems. Thin: it decodes, asks, and encodes; it decides nothing.

mod address;
mod alerts;
mod audit;
mod body;
mod care;
mod chats;
mod clients;
mod clinicians;
mod consent;
mod credentials;
mod docs;
mod edge;
mod events;
mod guard;
mod health;
mod input;
mod keys;
mod lists;
mod login;
pub mod openapi;
mod passwords;
pub mod problem;
mod query;
mod rights;
mod routes;
mod session;
mod sse;
mod state;
mod statement;
mod tokens;
mod turns;
mod watch;
pub mod wire;

pub use edge::{edge, guard};
pub use routes::routes;
pub use state::State;
