//! Networks that explain themselves. The main traits are [`Classifier`] and [`DynClassifier`].

use crate::{HeadReplaced, PluginError};
use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::store::ModuleRecord;
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use std::path::PathBuf;

/// How layers with two behaviours (batch normalisation, dropout) behave. It is an argument, not a state, so that a
/// pass in evaluation mode can be differentiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Batch statistics, dropout, running statistics updated.
    Train,
    /// Running statistics, no dropout.
    Eval,
}

/// The part of a network behind the CAM layer: it knows the derivative of a logit with respect to the activations in
/// closed form, since Burn differentiates once only.
pub trait CamHead: Send {
    /// Grad-CAM weights `alpha_k = mean_ij dy_t / dA_kij` (Eq. 1) inside the forward graph, thus differentiable.
    ///
    /// # Shapes
    /// - `class`: `[N]`, the class `t` of each picture.
    /// - output: `[N, K]`.
    fn cam_weights(&self, class: Tensor<1, Int>) -> Tensor<2>;
}

/// What a forward pass gives.
pub struct CamForward {
    /// Pre-softmax logits: `[N, classes]`.
    pub logits: Tensor<2>,
    /// Activations of the CAM layer: `[N, K, h, w]`.
    pub features: Tensor<4>,
    /// The head of this very pass (its ReLU and dropout masks included).
    pub head: Box<dyn CamHead>,
}

/// The type in which convolutions and fully connected layers multiply. Everything else is `f32` always: the weights that
/// the optimizer changes, batch statistics, what lies between layers, losses, heatmaps and boxes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// `f32`; what the device makes of it is the device's affair.
    #[default]
    F32,
    /// Factors and products rounded to `bf16`, sums in `f32`.
    Bf16,
}

/// What a model is built from.
#[derive(Clone, Debug)]
pub struct ModelContext {
    /// Number of classes.
    pub classes: usize,
    /// Height and width of the network input.
    pub input_size: usize,
    /// Seed of the initialisation.
    pub seed: u64,
    /// Device; an autodiff device for training.
    pub device: Device,
    /// The type in which its layers multiply.
    pub precision: Precision,
    /// Relative paths in the model's configuration start here.
    pub base_dir: PathBuf,
}

/// A parameter or buffer with the name torchvision gives it.
#[derive(Clone, Debug)]
pub struct NamedTensor {
    /// Name in a state dict (`layer1.0.bn1.running_mean`).
    pub name: String,
    /// Value.
    pub data: TensorData,
    /// Whether it is trained (a parameter) or not (a buffer).
    pub trained: bool,
}

/// A network as a Burn module. Implement this one; [`DynClassifier`] comes with it.
pub trait Classifier: Module + Sync + 'static {
    /// The forward pass.
    ///
    /// # Shapes
    /// - `images`: `[N, 3, H, W]`.
    fn forward(&self, images: Tensor<4>, mode: Mode) -> CamForward;

    /// Turns the module path of a tensor into its name in torchvision's state dict.
    fn state_name(path: &str) -> String {
        path.to_owned()
    }
}

/// A network as the engine sees it: object-safe, since [`Module`] is not.
pub trait DynClassifier: Send + Sync {
    /// The forward pass.
    ///
    /// # Shapes
    /// - `images`: `[N, 3, H, W]`.
    fn forward(&self, images: Tensor<4>, mode: Mode) -> CamForward;

    /// One step of the optimizer; parameters without gradient stay as they are.
    fn step(&mut self, optimizer: &mut ModuleOptimizer, learning_rate: f64, gradients: Gradients);

    /// Gradients by parameter name.
    fn gradients(&self, gradients: &Gradients) -> Vec<NamedTensor>;

    /// Parameters and buffers by name, in module order.
    fn tensors(&self) -> Vec<NamedTensor>;

    /// A copy for evaluation, outside the autodiff graph.
    fn evaluation_copy(&self) -> Box<dyn DynClassifier>;

    /// Parameters and buffers with their identities, to which optimizer state refers.
    fn to_record(&self) -> ModuleRecord;

