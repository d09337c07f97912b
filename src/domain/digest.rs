//! Which version of a data file: a name for its content.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// Hexadecimal digits that name a version.
const VERSION_DIGITS: usize = 16;

/// SHA-256 over the text, its first 16 hexadecimal digits.
#[must_use]
pub fn version_of(source: &str) -> String {
    digits_of(source, VERSION_DIGITS)
}

/// SHA-256 over the text, its first hexadecimal digits.
#[must_use]
pub fn digits_of(source: &str, digits: usize) -> String {
    let digest = Sha256::digest(source.as_bytes());
    let mut hex = digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    });
    hex.truncate(digits);
    hex
}
