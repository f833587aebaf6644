//! Trained weights for PyTorch. The main function is [`export`].
//!
//! A `.pth` file is what `torch.save` has written since 1.6: a ZIP archive of uncompressed records, `data.pkl` (the
//! dict, pickled, protocol 2), `data/N` (the numbers of storage N, little-endian), `version` and `byteorder`. Its
//! reader and writer are PyTorch's `torch/serialization.py` (`_save`, `persistent_id`) and
//! `caffe2/serialize/inline_container.cc`. Only what `torch.load(weights_only=True)` allows is written.

use crate::EngineError;
use crate::trained::TrainedTrial;
use burn::tensor::{Device, TensorData};
use fovea_api::{ModelContext, NamedTensor, Precision, Registry, StateDict};
use fovea_records::store;
use std::fmt::Display;
use std::io::{Cursor, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter, result::ZipError};

/// What file the weights become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// A `.safetensors` file with torchvision's names.
    Safetensors,
    /// A `.pth` file: a state dict with torchvision's names, in torchvision's order.
    PytorchKeys,
}

/// Writes a trial's weights to `path`. Nothing but the file depends on the format: the numbers are the same.
///
/// # Errors
/// When the weights cannot be read or are not the network's, or the file cannot be written.
pub fn export(
    trial: &TrainedTrial,
    format: ExportFormat,
    registry: &Registry,
    path: &Path,
) -> Result<(), EngineError> {
    let bytes = match format {
        ExportFormat::Safetensors => {
            std::fs::read(&trial.weights).map_err(|e| failed("read", &trial.weights, &e))?
        }
        ExportFormat::PytorchKeys => {
            let entries = state_dict(trial, registry)?;
            pth(&entries).map_err(|e| failed("write", path, &e))?
        }
    };
    store::write_atomic(path, &bytes)?;
    Ok(())
}

fn failed(action: &str, path: &Path, error: &dyn Display) -> EngineError {
    EngineError::Checkpoint(format!("cannot {action} {}: {error}", path.display()))
}

/// An entry of a state dict.
struct Entry {
    name: String,
    shape: Vec<usize>,
    numbers: Numbers,
}

enum Numbers {
    F32(Vec<f32>),
    I64(i64),
}

/// The trained tensors in the order of the network's modules, which is torchvision's, with the counters that PyTorch's
/// batch normalisation has beside its statistics. It reads them for a momentum of `None` only, so 0 serves.
fn state_dict(trial: &TrainedTrial, registry: &Registry) -> Result<Vec<Entry>, EngineError> {
    let context = ModelContext {
        // The names, which are all that is wanted here, do not depend on the number of classes.
        classes: 1,
        input_size: trial.config.input.size,
        seed: 0,
        device: Device::flex(),
        precision: Precision::default(),
        base_dir: ".".into(),
    };
    let name = &trial.config.model.name;
    let network = registry.build_model(name, trial.model_config(None), &context)?.model;
    let StateDict(mut tensors) =
        StateDict::read(&trial.weights).map_err(|e| EngineError::Checkpoint(format!("failed to {e}")))?;
    let mut entries = Vec::new();
    for NamedTensor { name, .. } in network.tensors() {
        let missing = || failed("export", &trial.weights, &format!("it has no tensor `{name}`"));
        let data = tensors.remove(&name).ok_or_else(missing)?;
        let counter = name.strip_suffix("running_var").map(|layer| format!("{layer}num_batches_tracked"));
        entries.push(Entry::floats(name, &data));
        entries.extend(counter.map(|name| Entry { name, shape: Vec::new(), numbers: Numbers::I64(0) }));
    }
    match tensors.keys().next() {
        Some(name) => Err(failed("export", &trial.weights, &format!("tensor `{name}` is not the network's"))),
        None => Ok(entries),
    }
}

impl Entry {
    fn floats(name: String, data: &TensorData) -> Self {
        Self { name, shape: data.shape().to_vec(), numbers: Numbers::F32(data.iter::<f32>().collect()) }
    }
}

