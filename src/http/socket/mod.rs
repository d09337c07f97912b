//! A `WebSocket` each: a connection is a viewer of a session, never its owner. Turns outlive it.
//!
//! ```text
//! join      who may connect, to which session, in which dialect; everything that can be refused over HTTP
//! talking   the loop over what can happen; knows frames and no message
//! talk      what messages mean: a text is counted, or begins a turn; knows messages and no frame
//! leaving   the one way out
//! duty      a connection of its own for who looks after people: danger as it shows
//! ```
//!
//! No actor and no task beside the connection's own but those of its turns. An idle connection keeps no buffer.

mod duty;
mod flow;
mod frames;
mod join;
mod leaving;
mod offer;
mod outgoing;
mod places;
mod plain;
mod speaker;
mod talk;
mod talking;
mod telling;
mod typed;
mod wire;

use crate::http::problem::{Code, Problem};

pub use duty::{__path_on_duty, on_duty};
pub use join::{__path_connect, connect};
pub use offer::ticket;
pub use places::{Place, Places};

/// Why a connection ends.
#[derive(Debug)]
pub enum End {
    /// The other end is away.
    Gone,
    /// It said good-bye.
    Closed,
    /// The server stops.
    Stopping,
    Fault(Code),
    /// The same with what there is to say about it.
    Refused(Box<Problem>),
}
