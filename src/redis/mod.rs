//! Redis as everybody here uses it: one link that mends itself, the keys, the scripts, and the messages that wake.
//!
//! A leaf: it knows nothing of sessions but how their keys are spelled. Nothing else names the client library but the
//! store's adapter, and nothing at all spells a key but [`keys`].

mod cached;
mod deployment;
mod ears;
pub mod keys;
mod link;
mod script;
mod survey;
pub mod tail;
mod wake;

pub use cached::{cache, cached};
pub use deployment::{agreed, standing};
pub use ears::{Ears, attend};
pub use keys::Keys;
pub use link::{Link, LinkError, LinkOptions, LinkState};
pub use script::Script;
pub use survey::{Remark, survey};
pub use wake::{Listening, Message, Wakes, hear};
