//! The deployment's secret: keys every hash that stands for a client, an idempotency key or a body.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use secrecy::{ExposeSecret as _, SecretBox};
use sha2::Sha256;

use crate::clock::Entropy;
use crate::config::{SecretBytes, decode_secret};
use crate::domain::id::{ClientKey, OrgId, SessionId};
use crate::store::Idempotency;

use super::{Caller, CredentialHash};

/// 32 bytes, equal on all servers of a deployment. Never shown.
#[derive(Debug, Clone)]
pub struct Secret(Arc<SecretBytes>);

#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    #[error("the key file {path} cannot be read or made: {source}")]
    Io { path: String, source: std::io::Error },
    #[error(
        "the key file {0} does not hold 32 bytes in base64; put the right one back, it belongs to the data"
    )]
    Malformed(String),
    #[error(
        "the key file {0} is not there, but the data are; put it back from a copy, a new one would not fit"
    )]
    Missing(String),
}

impl Secret {
    #[must_use]
    pub fn new(bytes: Arc<SecretBytes>) -> Self {
        Self(bytes)
    }

    /// Reads the key file, or makes it, readable by its owner alone.
    pub fn from_key_file(path: &Path, entropy: &Entropy) -> Result<Self, KeyFileError> {
        match std::fs::read_to_string(path) {
            Ok(encoded) => decode_secret(&encoded)
                .map(|bytes| Self(Arc::new(bytes)))
                .ok_or_else(|| KeyFileError::Malformed(path.display().to_string())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                make_key_file(path, entropy).map_err(|source| io_error(path, source))
            }
            Err(source) => Err(io_error(path, source)),
        }
    }

    /// Tells one secret from another without telling it.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 16] {
        first_16(&self.mac(&[b"fingerprint"]))
    }

    /// The key of a client's safety memory. Where an app names no client, the session id stands in.
    #[must_use]
    pub fn client_key(&self, org: &OrgId, client_id: Option<&str>, session: &SessionId) -> ClientKey {
        let (kind, id): (&[u8], &str) = match client_id {
            Some(id) => (b"client", id),
            None => (b"session", session.as_str()),
        };
        ClientKey::from_mac(&self.mac(&[b"safety", org.as_str().as_bytes(), kind, id.as_bytes()])[..16])
    }

    /// What a page sends beside the cookie of a login, so that no other site can act in its name.
    #[must_use]
    pub fn csrf(&self, login: &CredentialHash) -> String {
        let mac = self.mac(&[b"csrf", &login.0]);
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&mac[..16])
    }

    /// Names a receiver of webhooks without its address.
    #[must_use]
    pub fn receiver(&self, url: &str) -> String {
        let mac = first_16(&self.mac(&[b"receiver", url.as_bytes()]));
        format!("{:032x}", u128::from_be_bytes(mac))
    }

    /// What webhooks are signed with where no key for them is configured.
    pub(super) fn webhook_key(&self) -> [u8; 32] {
        self.mac(&[b"webhook"])
    }

    /// A link of the audit's chain, in hexadecimal.
    #[must_use]
    pub fn audit(&self, kind: &str, parts: &[&[u8]]) -> String {
        let all: Vec<&[u8]> =
            [b"audit".as_slice(), kind.as_bytes()].into_iter().chain(parts.iter().copied()).collect();
        CredentialHash(self.mac(&all)).to_string()
    }

    /// What makes two requests the same, in the scope of caller, route and session.
    #[must_use]
    pub fn idempotency(
        &self,
        caller: &Caller,
        route: &str,
        session: &str,
        key: &str,
        body: &[u8],
    ) -> Idempotency {
        let scope =
            [b"idempotency", caller.name.as_bytes(), route.as_bytes(), session.as_bytes(), key.as_bytes()];
        Idempotency { key: first_16(&self.mac(&scope)), body: first_16(&self.mac(&[b"body", body])) }
    }

    /// Under what found examples are kept: a keyed MD5, as long as other programs of that layout have it, which says
    /// nothing of the text. Another corpus or another model has other ones.
    #[must_use]
    pub fn passages_key(&self, corpus: &str, model: &str, label: &str, text: &str) -> [u8; 16] {
        let parts = ["passages", corpus, model, label, text].map(str::as_bytes);
        self.fed::<Hmac<Md5>>(&parts).finalize().into_bytes().into()
    }

    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.fed::<Hmac<Sha256>>(parts).finalize().into_bytes().into()
    }

    /// An HMAC over the parts, each with its length before it, so that no two lists run together.
    fn fed<H: Mac + KeyInit>(&self, parts: &[&[u8]]) -> H {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac =
            <H as KeyInit>::new_from_slice(self.0.expose_secret()).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac
    }
}