    /// Puts a record back.
    ///
    /// # Errors
    /// When the record is of another network.
    fn load_record(&mut self, record: ModuleRecord) -> Result<(), PluginError>;
}

/// A network, with what happened to its weights on the way.
pub struct BuiltModel {
    /// The network.
    pub model: Box<dyn DynClassifier>,
    /// Set when it was given weights of another number of classes: the user must be told.
    pub head_replaced: Option<HeadReplaced>,
}

/// Makes a network object-safe.
pub fn boxed<M: Classifier>(module: M) -> Box<dyn DynClassifier> {
    Box::new(Held(Some(module)))
}

/// Holds the module by value: an optimizer step consumes it and gives it back without copying the parameters.
struct Held<M>(Option<M>);

impl<M: Classifier> Held<M> {
    fn module(&self) -> &M {
        self.0.as_ref().expect("the module is taken only within step and load_record, which put it back")
    }

    fn take(&mut self) -> M {
        self.0.take().expect("the module is taken only within step and load_record, which put it back")
    }
}

impl<M: Classifier> DynClassifier for Held<M> {
    fn forward(&self, images: Tensor<4>, mode: Mode) -> CamForward {
        self.module().forward(images, mode)
    }

    fn step(&mut self, optimizer: &mut ModuleOptimizer, learning_rate: f64, gradients: Gradients) {
        let module = self.take();
        let gradients = GradientsParams::from_grads(gradients, &module);
        self.0 = Some(optimizer.step(learning_rate, module, gradients));
    }

    fn gradients(&self, gradients: &Gradients) -> Vec<NamedTensor> {
        let mut visitor = visit::GradientVisitor::new(gradients, M::state_name);
        self.module().visit(&mut visitor);
        visitor.tensors
    }

    fn tensors(&self) -> Vec<NamedTensor> {
        let mut visitor = visit::ValueVisitor::new(M::state_name);
        self.module().visit(&mut visitor);
        visitor.tensors
    }

    fn evaluation_copy(&self) -> Box<dyn DynClassifier> {
        boxed(self.module().valid())
    }

    fn to_record(&self) -> ModuleRecord {
        self.module().clone().into_record()
    }

    fn load_record(&mut self, record: ModuleRecord) -> Result<(), PluginError> {
        let module = self.take();
        let backup = module.clone();
        match module.try_load_record(record) {
            Ok(module) => {
                self.0 = Some(module);
                Ok(())
            }
            Err(error) => {
                self.0 = Some(backup);
                Err(PluginError::new("model", format!("the record does not fit the network: {error}")))
            }
        }
    }
}

/// Walks over a module's tensors, keeping their paths.
mod visit {
    use super::NamedTensor;
    use burn::module::{ModuleVisitor, Param};
    use burn::tensor::{Gradients, Tensor};

    pub(super) struct ValueVisitor {
        path: Vec<String>,
        name: fn(&str) -> String,
        pub(super) tensors: Vec<NamedTensor>,
    }

    impl ValueVisitor {
        pub(super) fn new(name: fn(&str) -> String) -> Self {
            Self { path: Vec::new(), name, tensors: Vec::new() }
        }
    }

    impl ModuleVisitor for ValueVisitor {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let value = param.val();
            self.tensors.push(NamedTensor {
                name: (self.name)(&self.path.join(".")),
                trained: value.is_require_grad(),
                data: value.into_data(),
            });
        }
    }

    pub(super) struct GradientVisitor<'a> {
        path: Vec<String>,
        name: fn(&str) -> String,
        gradients: &'a Gradients,
        pub(super) tensors: Vec<NamedTensor>,
    }

    impl<'a> GradientVisitor<'a> {
        pub(super) fn new(gradients: &'a Gradients, name: fn(&str) -> String) -> Self {
            Self { path: Vec::new(), name, gradients, tensors: Vec::new() }
        }
    }

    impl ModuleVisitor for GradientVisitor<'_> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = param.val().grad(self.gradients) {
                self.tensors.push(NamedTensor {
                    name: (self.name)(&self.path.join(".")),
                    trained: true,
                    data: gradient.into_data(),
                });
            }
        }
    }
}
