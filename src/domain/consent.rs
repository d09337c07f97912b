//! What people consent to before they talk, and what is remembered of it.
//!
//! The text is data. A consent names the very words that were read: a new version, or other words, needs a new one.

use serde::{Deserialize, Serialize};

use super::digest::digits_of;
use super::fault::Fault;
use super::session::Session;
use super::time::Timestamp;

const ENGLISH: &str = include_str!("../../prompts/consent/consent.en.toml");
/// Hexadecimal digits of the hash.
const HASH_DIGITS: usize = 32;
const VERSION_MAX_CHARS: usize = 64;
const TEXT_MAX_CHARS: usize = 20_000;

/// Whether nobody is talked with before they have consented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsentRule {
    #[default]
    Off,
    Required,
}

/// The text to consent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsentText {
    pub version: String,
    /// Over the version and the words.
    pub hash: String,
    pub text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    version: String,
    text: String,
}

impl ConsentText {
    /// The text inside of the binary.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn embedded() -> Result<Self, Fault> {
        Self::parse(ENGLISH)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What is wrong with it; never its words.
    pub fn parse(source: &str) -> Result<Self, Fault> {
        let Source { version, text } = toml::from_str(source)
            .map_err(|error: toml::de::Error| Fault::new("the consent text", error.message().to_owned()))?;
        let (version, text) = (version.trim().to_owned(), text.trim().to_owned());
        if !(1..=VERSION_MAX_CHARS).contains(&version.chars().count())
            || version.chars().any(char::is_control)
        {
            return Err(Fault::new(
                "version",
                "must have 1 to 64 characters, none of them a control character",
            ));
        }
        if !(1..=TEXT_MAX_CHARS).contains(&text.chars().count()) {
            return Err(Fault::new("text", "must have 1 to 20,000 characters"));
        }
        let hash = digits_of(&format!("{version}\n{text}"), HASH_DIGITS);
        Ok(Self { version, hash, text })
    }

    /// Whether these are its version and its words.
    #[must_use]
    pub fn is(&self, version: &str, hash: &str) -> bool {
        self.version == version && self.hash == hash
    }
}

/// That somebody has consented, as a session remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Consent {
    /// Of the text that was read.
    pub version: String,
    pub hash: String,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When it was withdrawn; null while it stands.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Timestamp>,
}

impl Consent {
    #[must_use]
    pub fn to(version: &str, hash: &str, at: Timestamp) -> Self {
        Self { version: version.to_owned(), hash: hash.to_owned(), at, revoked_at: None }
    }

    /// Whether it was given to this text and not withdrawn.
    #[must_use]
    pub fn stands_for(&self, text: &ConsentText) -> bool {
        self.revoked_at.is_none() && text.is(&self.version, &self.hash)
    }
}

/// What becomes of a session's consent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConsentChange {
    /// It is only looked at.
    None,
    Give {
        version: String,
        hash: String,
    },
    Revoke,
}

impl ConsentChange {
    /// Changes the consent of a session; false where it was so already, as by the same change before.
    pub fn apply(&self, session: &mut Session, now: Timestamp) -> bool {
        match (self, &mut session.consent) {
            (Self::None, _) | (Self::Revoke, None) => false,
            (Self::Revoke, Some(consent)) => {
                let stood = consent.revoked_at.is_none();
                consent.revoked_at.get_or_insert(now);
                stood
            }
            (Self::Give { version, hash }, consent) => {
                let is_given = consent.as_ref().is_some_and(|consent| {
                    consent.revoked_at.is_none() && consent.version == *version && consent.hash == *hash
                });
                if !is_given {
                    *consent = Some(Consent::to(version, hash, now));
                }
                !is_given
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_text_says_what_it_has_to() {
        let shipped = ConsentText::embedded().expect("sound");
        for word in ["AI", "no human", "stored", "emergency", "withdraw", "crisis line"] {
            assert!(shipped.text.contains(word), "{word}");
        }
        assert!(shipped.text.chars().count() < 2_000, "short enough to be read");
    }

    #[test]
    fn a_shipped_text_that_changed_has_another_version() {
        let shipped = ConsentText::embedded().expect("sound");
        let known = ("1", "ce8f5956c69c3cb7a7fa23a2c901c9c4");
        assert_eq!((&*shipped.version, &*shipped.hash), known, "count the version up, and note both here");
    }

    #[test]
    fn other_words_or_another_version_are_another_text() {
        let text = |version: &str, text: &str| {
            ConsentText::parse(&format!("version = \"{version}\"\ntext = \"{text}\"")).expect("sound")
        };
        let first = text("1", "words");
        assert_eq!(first.hash.len(), HASH_DIGITS);
        assert_eq!(first, text("1", "  words  "), "space around it is none of it");
        for other in [text("2", "words"), text("1", "other words")] {
            assert_ne!(first.hash, other.hash);
            let consent = Consent::to(&first.version, &first.hash, Timestamp::default());
            assert!(consent.stands_for(&first) && !consent.stands_for(&other));
        }
    }

    #[test]
    fn a_text_without_words_or_version_is_refused() {
        for source in ["", "version = \"1\"\ntext = \" \"", "version = \"\"\ntext = \"a\"", "version = \"1\""]
        {
            assert!(ConsentText::parse(source).is_err(), "{source}");
        }
        let unknown = "version = \"1\"\ntext = \"a\"\nlanguage = \"en\"";
        assert!(ConsentText::parse(unknown).is_err());
    }
}
