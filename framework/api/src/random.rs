//! Keyed randomness (method.md section 9). The main type is [`Key`].
//!
//! A stream of random numbers is a pure function of its key: trial seed, purpose, epoch, picture, ... Nothing comes
//! from the clock, from thread timing or from a global generator, so a trial that is resumed, forked from a stage or
//! run on another number of workers draws the same numbers.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The generator behind a [`Key`]: ChaCha with 8 rounds, counter-based.
pub type Rng = ChaCha8Rng;

/// Names a stream of random numbers. Keys are built up step by step; every step gives an independent stream.
///
/// ```
/// use fovea_api::Key;
/// use rand::Rng as _;
/// let key = Key::new(7).purpose("augment");
/// assert_eq!(key.index(3).rng().next_u64(), key.index(3).rng().next_u64());
/// assert_ne!(key.index(3).rng().next_u64(), key.index(4).rng().next_u64());
/// ```
#[derive(Clone, Debug)]
pub struct Key(blake3::Hasher);

impl Key {
    /// The root of a seed's streams.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("fovea 2026 random key v1");
        hasher.update(&seed.to_le_bytes());
        Self(hasher)
    }

    /// The stream for a purpose (`init`, `order`, `augment`, `noise`, ...).
    #[must_use]
    pub fn purpose(&self, name: &str) -> Self {
        let mut hasher = self.0.clone();
        hasher.update(&(name.len() as u64).to_le_bytes());
        hasher.update(name.as_bytes());
        Self(hasher)
    }

    /// The stream for a number (epoch, picture, level, draw, step).
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut hasher = self.0.clone();
        hasher.update(&(index as u64).to_le_bytes());
        Self(hasher)
    }

    /// The generator at the beginning of this stream.
    #[must_use]
    pub fn rng(&self) -> Rng {
        Rng::from_seed(*self.0.finalize().as_bytes())
    }

    /// One number, to seed a generator that is not ours (a device's).
    #[must_use]
    pub fn seed(&self) -> u64 {
        let bytes = self.0.finalize();
        u64::from_le_bytes(bytes.as_bytes()[..8].try_into().expect("a BLAKE3 digest has 32 bytes"))
    }
}
