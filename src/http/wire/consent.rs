//! Bodies of consent.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::consent::{Consent, ConsentText};

/// The text to consent to.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentTextBody {
    pub version: String,
    /// 32 hexadecimal digits over the version and the text.
    pub hash: String,
    pub text: String,
    /// Whether nobody is talked with before they have consented.
    pub required: bool,
}

/// Which text is consented to.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ConsentBody {
    /// As `GET /consent` tells it.
    #[schema(max_length = 64)]
    pub version: String,
    #[schema(min_length = 32, max_length = 32)]
    pub hash: String,
}

/// What a session's client consented to.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionConsentBody {
    pub session_id: String,
    /// Null where nobody ever did.
    pub consent: Option<Consent>,
    /// Whether it was given to the current text and not withdrawn.
    pub stands: bool,
}

impl SessionConsentBody {
    pub fn of(session_id: String, consent: Option<Consent>, text: &ConsentText) -> Self {
        let stands = consent.as_ref().is_some_and(|consent| consent.stands_for(text));
        Self { session_id, consent, stands }
    }
}
