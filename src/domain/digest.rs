//! Which version of a data file: a name for its content.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// SHA-256 over the text, its first 16 hexadecimal digits.
#[must_use]
pub fn version_of(source: &str) -> String {
    let digest = Sha256::digest(source.as_bytes());
    digest.iter().take(8).fold(String::with_capacity(16), |mut hex, byte| {
        let _infallible = write!(hex, "{byte:02x}");
        hex
    })
}
