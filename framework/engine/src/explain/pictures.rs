//! The pictures to be explained. The main type is [`Pictures`].

use crate::data::transform::Transform;
use fovea_api::{DataError, RgbImage};
use safetensors::Dtype;
use safetensors::tensor::Metadata;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Decodes a picture file. Data sets decode, the engine does not: the caller brings it along.
pub type Decode = fn(&Path) -> Result<RgbImage, DataError>;

/// A header larger than this is no header (the format's own limit).
const LARGEST_HEADER: u64 = 100_000_000;

/// Pictures in order of their names, none of them read yet.
#[derive(Debug)]
pub struct Pictures(Vec<Picture>);

/// One picture.
#[derive(Debug)]
pub struct Picture {
    path: PathBuf,
    name: String,
    stem: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    /// A file of its own.
    File(Decode),
    /// Within a `.safetensors` file: its first byte, height and width.
    Tensor { offset: u64, size: (usize, usize) },
}

impl Pictures {
    /// Picture files.
    ///
    /// # Errors
    /// When two have the same stem, after which their heatmaps are named.
    pub fn files(files: Vec<PathBuf>, decode: Decode) -> Result<Self, DataError> {
        let mut stems: BTreeMap<String, PathBuf> = BTreeMap::new();
        let mut pictures = Vec::new();
        for path in files {
            let text =
                |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
            let (name, stem) = (text(path.file_name()), text(path.file_stem()));
            if let Some(other) = stems.insert(stem.clone(), path.clone()) {
                let message = format!(
                    "it and {} would both have their heatmap in `heatmap_{stem}`; rename one of them",
                    other.display()
                );
                return Err(DataError { path, message });
            }
            pictures.push(Picture { path, name, stem, place: Place::File(decode) });
        }
        Ok(Self(pictures))
    }

    /// Tensors `[3, height, width]` of float32 in a `.safetensors` file, each taken as network input as it is.
    ///
    /// # Errors
    /// When the file cannot be read or holds anything else.
    pub fn tensors(path: &Path) -> Result<Self, DataError> {
        let error = |message: String| DataError { path: path.to_owned(), message };
        let (start, metadata) = header(path).map_err(error)?;
        let mut pictures = Vec::new();
        for (name, info) in metadata.tensors().into_iter().collect::<BTreeMap<_, _>>() {
            let size = match (info.dtype, info.shape.as_slice()) {
                (Dtype::F32, &[3, height, width]) if height > 0 && width > 0 => (height, width),
                (dtype, shape) => {
                    let advice = "every tensor must be a picture of shape [3, height, width] in F32";
                    return Err(error(format!("tensor `{name}` is {dtype:?} {shape:?}; {advice}")));
                }
            };
            let place = Place::Tensor { offset: start + info.data_offsets.0 as u64, size };
            pictures.push(Picture { path: path.to_owned(), stem: name.clone(), name, place });
        }
        Ok(Self(pictures))
    }

    /// The pictures.
    #[must_use]
    pub fn list(&self) -> &[Picture] {
        &self.0
    }

    /// The least height or width, where pictures are squashed to `size`.
    #[must_use]
    pub fn least_side(&self, size: usize) -> usize {
        self.0.iter().map(|p| p.size(size)).map(|(h, w)| h.min(w)).min().unwrap_or(size)
    }
}

/// Where tensors begin in a `.safetensors` file, and which there are.
fn header(path: &Path) -> Result<(u64, Metadata), String> {
    let unreadable = |e: std::io::Error| format!("cannot be read: {e}");
    // A pipe would be waited for, for ever.
    if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("it is not a file".to_owned());
    }
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut bytes = [0; 8];
    file.read_exact(&mut bytes).map_err(|_| "it is no .safetensors file".to_owned())?;
    let header = u64::from_le_bytes(bytes);
    if header > LARGEST_HEADER || 8 + header > length {
        return Err("it is no .safetensors file, or it is cut short".to_owned());
    }
    let mut text = vec![0; header as usize];
    file.read_exact(&mut text).map_err(unreadable)?;
    let metadata: Metadata =
        serde_json::from_slice(&text).map_err(|e| format!("it is no .safetensors file: {e}"))?;
    let start = 8 + header;
    let end = start + metadata.data_len() as u64;
    if end != length {
        return Err(format!("it has {length} bytes, its header says {end}: it is cut short or damaged"));
    }
    Ok((start, metadata))
}

impl Picture {
    /// Name of the file, or of the tensor.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name without its extension: what the picture's own outputs are named after.
    #[must_use]
    pub fn stem(&self) -> &str {
        &self.stem
    }

    /// Whether it is network input already.
    #[must_use]
    pub fn is_tensor(&self) -> bool {
        matches!(self.place, Place::Tensor { .. })
    }

    /// Height and width of the network input, where picture files are squashed to `size`.
    #[must_use]
    pub fn size(&self, size: usize) -> (usize, usize) {
        match self.place {
            Place::File(_) => (size, size),
            Place::Tensor { size, .. } => size,
        }
    }

    /// An error about this picture.
    #[must_use]
    pub fn error(&self, message: impl std::fmt::Display) -> DataError {
        let message =
            if self.is_tensor() { format!("tensor `{}`: {message}", self.name) } else { message.to_string() };
        DataError { path: self.path.clone(), message }
    }

    /// The network input, `[3, height, width]`: files in 0..=1 and squashed to `size`, tensors as they are.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn load(&self, size: usize) -> Result<Vec<f32>, DataError> {
        let (height, width) = self.size(size);
        match self.place {
            Place::File(decode) => {
                let image = decode(&self.path)?;
                let mut pixels = vec![0.0; 3 * height * width];
                Transform::squash(image.width, image.height, size).image(&image, &mut pixels);
                Ok(pixels)
            }
            Place::Tensor { offset, .. } => {
                let mut bytes = vec![0; 3 * height * width * size_of::<f32>()];
                let read = File::open(&self.path).and_then(|mut file| {
                    file.seek(SeekFrom::Start(offset))?;
                    file.read_exact(&mut bytes)
                });
                read.map_err(|e| self.error(format!("cannot be read: {e}")))?;
                let (values, _) = bytes.as_chunks::<4>();
                Ok(values.iter().map(|v| f32::from_le_bytes(*v)).collect())
            }
        }
    }
}
