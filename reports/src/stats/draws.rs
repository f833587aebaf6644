//! Numbers drawn by a fixed key: the same for every table, every run and every machine. The main type is [`Draws`].

/// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
pub(super) struct Draws {
    state: u64,
}

impl Draws {
    /// The stream of a key.
    pub(super) fn new(key: u64) -> Self {
        Self { state: key }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, by the high bits of a product (Lemire, ACM TOMACS 2019, without the rejection, whose
    /// bias is below `bound / 2^64`).
    pub(super) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }
}
