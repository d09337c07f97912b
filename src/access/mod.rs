//! Who calls, with what, and what it may do; and the secret that every keyed hash uses.
//!
//! Decides alone, and reads no store: who asks finds what is stored of a credential first.

mod credential;
pub mod matrix;
mod password;
mod role;
mod secret;
mod webhook;

pub use credential::{CredentialHash, Kind, RawCredential, is_same};
pub use matrix::{Access, Grant, Operation, Watch};
pub use password::{PASSWORD_CHARS, PasswordHash, is_fit, make_password};
pub use role::{Caller, Reach, Role, Who};
pub use secret::{KeyFileError, Secret};
pub use webhook::WebhookKey;
