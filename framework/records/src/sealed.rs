//! Values that are read back only if they are what was written. The main functions are [`write()`] and [`read`].
//!
//! For what is computed once and trusted afterwards (caches): a file has the BLAKE3 of the rest in its first line, a line
//! of an appended file has a sum of its own ([`sum`]). What does not fit is as good as missing.

use crate::store::{self, StoreError};
use serde::{Serialize, de::DeserializeOwned};
use std::path::Path;

/// What the first line begins with; to be changed with the format.
const MAGIC: &str = "fovea sealed 1 ";

/// Writes a value under its seal, whole or not at all.
///
/// # Errors
/// When it cannot be written, or has a number that is NaN or infinite.
pub fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    let text =
        crate::finite::to_vec(value).map_err(|why| StoreError::Unwritable { path: path.to_owned(), why })?;
    let seal = format!("{MAGIC}{}\n", blake3::hash(&text).to_hex());
    store::write_atomic(path, &[seal.as_bytes(), &text, b"\n"].concat())
}

/// Reads a value that is what was written; `None` where there is none, or something else.
#[must_use]
pub fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let bytes = std::fs::read(path).ok()?;
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let hash = std::str::from_utf8(&bytes[..end]).ok()?.strip_prefix(MAGIC)?;
    let text = bytes[end + 1..].strip_suffix(b"\n")?;
    let sound = blake3::hash(text).to_hex().as_str() == hash;
    sound.then(|| serde_json::from_slice(text).ok()).flatten()
}

/// The sum of a value, to be kept beside it: the first 64 bits of the BLAKE3 of its JSON.
#[must_use]
pub fn sum<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_vec(value).unwrap_or_default();
    blake3::hash(&text).to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flipped_bit_and_no_cut_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("boxes.json");
        let value = vec![Some(0.1_f32), None, Some(7.0)];
        assert_eq!(read::<Vec<Option<f32>>>(&path), None);
        write(&path, &value).unwrap();
        assert_eq!(read(&path), Some(value));
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            for damaged in [&flipped[..], &whole[..at]] {
                std::fs::write(&path, damaged).unwrap();
                assert_eq!(read::<Vec<Option<f32>>>(&path), None, "byte {at}");
            }
        }
        std::fs::write(&path, "[0.1]").unwrap();
        assert_eq!(read::<Vec<Option<f32>>>(&path), None, "from before there were seals");
    }
}
