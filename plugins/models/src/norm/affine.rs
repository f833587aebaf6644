//! Scaling and shifting by channel where no gradients are kept, in place.

use super::batch::rectified;
use crate::cpu::{self, values, wide};
use crate::rows::Rows;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Flex, TensorMetadata, backend_extension};

/// What a backend adds for what needs no gradients.
#[backend_extension(Flex)]
pub(crate) trait AffineBackend: Backend {
    /// The input times and plus the rows of `affine`, `[2, C]`, by channel, and rectified.
    fn affine(input: FloatTensor<Self>, affine: FloatTensor<Self>, relu: bool) -> FloatTensor<Self>;

    /// The same, with `add` added before it is rectified.
    fn affine_and_add(
        input: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        add: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self>;
}

/// [`AffineBackend`]'s operations on a tensor that is its own, or on a copy.
fn affine(
    input: FloatTensor<Flex>,
    affine: &FloatTensor<Flex>,
    add: Option<&FloatTensor<Flex>>,
    relu: bool,
) -> FloatTensor<Flex> {
    let [.., channels] = input.shape().dims::<4>();
    let rows = Rows::new(channels);
    let [scale, shift] = values(affine, |affine| {
        [0, 1].map(|row| rows.spread(affine[row * channels..][..channels].iter().copied()))
    });
    let change = |add: Option<&[f32]>| {
        cpu::change_runs(input, rows.piece, 1, |index, out| {
            let add = add.map(|add| rows.piece_of(add, index));
            wide(
                #[inline(always)]
                || match add {
                    Some(add) => rows.each(
                        out,
                        [add],
                        #[inline(always)]
                        |out, [add]| {
                            for (((x, add), scale), shift) in out.iter_mut().zip(add).zip(&scale).zip(&shift)
                            {
                                *x = rectified(*x * scale + shift + add, relu);
                            }
                        },
                    ),
                    None => rows.each(
                        out,
                        [],
                        #[inline(always)]
                        |out, []| {
                            for ((x, scale), shift) in out.iter_mut().zip(&scale).zip(&shift) {
                                *x = rectified(*x * scale + shift, relu);
                            }
                        },
                    ),
                },
            );
        })
    };
    match add {
        Some(add) => values(add, |add| change(Some(add))),
        None => change(None),
    }
}

impl AffineBackend for Flex {
    fn affine(input: FloatTensor<Self>, affine: FloatTensor<Self>, relu: bool) -> FloatTensor<Self> {
        self::affine(input, &affine, None, relu)
    }

    fn affine_and_add(
        input: FloatTensor<Self>,
        affine: FloatTensor<Self>,
        add: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        self::affine(input, &affine, Some(&add), relu)
    }
}
