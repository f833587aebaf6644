//! The convolution and its gradients on slices.

use super::multiply::Left;
use super::shape::Geometry;
use fovea_heap::in_chunks;

impl Geometry {
    /// The output `[h, w, N, K]`.
    pub(super) fn forward(&self, input: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        if self.pictures {
            return self.forward_images(input, weight, bias);
        }
        let panels = self.forward_panels(weight);
        let meetings = self.sources();
        let left = Left { source: input, length: self.input[0], meetings: &meetings, images: self.images };
        left.multiply(&panels, self.output[0], bias)
    }

    /// The gradient of the input, in its layout.
    pub(super) fn input_gradient(&self, weight: &[f32], gradient: &[f32]) -> Vec<f32> {
        let panels = self.backward_panels(weight);
        let meetings = self.targets();
        let left =
            Left { source: gradient, length: self.output[0], meetings: &meetings, images: self.images };
        let by_place = left.multiply(&panels, self.input[0], None);
        if !self.pictures {
            return by_place;
        }
        let [channels, height, width] = self.input;
        let plane = height * width;
        in_chunks(by_place.len(), plane, |index, to| {
            let from = by_place[index..].iter().step_by(self.images * channels);
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        })
    }

    /// The gradient of the weight, `[K, C, k, k]`.
    pub(super) fn gradient_of_weight(&self, input: &[f32], gradient: &[f32]) -> Vec<f32> {
        if self.pictures {
            self.weight_gradient_of_images(input, gradient)
        } else {
            self.weight_gradient(input, gradient)
        }
    }
}
