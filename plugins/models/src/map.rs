//! Activations with space: [`Map`], in the order that suits the device.

use crate::cpu;
use burn::tensor::{Device, Tensor};

/// A batch of maps, `N` pictures of `C` channels, `H` high and `W` wide.
///
/// Pictures come as `[N, C, H, W]`. The operations of this crate for the CPU make `[H, W, N, C]` of it: a place of all
/// pictures, with all their channels, is one piece of memory. Elsewhere maps stay as pictures come.
#[derive(Clone, Debug)]
pub struct Map {
    values: Tensor<4>,
    by_place: bool,
}

impl Map {
    /// Of `[N, C, H, W]`.
    #[must_use]
    pub fn of_pictures(values: Tensor<4>) -> Self {
        Self { values, by_place: false }
    }

    /// Of `[H, W, N, C]`.
    #[must_use]
    pub fn of_places(values: Tensor<4>) -> Self {
        Self { values, by_place: true }
    }

    /// `[N, C, H, W]`
    #[must_use]
    pub fn dims(&self) -> [usize; 4] {
        let dims = self.values.dims();
        if self.by_place {
            let [h, w, n, c] = dims;
            [n, c, h, w]
        } else {
            dims
        }
    }

    /// As `[N, C, H, W]`, a view.
    #[must_use]
    pub fn into_pictures(self) -> Tensor<4> {
        if self.by_place { self.values.permute([2, 3, 0, 1]) } else { self.values }
    }

    /// As `[H, W, N, C]`, a view.
    #[must_use]
    pub fn into_places(self) -> Tensor<4> {
        if self.by_place { self.values } else { self.values.permute([2, 3, 0, 1]) }
    }

    /// Whether it is kept as `[H, W, N, C]`, and not as pictures come.
    pub(crate) fn is_by_place(&self) -> bool {
        self.by_place
    }

    /// Whether this crate's operations for the CPU can have it.
    pub(crate) fn is_here(&self) -> bool {
        cpu::holds(&self.values)
    }

    /// The same, and no gradients are kept of it.
    pub(crate) fn is_here_without_gradients(&self) -> bool {
        cpu::holds_without_gradients(&self.values)
    }

    /// Device.
    #[must_use]
    pub fn device(&self) -> Device {
        self.values.device()
    }

    /// The same function of every element; `f` must not change the shape.
    #[must_use]
    pub fn each(self, f: impl FnOnce(Tensor<4>) -> Tensor<4>) -> Self {
        Self { values: f(self.values), by_place: self.by_place }
    }

    /// In the order of `other`.
    fn ordered_like(self, other: &Self) -> Tensor<4> {
        if other.by_place { self.into_places() } else { self.into_pictures() }
    }

    /// A function of every element and that of another map of the same shape.
    #[must_use]
    pub fn both(self, other: Self, f: impl FnOnce(Tensor<4>, Tensor<4>) -> Tensor<4>) -> Self {
        let other = other.ordered_like(&self);
        self.each(|values| f(values, other))
    }

    /// The channels of all of them, one after the other.
    ///
    /// # Panics
    /// When there are none.
    #[must_use]
    pub fn concat(maps: Vec<Self>) -> Self {
        let first = maps.first().expect("at least one map").clone();
        let axis = if first.by_place { 3 } else { 1 };
        let parts = maps.into_iter().map(|map| map.ordered_like(&first)).collect();
        Self { values: Tensor::cat(parts, axis), by_place: first.by_place }
    }

    /// A number added to every channel of every picture.
    ///
    /// # Shapes
    /// - `shift`: `[C]`
    #[must_use]
    pub fn shift(self, shift: Tensor<1>) -> Self {
        let [_, channels, ..] = self.dims();
        let shape = if self.by_place { [1, 1, 1, channels] } else { [1, channels, 1, 1] };
        self.each(|values| values + shift.reshape(shape))
    }

    /// Every channel of every picture times and plus a number.
    ///
    /// # Shapes
    /// - `scale`, `shift`: `[C]`
    #[must_use]
    pub fn scale_and_shift(self, scale: Tensor<1>, shift: Tensor<1>) -> Self {
        let [_, channels, ..] = self.dims();
        let shape = if self.by_place { [1, 1, 1, channels] } else { [1, channels, 1, 1] };
        self.each(|values| values * scale.reshape(shape) + shift.reshape(shape))
    }
}
