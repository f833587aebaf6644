//! Tensors of a file. The main type is [`StateDict`].

use super::kind::{self, Kind};
use super::{WeightsError, WeightsErrorKind, names, unwrap};
use burn::tensor::{DType, TensorData};
use burn_store::pytorch_reader::{self, PytorchReader};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::Path;

/// Tensors by torchvision's names, as f32.
#[derive(Clone, Debug, Default)]
pub struct StateDict(pub BTreeMap<String, TensorData>);

impl StateDict {
    /// Reads a safetensors or PyTorch file; which it is, its content says and not its name.
    ///
    /// What training scripts wrap around the tensors is taken off: tables such as `state_dict` or `teacher`, prefixes such as
    /// `module.` or `_orig_mod.`, alone or stacked. `num_batches_tracked` is ignored.
    ///
    /// # Errors
    /// When the file cannot be read, is something else, or holds something else than finite floating-point numbers.
    pub fn read(path: &Path) -> Result<Self, WeightsError> {
        raw(path).and_then(collect).map_err(|kind| WeightsError { path: path.to_owned(), kind })
    }

    /// With the names of a network, where the tensors are found under other prefixes than its own.
    #[must_use]
    pub fn fitted(self, expected: &dyn Fn(&str) -> bool) -> Self {
        Self(unwrap::fitted(self.0, expected))
    }

    /// Whose the tensors are by their names, in words, where that is known.
    #[must_use]
    pub fn whose(&self) -> Option<String> {
        names::whose(&self.0.iter().map(|(name, data)| (name.clone(), data.shape().to_vec())).collect())
    }
}

/// Shapes by name of a file of weights, without its tensors.
pub(super) fn shapes(path: &Path) -> Result<BTreeMap<String, Vec<usize>>, WeightsErrorKind> {
    let raw = raw(path)?;
    let prefix = unwrap::unwrapped(&raw.iter().map(|tensor| tensor.name.as_str()));
    let named = raw.into_iter().filter_map(|t| Some((t.name.strip_prefix(&prefix)?.to_owned(), t.shape)));
    Ok(named.collect())
}

fn raw(path: &Path) -> Result<Vec<RawTensor>, WeightsErrorKind> {
    match kind::kind(path).map_err(WeightsErrorKind::Read)? {
        Kind::SafeTensors => read_safetensors(path),
        Kind::PyTorch => read_pytorch(path),
    }
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
    let prefix = unwrap::unwrapped(&raw.iter().map(|tensor| tensor.name.as_str()));
    raw.retain(|t| t.name.starts_with(&prefix));
    raw.iter_mut().for_each(|t| t.name.replace_range(..prefix.len(), ""));
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
        let count = data.iter::<f32>().filter(|value| !value.is_finite()).count();
        if count > 0 {
            return Err(WeightsErrorKind::NotFinite { name, count, total: data.num_elements() });
        }
        dict.insert(name, data);
    }
    if dict.is_empty() {
        return Err(WeightsErrorKind::Read("it holds no tensors".to_owned()));
    }
    Ok(StateDict(dict))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    /// The archive that `torch.save` writes into a file of this stem: records below a folder of that name, their data
    /// aligned to 64 bytes by a field `FB` in the local headers, their sizes behind them.
    fn saved_as(stem: &str, records: &[(String, Vec<u8>)]) -> Vec<u8> {
        let (mut out, mut list) = (Vec::new(), Vec::new());
        for (name, data) in records {
            let name = format!("{stem}/{name}");
            let offset = out.len() as u32;
            let padding = (64 - (out.len() + 30 + name.len() + 4) % 64) % 64;
            let sizes = [crc32(data), data.len() as u32, data.len() as u32].map(u32::to_le_bytes).concat();
            out.extend(b"PK\x03\x04\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
            out.extend([name.len() as u16, 4 + padding as u16].map(u16::to_le_bytes).concat());
            out.extend(name.as_bytes());
            out.extend(b"FB");
            out.extend((padding as u16).to_le_bytes());
            out.extend(vec![b'Z'; padding]);
            out.extend(data);
            out.extend(b"PK\x07\x08");
            out.extend(&sizes);
            list.extend(b"PK\x01\x02\0\0\0\0\x08\x08\0\0\0\0\0\0");
            list.extend(&sizes);
            list.extend((name.len() as u16).to_le_bytes());
            list.extend([0; 12]);
            list.extend(offset.to_le_bytes());
            list.extend(name.as_bytes());
        }
        let (start, length, count) = (out.len() as u32, list.len() as u32, records.len() as u16);
        out.extend(list);
        out.extend(b"PK\x05\x06\0\0\0\0");
        out.extend([count, count].map(u16::to_le_bytes).concat());
        out.extend([length, start].map(u32::to_le_bytes).concat());
        out.extend([0, 0]);
        out
    }

    fn crc32(data: &[u8]) -> u32 {
        !data.iter().fold(!0, |crc, byte| {
            (0..8)
                .fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
        })
    }

    #[test]
    fn the_name_that_a_file_was_saved_under_makes_no_difference() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/resnet_basic.pth");
        let expected = StateDict::read(&golden).unwrap().0;
        let mut archive = zip::ZipArchive::new(std::fs::File::open(&golden).unwrap()).unwrap();
        let records: Vec<(String, Vec<u8>)> = (0..archive.len())
            .map(|index| {
                let mut entry = archive.by_index(index).unwrap();
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                let name = entry.name().unwrap().to_string();
                (name.split_once('/').unwrap().1.to_owned(), bytes)
            })
            .collect();
        let dir = tempfile::tempdir().unwrap();
        // Alignment takes from 4 to 67 bytes; with 21 letters it is nothing but its own header.
        for length in 1..=64 {
            let stem = "a".repeat(length);
            let path = dir.path().join(format!("{stem}.pth"));
            std::fs::write(&path, saved_as(&stem, &records)).unwrap();
            assert_eq!(StateDict::read(&path).unwrap().0, expected, "{length} letters");
        }
    }
}