fn first_16(mac: &[u8; 32]) -> [u8; 16] {
    let mut first = [0; 16];
    first.copy_from_slice(&mac[..16]);
    first
}

fn io_error(path: &Path, source: std::io::Error) -> KeyFileError {
    KeyFileError::Io { path: path.display().to_string(), source }
}

fn make_key_file(path: &Path, entropy: &Entropy) -> std::io::Result<Secret> {
    let mut bytes = [0u8; 32];
    entropy.fill(&mut bytes);
    if let Some(directory) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
    // The data are worthless without it: it must not be lost where they are not.
    if let Err(error) = writeln!(file, "{encoded}").and_then(|()| file.sync_all()) {
        // Half a key, as a full disk leaves it, would stop every later start.
        std::fs::remove_file(path)?;
        return Err(error);
    }
    Ok(Secret(Arc::new(SecretBox::new(Box::new(bytes)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret::new(Arc::new(SecretBox::new(Box::new([byte; 32]))))
    }

    fn session(id: &str) -> SessionId {
        SessionId::parse(id).expect("a plain id")
    }

    #[test]
    fn a_key_file_is_made_once_and_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("deep/attune.key");
        let entropy = Entropy::seeded(1);
        let made = Secret::from_key_file(&path, &entropy).expect("made");
        let read = Secret::from_key_file(&path, &entropy).expect("read");
        assert_eq!(made.fingerprint(), read.fingerprint());
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_spoilt_key_file_is_never_overwritten() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "spoilt").expect("writable");
        let error = Secret::from_key_file(file.path(), &Entropy::seeded(1)).expect_err("spoilt");
        assert!(matches!(error, KeyFileError::Malformed(_)));
        assert_eq!(std::fs::read_to_string(file.path()).expect("there"), "spoilt");
    }

    #[test]
    fn a_client_and_a_session_of_the_same_name_have_different_keys() {
        let org = OrgId::default();
        let by_client = secret(1).client_key(&org, Some("a"), &session("b"));
        assert_ne!(by_client, secret(1).client_key(&org, None, &session("a")));
        assert_eq!(by_client, secret(1).client_key(&org, Some("a"), &session("c")));
        assert_ne!(by_client, secret(2).client_key(&org, Some("a"), &session("b")));
    }

    #[test]
    fn the_scope_of_an_idempotency_key_is_caller_route_and_session() {
        let caller = Caller::open();
        let base = secret(1).idempotency(&caller, "input", "s", "k", b"body");
        assert_eq!(base, secret(1).idempotency(&caller, "input", "s", "k", b"body"));
        assert_ne!(base.key, secret(1).idempotency(&caller, "create", "s", "k", b"body").key);
        assert_ne!(base.key, secret(1).idempotency(&caller, "input", "sk", "", b"body").key);
        assert_ne!(base.body, secret(1).idempotency(&caller, "input", "s", "k", b"other").body);
    }

    #[test]
    fn found_examples_have_another_key_when_anything_that_they_depend_on_is_another() {
        let base = secret(1).passages_key("corpus", "model", "label", "text");
        assert_eq!(base, secret(1).passages_key("corpus", "model", "label", "text"));
        let others = [
            secret(2).passages_key("corpus", "model", "label", "text"),
            secret(1).passages_key("other", "model", "label", "text"),
            secret(1).passages_key("corpus", "", "label", "text"),
            secret(1).passages_key("corpus", "model", "labelt", "ext"),
            secret(1).passages_key("corpus", "model", "label", "text "),
        ];
        assert!(!others.contains(&base));
    }
}
