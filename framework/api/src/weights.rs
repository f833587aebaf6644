//! Checkpoints of PyTorch. The main functions are [`StateDict::read`] and [`load_state_dict`].

use crate::{Classifier, ConfigIssue};
use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor, TensorData};
use burn_store::pytorch_reader::{self, PytorchReader};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Weights could not be loaded: "failed to load weights ...".
#[derive(Debug, thiserror::Error)]
#[error("load weights {}: {kind}", path.display())]
pub struct WeightsError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub kind: WeightsErrorKind,
}

/// What is wrong with a file of weights.
#[derive(Debug, thiserror::Error)]
pub enum WeightsErrorKind {
    /// It cannot be read.
    #[error("{0}")]
    Read(String),
    /// A tensor is not of floating-point numbers.
    #[error("tensor `{name}` is of type {dtype}, not of floating-point numbers")]
    NotFloat {
        /// The tensor.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// Its tensors are not the network's.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
}

/// Every difference between a state dict and a network.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error(
    "the tensors are not this network's;{}{}{}",
    list("missing", missing),
    list("unexpected", unexpected),
    list("of another shape", misshaped)
)]
pub struct Mismatch {
    /// Names that the network has and the file has not.
    pub missing: Vec<String>,
    /// Names that the file has and the network has not.
    pub unexpected: Vec<String>,
    /// `name [file's shape] instead of [network's shape]`.
    pub misshaped: Vec<String>,
}

fn list(what: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" {what}: {};", names.join(", ")) }
}

/// A classification layer of another number of classes was not taken from the file but initialised.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the weights have {file_classes} classes, not {classes}: layer `{layer}` begins from random values, everything \
     else from the weights"
)]
pub struct HeadReplaced {
    /// The layer (`fc`).
    pub layer: String,
    /// Classes in the file.
    pub file_classes: usize,
    /// Classes of the network.
    pub classes: usize,
}

/// Tensors by torchvision's names, as f32.
#[derive(Clone, Debug, Default)]
pub struct StateDict(pub BTreeMap<String, TensorData>);

impl StateDict {
    /// Reads a `.safetensors` or a PyTorch file (any other extension).
    ///
    /// A dict nested under `state_dict` or `model` is taken from there, a prefix `module.` (of data-parallel
    /// training) is removed, and `num_batches_tracked` is ignored.
    ///
    /// # Errors
    /// When the file cannot be read or holds something else than floating-point numbers.
    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        let raw = if path.extension().is_some_and(|e| e == "safetensors") {
            read_safetensors(path)
        } else {
            read_pytorch(path)
        };
        raw.and_then(collect).map_err(|kind| WeightsError { path: path.to_owned(), kind })
    }

    /// The dict nested under a prefix, where there is one, else everything.
    #[must_use]
    pub fn nested(mut self, prefix: &str) -> Self {
        if self.0.keys().any(|name| name.starts_with(prefix)) {
            let inner = |(name, data): (String, _)| Some((name.strip_prefix(prefix)?.to_owned(), data));
            self.0 = self.0.into_iter().filter_map(inner).collect();
        }
        self
    }
}

/// Issues with a `weights` key. A relative path starts at `base_dir`.
#[must_use]
pub fn check_weights(weights: Option<&Path>, base_dir: &Path) -> Vec<ConfigIssue> {
    let Some(weights) = weights else { return Vec::new() };
    let known = weights.extension().is_some_and(|e| ["safetensors", "pth", "pt"].iter().any(|k| e == *k));
    let path = base_dir.join(weights);
    if !known {
        let text = format!("`{}` is neither a .safetensors nor a .pth file", weights.display());
        return vec![ConfigIssue::at("weights", text)];
    }
    if !path.is_file() {
        return vec![ConfigIssue::at("weights", format!("there is no file `{}`", path.display()))];
    }
    Vec::new()
}

/// The BLAKE3 of the weights: what a trial's identity takes from them.
///
/// # Errors
/// When the file cannot be read.
pub fn fingerprint_weights(weights: Option<&Path>, base_dir: &Path) -> Result<String, ConfigIssue> {
    let Some(weights) = weights else { return Ok(String::new()) };
    let path = base_dir.join(weights);
    let issue =
        |e: std::io::Error| ConfigIssue::at("weights", format!("cannot read `{}`: {e}", path.display()));
    let file = std::fs::File::open(&path).map_err(issue)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).map_err(issue)?;
    Ok(format!("weights={}", hasher.finalize().to_hex()))
}

type ReadBytes = Box<dyn Fn() -> Result<Vec<u8>, String>>;

/// A tensor in a file, whose bytes are fetched when it turns out to be wanted.
struct RawTensor {
    name: String,
    shape: Vec<usize>,
    dtype: Result<DType, String>,
    bytes: ReadBytes,
}

fn read_safetensors(path: &Path) -> Result<Vec<RawTensor>, WeightsErrorKind> {
    let file = std::fs::read(path).map_err(|e| WeightsErrorKind::Read(e.to_string()))?;
    let tensors = SafeTensors::deserialize(&file).map_err(|e| WeightsErrorKind::Read(e.to_string()))?;
    let raw = tensors.iter().map(|(name, view)| {
        let dtype = match view.dtype() {
            Dtype::F64 => Ok(DType::F64),
            Dtype::F32 => Ok(DType::F32),
            Dtype::F16 => Ok(DType::F16),
            Dtype::BF16 => Ok(DType::BF16),
            other => Err(format!("{other:?}")),
        };
        let data = view.data().to_vec();
        RawTensor {
            name: name.to_owned(),
            shape: view.shape().to_vec(),
            dtype,
            bytes: Box::new(move || Ok(data.clone())),
        }
    });
    Ok(raw.collect())
}

