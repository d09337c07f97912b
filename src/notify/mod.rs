//! Tells people outside of Attune what they have to see: that an alert is open. Webhooks of any kind go out through
//! [`webhook`], signed; mails through [`mail`].
//!
//! Nothing that is sent holds a text of a person, a session or a client; no address, key or password reaches a log.

mod alerts;
mod events;
pub mod mail;
pub mod message;
mod open;
mod standing;
pub mod webhook;

pub use alerts::{Ground, Notifier};
pub use events::Webhooks;
pub use open::{NotifyFault, Outlet, key, outlets};
pub use standing::Standing;

/// Why something did not arrive, without where it was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missed {
    #[error("no connection could be made")]
    Unreachable,
    #[error("the certificate could not be verified, or TLS is not spoken")]
    Untrusted,
    #[error("no answer came in time")]
    TimedOut,
    #[error("the answer was {0}")]
    Answered(u16),
    #[error("the answer was a redirect ({0}), and none is followed")]
    Redirected(u16),
    #[error("the connection broke")]
    Broken,
}
