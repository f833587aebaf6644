//! What a network will need, said before it is built. The main type is [`Forecast`].

use std::path::Path;

/// What is known of a network that is not built yet.
#[derive(Clone, Copy, Debug)]
pub struct Ahead<'a> {
    /// Number of classes.
    pub classes: usize,
    /// Height and width of the network input.
    pub input_size: usize,
    /// Relative paths in the model's configuration start here.
    pub base_dir: &'a Path,
}

/// How many numbers (`f32`) a network needs at the least. Every count is a lower bound: who has less memory than that
/// need not begin, who has more may still fail. Counts that no number can hold are the largest one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forecast {
    /// Parameters, trained or not.
    pub parameters: u128,
    /// Those that are trained.
    pub trained: u128,
    /// What training holds for one picture from the forward to the backward pass, the picture included.
    pub held: u128,
    /// What one picture takes at the same moment of a pass without gradients.
    pub widest: u128,
}

impl Forecast {
    /// Bytes that a step of training takes for a batch, where the optimizer keeps `moments` numbers for each trained
    /// parameter. Maps are given back while gradients come, so it has either of them but not both.
    #[must_use]
    pub fn training_bytes(&self, batch: usize, moments: usize) -> u128 {
        let maps = self.held.max(self.widest).saturating_mul(batch as u128);
        bytes([self.parameters, self.trained.saturating_mul(moments as u128), maps.max(self.trained)])
    }

    /// Bytes that a pass without gradients takes for a batch.
    #[must_use]
    pub fn evaluation_bytes(&self, batch: usize) -> u128 {
        bytes([self.parameters, self.widest.saturating_mul(batch as u128)])
    }
}

fn bytes<const N: usize>(numbers: [u128; N]) -> u128 {
    numbers.into_iter().fold(0, u128::saturating_add).saturating_mul(size_of::<f32>() as u128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_no_number_holds_stay_the_largest() {
        let forecast = Forecast { parameters: 10, trained: 8, held: 100, widest: 40 };
        assert_eq!(forecast.training_bytes(2, 2), 4 * (10 + 2 * 8 + 200));
        assert_eq!(forecast.training_bytes(0, 2), 4 * (10 + 2 * 8 + 8));
        assert_eq!(forecast.evaluation_bytes(3), 4 * (10 + 120));
        let endless = Forecast { held: u128::MAX, ..forecast };
        assert_eq!(endless.training_bytes(usize::MAX, 1), u128::MAX);
    }
}
