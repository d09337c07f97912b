//! The key under which webhooks are signed, and the signature, by the convention of Standard Webhooks: whoever receives
//! one can tell that it is ours and unchanged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret as _, SecretBox, SecretString};
use sha2::Sha256;

use super::Secret;

/// Stands before a key as people copy it.
const PREFIX: &str = "whsec_";
/// As many bytes as the convention has.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Shared with whoever receives the webhooks. Never shown but by [`WebhookKey::shown`].
#[derive(Debug)]
pub struct WebhookKey(SecretBox<Vec<u8>>);

impl WebhookKey {
    /// `whsec_` and 24 to 64 bytes in base64.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        BYTES.contains(&bytes.len()).then(|| Self(SecretBox::new(Box::new(bytes))))
    }

    /// The deployment's own, where none is configured: the same on every server.
    #[must_use]
    pub fn of(secret: &Secret) -> Self {
        Self(SecretBox::new(Box::new(secret.webhook_key().to_vec())))
    }

    /// As the receiver's libraries take it.
    #[must_use]
    pub fn shown(&self) -> SecretString {
        format!("{PREFIX}{}", STANDARD.encode(self.0.expose_secret())).into()
    }

    /// The value of `webhook-signature`.
    #[must_use]
    pub fn sign(&self, id: &str, at_s: i64, body: &[u8]) -> String {
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret()).expect("HMAC takes any key");
        for part in [id.as_bytes(), b".", at_s.to_string().as_bytes(), b".", body] {
            mac.update(part);
        }
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_that_the_conventions_libraries_make() {
        // The example of the convention's own documentation.
        let key = WebhookKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_key_is_shown_as_it_is_read_and_in_no_debug_output() {
        let text = format!("whsec_{}", STANDARD.encode([7; 32]));
        let key = WebhookKey::parse(&text).expect("a key");
        assert_eq!(key.shown().expose_secret(), text);
        assert!(!format!("{key:?}").contains("BwcH"));
        for bad in ["", "whsec_", "whsec_c2hvcnQ=", &text[6..], "whsec_!"] {
            assert!(WebhookKey::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_deployments_own_key_is_the_same_wherever_its_secret_is() {
        let secret = |byte| Secret::new(std::sync::Arc::new(SecretBox::new(Box::new([byte; 32]))));
        let shown = |byte| WebhookKey::of(&secret(byte)).shown().expose_secret().to_owned();
        assert_eq!(shown(1), shown(1));
        assert_ne!(shown(1), shown(2));
        assert!(WebhookKey::parse(&shown(1)).is_some());
    }
}
