//! What the operations written for the CPU share.

use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{DispatchDevice, Flex};
use burn::tensor::{DType, Shape, Tensor, TensorData};

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

/// Runs loops over scalars compiled for wide vectors.
#[inline(always)]
pub(crate) fn wide<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}
