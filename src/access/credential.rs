//! Credentials as they are shown once, presented, and stored: of a raw one only its SHA-256 is ever kept.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::Entropy;

/// 256 random bits.
const SECRET_BYTES: usize = 32;
/// The same in base64 without padding.
const SECRET_CHARS: usize = 43;

/// What a credential is for. Its text begins with the name, so that one that leaks is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An API key of an app or of an admin.
    Key,
    /// A client's, for one session.
    Session,
    /// The same for one use, where a header cannot be set.
    Ticket,
    /// A clinician's login, in a cookie.
    Login,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Key, Self::Session, Self::Ticket, Self::Login];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Session => "session",
            Self::Ticket => "ticket",
            Self::Login => "login",
        }
    }
}

/// A raw credential: shown to its holder once, never stored, never printed by accident.
#[derive(Debug)]
pub struct RawCredential {
    kind: Kind,
    text: SecretString,
}

impl RawCredential {
    /// A new one: `attune_{kind}_` and 256 random bits.
    #[must_use]
    pub fn make(kind: Kind, entropy: &Entropy) -> Self {
        let mut bytes = [0; SECRET_BYTES];
        entropy.fill(&mut bytes);
        let text = format!("attune_{}_{}", kind.as_str(), URL_SAFE_NO_PAD.encode(bytes));
        Self { kind, text: text.into() }
    }

    /// One that was presented. `None` where the text has not the form of any, and need not be looked for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, secret) = text.strip_prefix("attune_")?.split_once('_')?;
        let kind = Kind::ALL.into_iter().find(|known| known.as_str() == kind)?;
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let fits = secret.len() == SECRET_CHARS && secret.bytes().all(is_plain);
        fits.then(|| Self { kind, text: text.into() })
    }

    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The text itself, for the one answer that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    #[must_use]
    pub fn hash(&self) -> CredentialHash {
        CredentialHash(Sha256::digest(self.expose().as_bytes()).into())
    }
}

/// The SHA-256 of a raw credential, under which what is known of it is stored. With 256 random bits behind it no salt is
/// needed, and what a look-up's time tells of it leads to no raw one.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CredentialHash(pub [u8; 32]);

impl CredentialHash {
    /// Whether both are the same, in a time that does not tell how much of them is.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        is_same(&self.0, &other.0)
    }
}

/// Whether two secrets of a known length are the same, in a time that does not tell how much of them is.
#[must_use]
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    let differs = one.iter().zip(other).fold(0, |differs, (one, other)| differs | (one ^ other));
    one.len() == other.len() && differs == 0
}

impl fmt::Display for CredentialHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Even a hash is nobody's to read in a log.
impl fmt::Debug for CredentialHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialHash(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_parsed_as_it_was_made_and_hashes_the_same() {
        let entropy = Entropy::seeded(1);
        for kind in Kind::ALL {
            let made = RawCredential::make(kind, &entropy);
            let parsed = RawCredential::parse(made.expose()).expect("its own form");
            assert_eq!((parsed.kind(), parsed.hash()), (kind, made.hash()));
        }
        assert_ne!(
            RawCredential::make(Kind::Key, &entropy).hash(),
            RawCredential::make(Kind::Key, &entropy).hash()
        );
    }

    #[test]
    fn what_has_not_the_form_of_a_credential_is_none() {
        let made = RawCredential::make(Kind::Key, &Entropy::seeded(1));
        let text = made.expose();
        let bad = [
            String::new(),
            "attune_key_".to_owned(),
            text[..text.len() - 1].to_owned(),
            format!("{text}A"),
            text.replace("key", "keys"),
            text.replace("attune", "Attune"),
            format!(" {text}"),
            format!("{}é", &text[..text.len() - 2]),
        ];
        for bad in bad {
            assert!(RawCredential::parse(&bad).is_none(), "{}", bad.len());
        }
    }

    #[test]
    fn neither_a_raw_credential_nor_its_hash_is_printed() {
        let made = RawCredential::make(Kind::Session, &Entropy::seeded(1));
        let printed = format!("{made:?} {:?}", made.hash());
        assert!(!printed.contains(&made.expose()[20..]));
        assert!(!printed.contains(&made.hash().to_string()));
    }
}