fn read_pytorch(path: &Path) -> Result<Vec<RawTensor>, WeightsErrorKind> {
    let reader = PytorchReader::new(path).map_err(|e| WeightsErrorKind::Read(e.to_string()))?;
    let raw = reader.into_tensors().into_iter().map(|(name, tensor)| {
        let dtype = match tensor.dtype() {
            pytorch_reader::DType::F64 => Ok(DType::F64),
            pytorch_reader::DType::F32 => Ok(DType::F32),
            pytorch_reader::DType::F16 => Ok(DType::F16),
            pytorch_reader::DType::BF16 => Ok(DType::BF16),
            other => Err(format!("{other:?}")),
        };
        let shape = tensor.shape().to_vec();
        let bytes = Box::new(move || tensor.read().map_err(|e| e.to_string()));
        RawTensor { name, shape, dtype, bytes }
    });
    Ok(raw.collect())
}

/// Finds the state dict among everything in the file.
fn collect(mut raw: Vec<RawTensor>) -> Result<StateDict, WeightsErrorKind> {
    for nest in ["state_dict.", "model.", "module."] {
        if raw.iter().any(|t| t.name.starts_with(nest)) {
            raw.retain(|t| t.name.starts_with(nest));
            raw.iter_mut().for_each(|t| t.name.replace_range(..nest.len(), ""));
        }
    }
    let mut dict = BTreeMap::new();
    for tensor in raw {
        if tensor.name == "num_batches_tracked" || tensor.name.ends_with(".num_batches_tracked") {
            continue;
        }
        let name = tensor.name;
        let dtype = match tensor.dtype {
            Ok(dtype) => dtype,
            Err(dtype) => return Err(WeightsErrorKind::NotFloat { name, dtype }),
        };
        let read = |e: String| WeightsErrorKind::Read(format!("tensor `{name}`: {e}"));
        let bytes = (tensor.bytes)().map_err(read)?;
        let data = TensorData::try_from_bytes_vec(bytes, tensor.shape, dtype)
            .and_then(|data| data.try_cast(DType::F32))
            .map_err(|e| read(e.to_string()))?;
        dict.insert(name, data);
    }
    Ok(StateDict(dict))
}

/// Puts a state dict into a network. `head` is the classification layer (`fc`): with another number of classes it
/// keeps its initialisation, which the result reports.
///
/// # Errors
/// One that lists every missing, unexpected and mis-shaped tensor.
pub fn load_state_dict<M: Classifier>(
    module: M,
    mut dict: StateDict,
    head: &str,
) -> Result<(M, Option<HeadReplaced>), Mismatch> {
    let mut expected = ShapeVisitor { path: Vec::new(), name: M::state_name, shapes: BTreeMap::new() };
    module.visit(&mut expected);
    let replaced = take_head(&mut dict, &expected.shapes, head);
    let kept = |name: &str| replaced.is_some() && name.strip_prefix(head).is_some_and(|r| r.starts_with('.'));

    let mut mismatch = Mismatch::default();
    for (name, shape) in &expected.shapes {
        match dict.0.get(name) {
            Some(data) if **data.shape() == **shape => {}
            Some(data) => {
                mismatch.misshaped.push(format!("{name} {:?} instead of {shape:?}", &**data.shape()));
            }
            None if kept(name) => {}
            None => mismatch.missing.push(name.clone()),
        }
    }
    mismatch.unexpected = dict.0.keys().filter(|n| !expected.shapes.contains_key(*n)).cloned().collect();
    if mismatch != Mismatch::default() {
        return Err(mismatch);
    }
    let mut mapper = LoadMapper { path: Vec::new(), name: M::state_name, dict };
    Ok((module.map(&mut mapper), replaced))
}

/// Takes the head out of the dict if it is one of another number of classes, and otherwise the network's.
fn take_head(
    dict: &mut StateDict,
    expected: &BTreeMap<String, Vec<usize>>,
    head: &str,
) -> Option<HeadReplaced> {
    let (weight, bias) = (format!("{head}.weight"), format!("{head}.bias"));
    let file: &[usize] = dict.0.get(&weight)?.shape();
    let file_bias: &[usize] = dict.0.get(&bias)?.shape();
    let ours = expected.get(&weight)?;
    let fits = file.len() == 2 && file[1] == ours[1] && file_bias == [file[0]];
    if !fits || file[0] == ours[0] {
        return None;
    }
    let replaced = HeadReplaced { layer: head.to_owned(), file_classes: file[0], classes: ours[0] };
    dict.0.remove(&weight);
    dict.0.remove(&bias);
    Some(replaced)
}

struct ShapeVisitor {
    path: Vec<String>,
    name: fn(&str) -> String,
    shapes: BTreeMap<String, Vec<usize>>,
}

impl ModuleVisitor for ShapeVisitor {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.shapes.insert((self.name)(&self.path.join(".")), param.val().dims().to_vec());
    }
}

struct LoadMapper {
    path: Vec<String>,
    name: fn(&str) -> String,
    dict: StateDict,
}

impl ModuleMapper for LoadMapper {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(data) = self.dict.0.remove(&(self.name)(&self.path.join("."))) else { return param };
        let tensor = Tensor::from_data(data, &param.val().device());
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}
