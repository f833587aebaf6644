//! A `.safetensors` file written tensor by tensor. The main type is [`TensorFile`].

use fovea_records::temporary::Temporary;
use fovea_records::{StoreError, store};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use std::fs::File;
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Bytes that an entry of the header has beside the tensor's name, at most: two sizes and two offsets of 20 digits.
const ENTRY: usize = 160;

/// A file under way. It appears under its name when it is finished, and not before.
///
/// The format begins with a header that says where every tensor lies, but allows blanks at the header's end: room for
/// the largest possible header is left free and filled in the end.
pub(super) struct TensorFile {
    path: PathBuf,
    temporary: Temporary,
    file: BufWriter<File>,
    header: usize,
    tensors: Vec<(String, TensorInfo)>,
    end: usize,
}

impl TensorFile {
    /// Begins a file that will hold some of the tensors of these names.
    pub(super) fn create(path: &Path, names: impl Iterator<Item = String>) -> Result<Self, StoreError> {
        let dir = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir).map_err(failed("create", dir))?;
        // A character of a name takes six bytes at most: an escape.
        let header = names.map(|name| 6 * name.len() + ENTRY).sum::<usize>().next_multiple_of(8) + 8;
        let temporary = Temporary::beside(path);
        let file = File::create(temporary.path()).map_err(failed("write", path))?;
        let mut file = BufWriter::new(file);
        file.seek(SeekFrom::Start(8 + header as u64)).map_err(failed("write", path))?;
        Ok(Self { path: path.to_owned(), temporary, file, header, tensors: Vec::new(), end: 0 })
    }

    /// Writes a map of `(height, width)`.
    pub(super) fn push(
        &mut self,
        name: String,
        (height, width): (usize, usize),
        values: &[f32],
    ) -> Result<(), StoreError> {
        for value in values {
            self.file.write_all(&value.to_le_bytes()).map_err(failed("write", &self.path))?;
        }
        let start = self.end;
        self.end += size_of_val(values);
        let info =
            TensorInfo { dtype: Dtype::F32, shape: vec![height, width], data_offsets: (start, self.end) };
        self.tensors.push((name, info));
        Ok(())
    }

    /// Writes the header and gives the file its name.
    pub(super) fn finish(self) -> Result<(), StoreError> {
        let Self { path, temporary, mut file, header, tensors, .. } = self;
        let write = || {
            let metadata = Metadata::new(None, tensors).map_err(std::io::Error::other)?;
            let mut text = serde_json::to_vec(&metadata)?;
            debug_assert!(text.len() <= header, "the room left for the header is enough");
            text.resize(header, b' ');
            file.rewind()?;
            file.write_all(&(header as u64).to_le_bytes())?;
            file.write_all(&text)?;
            file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
        };
        write().and_then(|()| temporary.keep()).map_err(failed("write", &path))?;
        store::sync_dir(path.parent().unwrap_or(Path::new(".")))
    }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    move |source| StoreError::Io { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::SafeTensors;

    #[test]
    fn what_is_written_in_turn_is_read_back_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out/maps.safetensors");
        let names = ["a", "\u{1}\"ä\"", "never written"];
        let mut file = TensorFile::create(&path, names.iter().map(|n| (*n).to_owned())).unwrap();
        file.push(names[0].to_owned(), (1, 2), &[1.0, 2.0]).unwrap();
        file.push(names[1].to_owned(), (2, 1), &[3.0, 4.5]).unwrap();
        assert!(!path.exists());
        file.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let read = SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(read.len(), 2);
        let view = read.tensor(names[1]).unwrap();
        assert_eq!(
            (view.shape(), view.data()),
            (&[2, 1][..], [3f32, 4.5].map(f32::to_le_bytes).as_flattened())
        );
        assert_eq!(std::fs::read_dir(dir.path().join("out")).unwrap().count(), 1, "no temporary is left");
    }

    #[test]
    fn no_tensors_at_all_are_a_file_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("maps.safetensors");
        TensorFile::create(&path, std::iter::empty()).unwrap().finish().unwrap();
        assert!(SafeTensors::deserialize(&std::fs::read(&path).unwrap()).unwrap().is_empty());
    }
}