/// The bytes of a `.pth` file.
fn pth(entries: &[Entry]) -> Result<Vec<u8>, ZipError> {
    // PyTorch maps storages into memory at multiples of 64 bytes.
    let stored =
        SimpleFileOptions::default().compression_method(CompressionMethod::Stored).with_alignment(64);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let mut record = |name: &str, bytes: &[u8]| {
        archive.start_file(format!("archive/{name}"), stored)?;
        archive.write_all(bytes).map_err(ZipError::from)
    };
    record("data.pkl", &pickle(entries))?;
    record("byteorder", b"little")?;
    for (key, entry) in entries.iter().enumerate() {
        record(&format!("data/{key}"), &entry.numbers.bytes())?;
    }
    record("version", b"3\n")?;
    Ok(archive.finish()?.into_inner())
}

impl Numbers {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::F32(values) => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::I64(value) => value.to_le_bytes().to_vec(),
        }
    }

    /// Name of the storage's class, and how many numbers it holds.
    fn storage(&self) -> (&'static str, usize) {
        match self {
            Self::F32(values) => ("FloatStorage", values.len()),
            Self::I64(_) => ("LongStorage", 1),
        }
    }
}

/// The state dict as a pickle: `{name: _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)}`, where
/// storage N stands for the numbers of `data/N`.
fn pickle(entries: &[Entry]) -> Vec<u8> {
    let mut pickle = Pickle(b"\x80\x02}(".to_vec()); // PROTO 2, EMPTY_DICT, MARK
    for (key, Entry { name, shape, numbers }) in entries.iter().enumerate() {
        let (class, count) = numbers.storage();
        pickle.text(name);
        pickle.global("torch._utils", "_rebuild_tensor_v2");
        pickle.op(b"((");
        pickle.text("storage");
        pickle.global("torch", class);
        pickle.text(&key.to_string());
        pickle.text("cpu");
        pickle.int(count);
        pickle.op(b"tQ"); // TUPLE, BINPERSID
        pickle.int(0);
        pickle.tuple(shape);
        pickle.tuple(&strides(shape));
        pickle.op(b"\x89"); // NEWFALSE
        pickle.global("collections", "OrderedDict");
        pickle.op(b")RtR"); // EMPTY_TUPLE, REDUCE, TUPLE, REDUCE
    }
    pickle.op(b"u."); // SETITEMS, STOP
    pickle.0
}

/// Strides of a contiguous tensor, in numbers.
fn strides(shape: &[usize]) -> Vec<usize> {
    (1..=shape.len()).map(|i| shape[i..].iter().product()).collect()
}

/// Opcodes of Python's `pickle` under way.
struct Pickle(Vec<u8>);

impl Pickle {
    fn op(&mut self, codes: &[u8]) {
        self.0.extend_from_slice(codes);
    }

    fn text(&mut self, text: &str) {
        self.op(b"X");
        self.op(&u32::try_from(text.len()).expect("names are short").to_le_bytes());
        self.op(text.as_bytes());
    }

    fn int(&mut self, value: usize) {
        self.op(b"J");
        self.op(&i32::try_from(value).expect("no tensor has 2^31 numbers").to_le_bytes());
    }

    fn tuple(&mut self, values: &[usize]) {
        self.op(b"(");
        values.iter().for_each(|v| self.int(*v));
        self.op(b"t");
    }

    fn global(&mut self, module: &str, name: &str) {
        self.op(format!("c{module}\n{name}\n").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let matrix = TensorData::new(vec![1.0f32, 2.0, 3.0, 4.0, 5.0, -6.5], [2, 3]);
        let entries = [
            Entry::floats("layer.weight".into(), &matrix),
            Entry { name: "bn.num_batches_tracked".into(), shape: Vec::new(), numbers: Numbers::I64(7) },
            Entry::floats("bn.bias".into(), &TensorData::new(vec![0.25f32], [1])),
        ];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("weights.pth");
        std::fs::write(&path, pth(&entries).unwrap()).unwrap();
        let StateDict(read) = StateDict::read(&path).unwrap();
        assert_eq!(read.keys().collect::<Vec<_>>(), ["bn.bias", "layer.weight"]);
        assert_eq!(read["layer.weight"], matrix);
    }

    #[test]
    fn strides_are_of_rows() {
        assert_eq!(strides(&[4, 3, 2]), [6, 2, 1]);
        assert_eq!(strides(&[]), [0; 0]);
    }
}
