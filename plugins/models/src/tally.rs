//! What a network will hold, counted along its layers without building it. The main type is [`Tally`].

use fovea_api::Forecast;

/// Counts layer by layer what a picture takes. What is held for the backward pass are the inputs of convolutions and of
/// normalisations; a pass without gradients has a layer's input and output at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    /// Channels of the map so far.
    channels: usize,
    /// Its side.
    side: usize,
    /// Whether its layers are trained.
    trained: bool,
    forecast: Forecast,
}

/// A convolution's numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conv {
    pub(crate) output: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) bias: bool,
}

impl Tally {
    /// The count of a picture of three channels; `trained` says whether what follows is.
    pub(crate) fn new(side: usize, trained: bool) -> Self {
        let picture = map(3, side);
        Self { channels: 3, side, trained, forecast: Forecast { widest: picture, ..Forecast::default() } }
    }

    /// The side of the map so far.
    pub(crate) fn side(&self) -> usize {
        self.side
    }

    /// A convolution padded by half its kernel; what it takes is held unless another layer holds it already.
    pub(crate) fn conv(&mut self, conv: Conv, takes: Takes) {
        let Conv { output, kernel, stride, bias } = conv;
        let before = map(self.channels, self.side);
        if takes == Takes::Own {
            self.hold(before);
        }
        let weights = product([self.channels, output, kernel, kernel]);
        self.parameters(weights.saturating_add(if bias { output as u128 } else { 0 }));
        self.side = self.side.saturating_sub(1) / stride.max(1) + 1;
        self.channels = output;
        let after = map(self.channels, self.side);
        self.forecast.widest = self.forecast.widest.max(before.saturating_add(after));
    }

    /// A batch normalisation, which holds what it takes.
    pub(crate) fn norm(&mut self) {
        self.parameters(product([2, self.channels]));
        self.hold(map(self.channels, self.side));
    }

    /// A pooling that halves, rounding as a convolution does (`true`) or down.
    pub(crate) fn halve(&mut self, up: bool) {
        self.side = if up { self.side.div_ceil(2) } else { self.side / 2 };
    }

    /// A fully connected layer, trained whatever comes before it.
    pub(crate) fn linear(&mut self, input: usize, output: usize) {
        let trained = std::mem::replace(&mut self.trained, true);
        self.parameters(product([input, output]).saturating_add(output as u128));
        self.trained = trained;
    }

    /// Goes back to an earlier map, for a branch beside the main one.
    pub(crate) fn back_to(&mut self, earlier: &Self) {
        (self.channels, self.side) = (earlier.channels, earlier.side);
    }

    /// Channels of the map so far.
    pub(crate) fn channels(&self) -> usize {
        self.channels
    }

    pub(crate) fn forecast(self) -> Forecast {
        self.forecast
    }

    fn hold(&mut self, numbers: u128) {
        if self.trained {
            self.forecast.held = self.forecast.held.saturating_add(numbers);
        }
    }

    fn parameters(&mut self, count: u128) {
        self.forecast.parameters = self.forecast.parameters.saturating_add(count);
        if self.trained {
            self.forecast.trained = self.forecast.trained.saturating_add(count);
        }
    }
}

/// Whether a convolution's input is its own or held by another layer already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Own,
    Shared,
}

fn map(channels: usize, side: usize) -> u128 {
    product([channels, side, side])
}

/// A product that cannot overflow.
pub(crate) fn product(factors: impl IntoIterator<Item = usize>) -> u128 {
    factors.into_iter().fold(1, |product: u128, factor| product.saturating_mul(factor as u128))
}
