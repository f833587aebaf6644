//! What the operations written for the CPU share.

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{DispatchDevice, Flex, TensorMetadata};
use burn::tensor::{DType, Shape, Tensor, TensorData};
use rayon::prelude::*;

/// Whether a tensor is one that these operations are written for: `f32` on the CPU.
pub(crate) fn holds<const D: usize>(tensor: &Tensor<D>) -> bool {
    let device = tensor.device();
    let here = match device.as_dispatch() {
        DispatchDevice::Flex(_) => true,
        DispatchDevice::Autodiff(device) => matches!(device.clone().inner(), DispatchDevice::Flex(_)),
        #[allow(unreachable_patterns, reason = "other devices exist with other features")]
        _ => false,
    };
    here && tensor.dtype() == DType::F32
}

/// The same, and no gradients are kept of it.
pub(crate) fn holds_without_gradients<const D: usize>(tensor: &Tensor<D>) -> bool {
    matches!(tensor.device().as_dispatch(), DispatchDevice::Flex(_)) && tensor.dtype() == DType::F32
}

/// Changes every run of `length` elements of a tensor by `change`, which is given the run's number, too; in place where
/// nobody else has the tensor. One task takes at least `least` runs.
pub(crate) fn change_runs(
    mut tensor: FloatTensor<Flex>,
    length: usize,
    least: usize,
    change: impl Fn(usize, &mut [f32]) + Sync + Send,
) -> FloatTensor<Flex> {
    let shape = tensor.shape();
    let whole = tensor.as_slice::<f32>().is_some_and(|values| values.len() == tensor.storage::<f32>().len());
    if whole && let Some(own) = tensor.try_storage_mut::<f32>() {
        own.par_chunks_mut(length)
            .with_min_len(least)
            .enumerate()
            .for_each(|(run, values)| change(run, values));
        return tensor;
    }
    let out = values(&tensor, |values| {
        let mut out = vec![0.0; values.len()];
        let runs = out.par_chunks_mut(length).zip(values.par_chunks(length)).with_min_len(least);
        runs.enumerate().for_each(|(run, (out, values))| {
            out.copy_from_slice(values);
            change(run, out);
        });
        out
    });
    self::tensor(out, shape)
}

/// A tensor of these values.
pub(crate) fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FloatTensor<Flex> {
    Flex::float_from_data(TensorData::new(values, shape), &Default::default())
}

/// Calls `f` with the values of a tensor in row-major order.
pub(crate) fn values<R>(tensor: &FloatTensor<Flex>, f: impl FnOnce(&[f32]) -> R) -> R {
    match tensor.as_slice::<f32>() {
        Some(values) => f(values),
        // Copied, so contiguous from the beginning of its storage.
        None => f(tensor.to_contiguous().storage::<f32>()),
    }
}

/// Runs loops over scalars compiled for wide vectors. The closure is to be `#[inline(always)]`: one that is called is
/// compiled for the least of processors.
#[inline(always)]
pub(crate) fn wide<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}
