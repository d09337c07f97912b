//! Clinicians' passwords: bounds, and slow hashes of them. Takes tens of milliseconds: never on a thread that serves.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::clock::Entropy;

/// Characters of a password. The least is what NIST SP 800-63B asks of one that stands alone, rounded up.
pub const PASSWORD_CHARS: std::ops::RangeInclusive<usize> = 12..=256;

const SALT_BYTES: usize = 16;
/// Parameters and lengths as the library sets them, and a hash that nothing was ever hashed to.
const DECOY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// Of a password that is made here: 120 random bits, without letters that look alike.
const MADE_CHARS: usize = 24;
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz023456789";

/// The Argon2id hash of a password, with its parameters and its salt, as the PHC string format has it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Hashes with the library's parameters: 19 MiB, two passes, as OWASP names them.
    #[must_use]
    pub fn of(password: &SecretString, entropy: &Entropy) -> Self {
        let mut salt = [0; SALT_BYTES];
        entropy.fill(&mut salt);
        let hashed = Argon2::default().hash_password_with_salt(password.expose_secret().as_bytes(), &salt);
        // The parameters are sound, and salt and password within what Argon2 takes. Nothing matches an empty hash.
        Self(hashed.map(|hash: Phc| hash.to_string()).unwrap_or_default())
    }

    /// One that no password is known to match, and that takes as long to compare with as any: for where there is nobody.
    #[must_use]
    pub fn decoy() -> Self {
        Self(DECOY.to_owned())
    }

    #[must_use]
    pub fn verify(&self, password: &SecretString) -> bool {
        let Ok(hash) = Phc::new(&self.0) else { return false };
        Argon2::default().verify_password(password.expose_secret().as_bytes(), &hash).is_ok()
    }
}

/// A hash is nobody's to read in a log.
impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

/// A password that is shown once, until its owner chooses another.
#[must_use]
pub fn make_password(entropy: &Entropy) -> SecretString {
    let mut bytes = [0; MADE_CHARS];
    entropy.fill(&mut bytes);
    let letters = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    letters.collect::<String>().into()
}

/// Whether a password is neither too short to stand nor too long to hash.
#[must_use]
pub fn is_fit(password: &SecretString) -> bool {
    PASSWORD_CHARS.contains(&password.expose_secret().chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other_is() {
        let entropy = Entropy::seeded(1);
        let password = make_password(&entropy);
        let hash = PasswordHash::of(&password, &entropy);
        assert!(is_fit(&password) && hash.verify(&password));
        assert!(!hash.verify(&make_password(&entropy)) && !hash.verify(&String::new().into()));
        assert_ne!(hash, PasswordHash::of(&password, &entropy), "each has a salt of its own");
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    }

    #[test]
    fn neither_a_password_nor_its_hash_is_printed() {
        let entropy = Entropy::seeded(1);
        let password = make_password(&entropy);
        let hash = PasswordHash::of(&password, &entropy);
        let printed = format!("{password:?} {hash:?}");
        assert!(!printed.contains(password.expose_secret()) && !printed.contains(&hash.0));
    }

    #[test]
    fn the_decoy_costs_what_a_real_hash_does_and_lets_nobody_in() {
        let entropy = Entropy::seeded(1);
        let password = make_password(&entropy);
        let (decoy, real) = (PasswordHash::decoy(), PasswordHash::of(&password, &entropy));
        let parts = |hash: &PasswordHash| hash.0.rsplitn(3, '$').map(str::len).collect::<Vec<_>>();
        assert_eq!(parts(&decoy), parts(&real));
        assert!(real.0.starts_with(decoy.0.rsplitn(3, '$').last().unwrap_or_default()));
        assert!(Phc::new(&decoy.0).is_ok() && !decoy.verify(&password));
    }

    #[test]
    fn nothing_matches_a_hash_that_cannot_be_read() {
        for spoilt in ["", "x", "$argon2id$"] {
            assert!(!PasswordHash(spoilt.to_owned()).verify(&String::new().into()));
        }
    }
}
