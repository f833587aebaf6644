//! Hashes for the trace. The main type is [`Digest`].

use burn::tensor::TensorData;
use fovea_api::NamedTensor;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Digits of BLAKE3 that a trace keeps: it is to find where two trainings part, not to withstand an attack.
const DIGITS: usize = 16;

/// Floats that are turned into bytes at a time.
const CHUNK: usize = 4096;

/// A hash in the making.
#[derive(Default)]
pub(crate) struct Digest(blake3::Hasher);

impl Digest {
    /// Adds bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Adds floats, in little-endian order on every machine.
    pub(crate) fn floats(&mut self, values: &[f32]) {
        let mut bytes = [0; 4 * CHUNK];
        for chunk in values.chunks(CHUNK) {
            let bytes = &mut bytes[..4 * chunk.len()];
            for (to, value) in bytes.as_chunks_mut().0.iter_mut().zip(chunk) {
                *to = value.to_le_bytes();
            }
            self.0.update(bytes);
        }
    }

    /// The hash in hexadecimal digits.
    pub(crate) fn text(&self) -> String {
        self.0.finalize().to_hex()[..DIGITS].to_owned()
    }
}

/// The hash of each tensor, by name.
pub(crate) fn of_tensors(tensors: &[NamedTensor]) -> BTreeMap<String, String> {
    tensors.par_iter().map(|tensor| (tensor.name.clone(), of_tensor(&tensor.data))).collect()
}

fn of_tensor(data: &TensorData) -> String {
    let mut digest = Digest::default();
    match data.as_slice::<f32>() {
        Ok(values) => digest.floats(values),
        Err(_) => digest.floats(&data.iter::<f32>().collect::<Vec<_>>()),
    }
    digest.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_that_of_the_little_endian_bytes() {
        let values: Vec<f32> = (0..CHUNK + 3).map(|i| i as f32 * 0.1).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let expected = blake3::hash(&bytes).to_hex()[..DIGITS].to_owned();
        let data = TensorData::new(values.clone(), [values.len()]);
        let tensor = NamedTensor { name: "w".into(), data, trained: true };
        assert_eq!(of_tensors(&[tensor]), BTreeMap::from([("w".into(), expected)]));
    }
}
