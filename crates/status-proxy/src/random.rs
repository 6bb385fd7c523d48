//! Randomness without a generator of our own.

use std::hash::{BuildHasher, Hasher, RandomState};

/// 128 bits that cannot be guessed from the outside: the standard library's hashers are keyed at random.
pub(crate) fn bits() -> u128 {
    let half = || u128::from(RandomState::new().build_hasher().finish());
    half() << 64 | half()
}
