//! What a file is, by its first bytes; its name says nothing. The main function is [`kind`].

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// A file of weights that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `torch.save`, in any of its containers.
    PyTorch,
    /// safetensors.
    SafeTensors,
}

/// Bytes that are looked at.
const HEAD: usize = 1024;
/// The longest header that safetensors allows.
const LONGEST_HEADER: u64 = 100_000_000;

/// What the file is. The error says what it is instead, and what to do.
pub(super) fn kind(path: &Path) -> Result<Kind, String> {
    let found = std::fs::metadata(path).map_err(|e| e.to_string())?;
    if found.is_dir() {
        return Err("it is a folder, not a file of weights".to_owned());
    }
    // Opening a pipe would wait for somebody to write into it.
    if !found.is_file() {
        return Err("it is a pipe, a socket or a device, not a file of weights".to_owned());
    }
    let mut file = File::open(path).map_err(|e| e.to_string())?;
    let mut head = Vec::with_capacity(HEAD);
    file.by_ref().take(HEAD as u64).read_to_end(&mut head).map_err(|e| e.to_string())?;
    of_head(&head, found.len())?;
    if head.starts_with(b"PK") {
        return zip_archive(&mut file).map(|()| Kind::PyTorch);
    }
    if safetensors_header(&head).is_some() {
        return Ok(Kind::SafeTensors);
    }
    // Of pickles and of tar archives (PyTorch before 0.1.10).
    let is_pickle = matches!(head.first(), Some(0x80 | b'(' | b'}' | b']' | b'c' | b'L' | b'I'));
    let is_tar = head.get(257..262) == Some(b"ustar");
    if is_pickle || is_tar {
        return Ok(Kind::PyTorch);
    }
    let shown: String = head.iter().take(12).map(|byte| byte.escape_ascii().to_string()).collect();
    Err(format!("it is neither a PyTorch nor a safetensors file: it begins with `{shown}`"))
}

/// Refuses what begins like something well known that holds no weights, or none that can be read.
fn of_head(head: &[u8], length: u64) -> Result<(), String> {
    let text =
        String::from_utf8_lossy(head).trim_start_matches(['\u{feff}', ' ', '\n', '\r', '\t']).to_owned();
    let lower = text.to_ascii_lowercase();
    let begins = |words: &[&str]| words.iter().any(|word| lower.starts_with(word));
    if head.is_empty() {
        return Err("the file is empty (0 bytes)".to_owned());
    }
    if text.starts_with("version https://git-lfs") {
        return Err("it is a pointer of Git LFS, not the weights; `git lfs pull` fetches them".to_owned());
    }
    if begins(&["<!doctype", "<html", "<head", "<?xml"]) {
        return Err("it is a web page: the download was answered by a page and not by the file; \
                    download it again"
            .to_owned());
    }
    if begins(&["{"]) {
        let index = text.contains("weight_map");
        return Err(if index {
            "it is the index of a checkpoint in several files; name one file that has all tensors".to_owned()
        } else {
            "it is a JSON file, not weights".to_owned()
        });
    }
    let known: [(&[u8], &str); 6] = [
        (b"\x1f\x8b", "it is compressed by gzip; unpack it first"),
        (b"BZh", "it is compressed by bzip2; unpack it first"),
        (b"\xfd7zXZ", "it is compressed by xz; unpack it first"),
        (b"\x93NUMPY", "it is a NumPy array, not a state dict of PyTorch"),
        (b"\x89HDF\r\n", "it is an HDF5 file, as Keras writes them; only PyTorch's and safetensors are read"),
        (b"GGUF", "it is a GGUF file; only PyTorch's and safetensors are read"),
    ];
    if let Some((_, what)) = known.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err((*what).to_owned());
    }
    // A protocol buffer whose first fields are those of ONNX: the version, then who wrote it.
    let is_onnx = head.first() == Some(&8) && head.windows(7).take(64).any(|w| w == b"pytorch")
        || head.starts_with(b"\x08\x07\x12")
        || head.starts_with(b"\x08\x08\x12");
    if is_onnx {
        return Err("it is an ONNX model; only PyTorch's and safetensors are read".to_owned());
    }
    match safetensors_header(head) {
        Some(header) if header + 8 > length => Err(format!(
            "the safetensors file is cut short: its header takes {header} bytes, and the file has {length}"
        )),
        _ => Ok(()),
    }
}

