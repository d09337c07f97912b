//! What may be asked of all that is kept of a person: to have it, to have it gone, and how long it stays. Knows the
//! store's contract.

mod export;
mod purge;
pub mod retention;

pub use export::{Holdings, gather};
pub use purge::{Erased, Purge, Purged, purge};
