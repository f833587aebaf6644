//! Numbers of a plugin in Burn's autodiff graph. The main functions are [`linear`], for gradients that are known with the
//! values, and [`through`], for those that are asked for in the backward pass.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, DispatchDevice, Flex, backend_extension};
use burn::tensor::{DType, Tensor, TensorData};
use std::fmt;
use std::sync::Arc;

/// From the gradient of the output to that of the input.
pub(crate) type Vjp = Arc<dyn Fn(&[f32]) -> Vec<f32> + Send + Sync>;

/// Values of a tensor on the host, row-major.
pub(crate) fn host<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    let data = tensor.clone().detach().into_data();
    data.try_to_vec::<f32>().unwrap_or_else(|_| data.iter::<f32>().collect())
}

/// `constant`, with the gradient of `rows` (`rows[n]` is the gradient of `constant[n]` with respect to `input[n]`): the
/// term that is added is 0, and its gradient is not. It is made of Burn's own operations, so it runs on every device.
///
/// # Shapes
/// - `constant` and output: `[N]`; `input` and `rows`: `[N, ...]`
pub(crate) fn linear<const D: usize>(constant: Tensor<1>, input: &Tensor<D>, rows: Vec<f32>) -> Tensor<1> {
    let shape = input.dims();
    let n = shape[0];
    let width = rows.len() / n.max(1);
    let rows = Tensor::<2>::from_data(TensorData::new(rows, [n, width]), &input.device());
    let input = input.clone().reshape([n, width]);
    let zero = input.clone() - input.detach();
    constant + (zero * rows).sum_dim(1).reshape([n])
}

/// Whether [`through`] can be used with this tensor.
pub(crate) fn can_go_through<const D: usize>(tensor: &Tensor<D>) -> bool {
    let device = tensor.device();
    let here = match device.as_dispatch() {
        DispatchDevice::Autodiff(device) => matches!(device.clone().inner(), DispatchDevice::Flex(_)),
        #[allow(unreachable_patterns, reason = "other devices exist with other features")]
        _ => false,
    };
    here && tensor.dtype() == DType::F32
}

/// A tensor of `values` whose gradient with respect to `input` is what `vjp` says.
///
/// # Panics
/// In the backward pass, when `vjp` does.
pub(crate) fn through<const D: usize, const E: usize>(
    input: Tensor<D>,
    values: Vec<f32>,
    shape: [usize; E],
    vjp: Vjp,
) -> Tensor<E> {
    let input_shape = input.dims().to_vec();
    let answer = Answer { values: Arc::new(values), shape: shape.to_vec(), input_shape, vjp };
    Tensor::from_dispatch(Dispatch::answer(input.into_dispatch(), answer))
}

/// What a plugin made of a tensor.
#[derive(Clone)]
pub(crate) struct Answer {
    values: Arc<Vec<f32>>,
    shape: Vec<usize>,
    input_shape: Vec<usize>,
    vjp: Vjp,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// What a backend adds.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait AnswerBackend: Backend {
    /// The answer's values, as a function of `input`.
    fn answer(input: FloatTensor<Self>, answer: Answer) -> FloatTensor<Self>;
}

impl AnswerBackend for Flex {
    fn answer(_: FloatTensor<Self>, answer: Answer) -> FloatTensor<Self> {
        tensor(answer.values.to_vec(), &answer.shape)
    }
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> FloatTensor<Flex> {
    Flex::float_from_data(TensorData::new(values, shape.to_vec()), &Default::default())
}

#[derive(Debug)]
struct Answered;

impl Backward<Flex, 1> for Answered {
    type State = Answer;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [input] = ops.parents;
        let gradient = grads.consume::<Flex>(&ops.node);
        let answer = ops.state;
        if let Some(node) = input {
            let out = match gradient.as_slice::<f32>() {
                Some(values) => (answer.vjp)(values),
                None => (answer.vjp)(gradient.to_contiguous().storage::<f32>()),
            };
            grads.register::<Flex>(node.id, tensor(out, &answer.input_shape));
        }
    }
}

impl<C: CheckpointStrategy> AnswerBackend for Autodiff<Flex, C> {
    fn answer(input: FloatTensor<Self>, answer: Answer) -> FloatTensor<Self> {
        match Answered.prepare::<C>([input.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let out = Flex::answer(input.into_primitive(), answer.clone());
                prep.finish(answer, out)
            }
            OpsKind::UnTracked(prep) => prep.finish(Flex::answer(input.into_primitive(), answer)),
        }
    }
}
