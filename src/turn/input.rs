//! The first two steps: **screen** reads the text for danger before anything can refuse it, **admit** checks the rest.

use std::sync::Arc;

use crate::access::{Caller, CredentialHash, Secret};
use crate::domain::id::SessionKey;
use crate::domain::safety::{Level, Safety, Screening};
use crate::store::{Idempotency, Lane};

use super::Refused;
use super::spoken::Spoken;

/// The longest text of a turn, in characters.
pub const TEXT_MAX_CHARS: usize = 8_000;

/// A text that has been read for danger. There is no other way to one, so no turn is run unscreened.
pub struct Screened {
    text: String,
    screening: Screening,
}

/// Reads the whole text for danger, however long it is.
pub fn screen(safety: &Safety, text: String) -> Screened {
    let screening = safety.rules.screen(&text);
    Screened { text, screening }
}

impl Screened {
    pub fn shows_danger(&self) -> bool {
        self.screening.level > Level::None
    }
}

/// Whose text it is, and where it goes.
#[derive(Debug)]
pub struct Address<'a> {
    pub caller: &'a Caller,
    /// One that the caller may reach.
    pub session: SessionKey,
    pub route: &'a str,
    pub idempotency_key: Option<&'a str>,
    /// The raw body: a repeat has to have the same.
    pub body: &'a [u8],
    /// A token by which the caller speaks. A session that comes to be by its words is its own only while it stands.
    pub by: Option<CredentialHash>,
}

/// A turn that may be begun.
#[derive(Clone)]
pub struct Admitted {
    pub(super) key: SessionKey,
    pub(super) text: Arc<str>,
    /// Whether the text was longer than [`TEXT_MAX_CHARS`] and was cut, as only danger is.
    pub(super) cut: bool,
    pub(super) screening: Arc<Screening>,
    pub(super) idempotency: Option<Idempotency>,
    pub(super) spoken: Spoken,
    pub(super) by: Option<CredentialHash>,
}

/// Checks the bounds. Danger is never refused for its length: it is cut.
///
/// # Errors
/// [`Refused::TextTooLong`].
pub fn admit(screened: Screened, address: &Address<'_>, secret: &Secret) -> Result<Admitted, Refused> {
    let danger = screened.shows_danger();
    let end = screened.text.char_indices().nth(TEXT_MAX_CHARS).map(|(end, _)| end);
    if end.is_some() && !danger {
        return Err(Refused::TextTooLong);
    }
    let session = &address.session;
    let idempotency = address
        .idempotency_key
        .map(|key| secret.idempotency(address.caller, address.route, session.id.as_str(), key, address.body));
    Ok(Admitted {
        key: session.clone(),
        text: Arc::from(&screened.text[..end.unwrap_or(screened.text.len())]),
        cut: end.is_some(),
        screening: Arc::new(screened.screening),
        idempotency,
        spoken: Spoken::default(),
        by: address.by,
    })
}

impl Admitted {
    pub(super) fn shows_danger(&self) -> bool {
        self.screening.level > Level::None
    }

    pub(super) fn lane(&self) -> Lane {
        if self.shows_danger() { Lane::Danger } else { Lane::Ordinary }
    }
}
