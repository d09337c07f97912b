//! Hashes of grams, which are words in a row: 64 bits are enough for some hundred thousand of them. Every word is hashed
//! once, however many grams it stands in.

use std::hash::{BuildHasherDefault, Hasher};

use crate::domain::fnv::Fnv;

/// Hashes of grams as keys.
pub(super) type ByGram<T> = std::collections::HashMap<u64, T, BuildHasherDefault<AsItIs>>;

/// For keys that are hashes already.
#[derive(Default)]
pub(super) struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The hash of a gram, of which the words stand with spaces between.
pub(super) fn hash_of(gram: &str) -> u64 {
    gram.split(' ').map(hash_of_word).reduce(joined).unwrap_or_default()
}

pub(super) fn hash_of_word(word: &str) -> u64 {
    let mut hash = Fnv::default();
    hash.write(word.as_bytes());
    hash.finish()
}

/// The hash of a gram with a word behind it, by those of both. In another order they have another one.
pub(super) const fn joined(gram: u64, word: u64) -> u64 {
    (gram.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
