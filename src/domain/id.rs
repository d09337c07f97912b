//! The names of things: organisations, sessions, clients. Parsed once, trusted afterwards.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest id a caller may choose, in characters.
pub const SESSION_ID_MAX: usize = 128;

/// The id of a session: 1..=128 of `A-Z a-z 0-9 _ . - @`, and not the word `create`, which is a route.
///
/// The id of a successor is that of the first session with `.2`, `.3`, ... behind it and may be longer by that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

/// Why a text is no session id. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSessionId {
    #[error("must have 1 to 128 characters")]
    Length,
    #[error("may hold only letters, digits and _ . - @")]
    Character,
    #[error("'create' is reserved")]
    Reserved,
}

impl SessionId {
    /// # Errors
    /// When the text breaks the rule above.
    pub fn parse(text: impl Into<String>) -> Result<Self, BadSessionId> {
        let text = text.into();
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-@".contains(&byte)) {
            return Err(BadSessionId::Character);
        }
        if text.is_empty() || without_generation(&text).len() > SESSION_ID_MAX {
            return Err(BadSessionId::Length);
        }
        if text == "create" {
            return Err(BadSessionId::Reserved);
        }
        Ok(Self(text))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first session of the line in which an id with a number would succeed others. Whether it does is the
    /// session's to tell: an app may have chosen such an id.
    #[must_use]
    pub fn root(&self) -> Option<Self> {
        let root = without_generation(&self.0);
        (root.len() < self.0.len()).then(|| Self(root.to_owned()))
    }

    /// The id of the `generation`-th session in this one's line; the first has no number.
    #[must_use]
    pub fn successor(&self, generation: u32) -> Self {
        Self(format!("{}.{generation}", self.0))
    }
}

fn without_generation(text: &str) -> &str {
    match text.rsplit_once('.') {
        Some((root, digits))
            if (1..=6).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) =>
        {
            root
        }
        Some(_) | None => text,
    }
}

impl TryFrom<String> for SessionId {
    type Error = BadSessionId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(text)
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> Self {
        id.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names that stand in the place of an organisation's in the keys of the default one.
const RESERVED_ORGS: [&str; 24] = [
    "audit",
    "chats",
    "trt",
    "clinician",
    "credential",
    "credentials",
    "clinicians",
    "alerts",
    "session",
    "sessions",
    "lock",
    "ratelimit",
    "safety",
    "client",
    "idem",
    "analytics",
    "wake",
    "rag",
    "secret",
    "protocols",
    "orgs",
    "fingerprint",
    "lead",
    "marks",
];

/// The id of an organisation: 1..=32 of `a-z 0-9 -`, and none of the names that keys in Redis begin with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OrgId(String);

impl OrgId {
    /// # Errors
    /// When the text breaks the rule above.
    pub fn parse(text: impl Into<String>) -> Result<Self, BadOrgId> {
        let text = text.into();
        let fits = (1..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        let is_reserved = RESERVED_ORGS.contains(&text.as_str());
        if fits && !is_reserved { Ok(Self(text)) } else { Err(BadOrgId) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for OrgId {
    type Error = BadOrgId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(text)
    }
}

impl From<OrgId> for String {
    fn from(id: OrgId) -> Self {
        id.0
    }
}

impl Default for OrgId {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an organisation's id has 1 to 32 of a-z, 0-9 and -, and is no name of a kind of key")]
pub struct BadOrgId;

/// The name by which a clinician logs in: 1..=64 of `a-z 0-9 _ . - @`; capitals are read as small letters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClinicianName(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to 64 letters, digits and _ . - @")]
pub struct BadClinicianName;

impl ClinicianName {
    /// # Errors
    /// When the text breaks the rule above.
    pub fn parse(text: &str) -> Result<Self, BadClinicianName> {
        let text = text.to_ascii_lowercase();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-@".contains(&byte);
        let fits = (1..=64).contains(&text.len()) && text.bytes().all(is_plain);
        if fits { Ok(Self(text)) } else { Err(BadClinicianName) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ClinicianName {
    type Error = BadClinicianName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ClinicianName> for String {
    fn from(name: ClinicianName) -> Self {
        name.0
    }
}

/// A session's full name. No store method takes less.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    pub org: OrgId,
    pub id: SessionId,
}

impl SessionKey {
    #[must_use]
    pub fn new(org: OrgId, id: SessionId) -> Self {
        Self { org, id }
    }

    #[must_use]
    pub fn with_id(&self, id: SessionId) -> Self {
        Self { org: self.org.clone(), id }
    }
}

/// The key of a client's safety memory: an HMAC in hexadecimal, so that it names nobody.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientKey(String);

impl ClientKey {
    #[must_use]
    pub fn from_mac(mac: &[u8]) -> Self {
        use fmt::Write as _;
        let mut hex = String::with_capacity(mac.len() * 2);
        for byte in mac {
            let _ = write!(hex, "{byte:02x}");
        }
        Self(hex)
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_keeps_to_its_alphabet_and_length() {
        assert!(SessionId::parse("user_1234@example.com-7").is_ok());
        assert_eq!(SessionId::parse(""), Err(BadSessionId::Length));
        assert!(SessionId::parse("a".repeat(128)).is_ok());
        assert_eq!(SessionId::parse("a".repeat(129)), Err(BadSessionId::Length));
        for bad in ["a b", "a/b", "a{b}", "a:b", "ä", "a\0"] {
            assert_eq!(SessionId::parse(bad), Err(BadSessionId::Character), "{bad:?}");
        }
        assert_eq!(SessionId::parse("create"), Err(BadSessionId::Reserved));
    }

    #[test]
    fn an_organisation_is_not_called_like_a_kind_of_key() {
        assert!(OrgId::parse("clinic-7").is_ok());
        assert_eq!(OrgId::parse("session"), Err(BadOrgId));
        assert_eq!(OrgId::parse("Clinic"), Err(BadOrgId));
    }

    #[test]
    fn the_successor_of_the_longest_id_is_an_id_too() {
        let longest = SessionId::parse("a".repeat(128)).expect("128 are allowed");
        let successor = longest.successor(2);
        assert_eq!(SessionId::parse(successor.as_str()), Ok(successor));
    }
}