/// Bytes of the header of a file that begins like safetensors.
fn safetensors_header(head: &[u8]) -> Option<u64> {
    let length = u64::from_le_bytes(*head.first_chunk()?);
    (length <= LONGEST_HEADER && head.get(8) == Some(&b'{')).then_some(length)
}

/// Refuses archives that `torch.save` did not write.
fn zip_archive(file: &mut File) -> Result<(), String> {
    file.seek(SeekFrom::Start(0)).map_err(|e| e.to_string())?;
    let archive = zip::ZipArchive::new(file).map_err(|e| {
        format!("it is damaged or cut short: the archive's list of contents cannot be read ({e})")
    })?;
    let names: Vec<String> = archive.file_names().filter_map(|n| Some(n.ok()?.to_string())).collect();
    let has = |end: &str| names.iter().any(|name| name == end || name.ends_with(&format!("/{end}")));
    if has("constants.pkl") {
        return Err("it is a TorchScript archive, which holds a program; write its weights with \
                    torch.save(torch.jit.load(FILE).state_dict(), \"weights.pth\")"
            .to_owned());
    }
    if has("data.pkl") {
        return Ok(());
    }
    let what = if names.iter().any(|name| name.ends_with(".npy")) {
        "a NumPy archive (.npz)"
    } else if has("model.weights.h5") {
        "a Keras model"
    } else {
        "a zip archive"
    };
    Err(format!("it is {what}, not one that torch.save writes: it has no data.pkl"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn what_a_file_is_instead_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("resnet18.pth");
        let cut = [&u64::to_le_bytes(4096)[..], b"{\"a\":"].concat();
        for (bytes, said) in [
            (&b""[..], "empty (0 bytes)"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 46830571\n", "git lfs pull"),
            (b"\n<!DOCTYPE html>\n<html><head>", "web page"),
            (b"<html>", "web page"),
            (b"{\"metadata\": {}, \"weight_map\": {}}", "index of a checkpoint in several files"),
            (b"{}", "JSON"),
            (b"\x1f\x8b\x08\0\0\0\0\0", "gzip"),
            (b"\x93NUMPY\x01\0", "NumPy array"),
            (b"\x89HDF\r\n\x1a\n", "HDF5"),
            (b"\x08\x07\x12\x07pytorch", "ONNX"),
            (b"PK\x03\x04 and then nothing", "damaged or cut short"),
            (&cut, "cut short: its header takes 4096 bytes"),
            (b"import torch\n", "neither a PyTorch nor a safetensors file: it begins with `import torch`"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let error = kind(&path).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        assert!(kind(dir.path()).unwrap_err().contains("folder"));
        assert!(kind(&dir.path().join("none")).is_err());
        assert!(kind(Path::new("/dev/zero")).unwrap_err().contains("device"));
        std::fs::write(&path, b"\x80\x02}q\0.").unwrap();
        assert_eq!(kind(&path), Ok(Kind::PyTorch));
        std::fs::write(&path, [&u64::to_le_bytes(2)[..], b"{}"].concat()).unwrap();
        assert_eq!(kind(&path), Ok(Kind::SafeTensors));
    }

    #[test]
    fn archives_are_known_by_what_is_in_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.pt");
        let write = |names: &[&str]| {
            let mut archive = zip::ZipWriter::new(File::create(&path).unwrap());
            let stored =
                zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
            for name in names {
                archive.start_file(*name, stored).unwrap();
                archive.write_all(b"x").unwrap();
            }
            archive.finish().unwrap();
        };
        write(&["model/data.pkl", "model/constants.pkl", "model/code/x.py"]);
        assert!(kind(&path).unwrap_err().contains("TorchScript"));
        write(&["a.npy"]);
        assert!(kind(&path).unwrap_err().contains("NumPy archive"));
        write(&["photo.jpg"]);
        assert!(kind(&path).unwrap_err().contains("a zip archive, not one that torch.save writes"));
        for root in ["", "archive/", "resnet18-imagenet-100/"] {
            write(&[&format!("{root}data.pkl")]);
            assert_eq!(kind(&path), Ok(Kind::PyTorch));
        }
    }
}
