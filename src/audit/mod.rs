//! The audit's chain: every record bears a keyed hash over the one before it, so that whatever is changed, taken out,
//! swapped or cut off is found. Knows the store's contract, and no text of anybody.

mod chain;
mod tend;

pub use chain::{Broken, Verified, of_session, verify};
pub use tend::{Auditor, tend};
