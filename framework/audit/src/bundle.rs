//! What another person needs to check a run, in one file. The main function is [`pack`].
//!
//! A bundle is a `.tar.gz` with a folder named by the experiment, and in it [`MANIFEST`] first, then the files of the run
//! directory by name. Equal contents make equal bytes.

use crate::AuditError;
use crate::error::io;
use crate::record::WEIGHTS;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use fovea_records::temporary::{self, Temporary};
use fovea_records::{RunStore, TrialId, place, provenance, store, verdict};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;

/// The first file of a bundle.
pub const MANIFEST: &str = "MANIFEST.json";

/// Version of the form of bundles.
pub const FORMAT: u32 = 1;

/// Folders of a run that are packed whole.
const FOLDERS: [&str; 4] = ["tables", "report", "evals", provenance::PATCHES];

/// Files of a run that are packed.
const FILES: [&str; 4] = ["experiment.toml", "plan.json", "journal.jsonl", verdict::FILE];

/// What a bundle holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the form.
    pub format: u32,
    /// Version of Fovea that packed it.
    pub fovea: String,
    /// Name of the experiment.
    pub name: String,
    /// Every file but the manifest, by path within the run directory.
    pub files: BTreeMap<String, Packed>,
    /// Files that the records list and that were left out on purpose.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub left_out: BTreeSet<String>,
}

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Packed {
    /// Its size.
    pub bytes: u64,
    /// Its BLAKE3.
    pub blake3: String,
}

/// What goes into a bundle.
#[derive(Clone, Debug, Default)]
pub struct PackOptions {
    /// Whether the trained weights do, too.
    pub weights: bool,
    /// The trials; empty: all.
    pub trials: Vec<TrialId>,
    /// Version of Fovea.
    pub version: String,
}

/// Packs a run into the file `out`, and gives back what it holds.
///
/// # Errors
/// When a file cannot be read or written, or `out` has another ending than `.tar.gz` or `.tgz`.
pub fn pack(run: &RunStore, options: &PackOptions, out: &Path) -> Result<Manifest, AuditError> {
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    if !name.ends_with(".tar.gz") && !name.ends_with(".tgz") {
        let message = "a bundle is a .tar.gz; name it so".to_owned();
        return Err(AuditError::Archive { path: out.to_owned(), message });
    }
    place::out_file(out)?;
    let plan = run.read_plan()?;
    let (mut files, left_out) = contents(run, options)?;
    let mut manifest = Manifest {
        format: FORMAT,
        fovea: options.version.clone(),
        name: plan.name.clone(),
        files: BTreeMap::new(),
        left_out,
    };
    let trials = files.iter().filter(|path| path.ends_with("/DONE.json")).count();
    let readme = readme(&plan.name, &name, trials, options);
    files.remove("README.txt");
    let packed =
        |bytes: &[u8]| Packed { bytes: bytes.len() as u64, blake3: blake3::hash(bytes).to_hex().to_string() };
    for path in &files {
        manifest.files.insert(path.clone(), packed(&read(&run.root().join(path))?));
    }
    manifest.files.insert("README.txt".to_owned(), packed(readme.as_bytes()));
    // Without a time: equal contents make equal bytes.
    let part = Temporary::beside(out);
    let file = File::create(part.path()).map_err(io("write", out.to_owned()))?;
    let gzip = GzBuilder::new().mtime(0).write(BufWriter::new(file), Compression::default());
    let mut archive = tar::Builder::new(gzip);
    let folder = folder_of(&plan.name);
    let failed = |e: std::io::Error| AuditError::Archive { path: out.to_owned(), message: e.to_string() };
    let mut add = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        archive.append_data(&mut header, format!("{folder}/{path}"), bytes).map_err(failed)
    };
    let mut text = serde_json::to_vec_pretty(&manifest)
        .map_err(|e| AuditError::Archive { path: out.to_owned(), message: e.to_string() })?;
    text.push(b'\n');
    add(MANIFEST, &text)?;
    add("README.txt", readme.as_bytes())?;
    for path in &files {
        let bytes = read(&run.root().join(path))?;
        if manifest.files.get(path) != Some(&packed(&bytes)) {
            let path = run.root().join(path);
            let message = "it changed while it was packed; wait for the run to end".to_owned();
            return Err(AuditError::Archive { path, message });
        }
        add(path, &bytes)?;
    }
    let written = archive.into_inner().and_then(GzEncoder::finish).and_then(|mut file| file.flush());
    written.and_then(|()| part.keep()).map_err(failed)?;
    Ok(manifest)
}

/// The files to pack and those left out, by path within the run.
fn contents(
    run: &RunStore,
    options: &PackOptions,
) -> Result<(BTreeSet<String>, BTreeSet<String>), AuditError> {
    let root = run.root();
    let mut files: BTreeSet<String> =
        FILES.iter().filter(|name| root.join(name).is_file()).map(|name| (*name).to_owned()).collect();
    for folder in FOLDERS.into_iter().filter(|folder| root.join(folder).is_dir()) {
        files.extend(below(root, folder)?);
    }
    let mut left_out = BTreeSet::new();
    let wanted =
        |name: &str| options.trials.is_empty() || options.trials.iter().any(|id| id.as_str() == name);
    for entry in fs::read_dir(root.join("trials")).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.path().is_dir() || !wanted(&name) {
            continue;
        }
        for path in below(root, &format!("trials/{name}"))? {
            let within = path.splitn(3, '/').nth(2).unwrap_or_default();
            if within == WEIGHTS && !options.weights {
                left_out.insert(path);
            } else if within == "DONE.json"
                || (store::is_artefact(within) && (within == WEIGHTS || !within.starts_with("checkpoint/")))
            {
                files.insert(path);
            }
        }
    }
    Ok((files, left_out))
}

/// Files below a folder of the run, links left out, by path within the run.
fn below(root: &Path, folder: &str) -> Result<Vec<String>, AuditError> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let path = root.join(&folder);
        for entry in fs::read_dir(&path).map_err(io("read", path.clone()))? {
            let entry = entry.map_err(io("read", path.clone()))?;
            let kind = entry.file_type().map_err(io("read", path.clone()))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let within = format!("{folder}/{name}");
            let is_torn = temporary::is_one(&name);
            if kind.is_dir() {
                open.push(within);
            } else if kind.is_file() && !is_torn {
                found.push(within);
            }
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>, AuditError> {
    Ok(fs::read(path).map_err(io("read", path))?)
}

/// The folder in the archive: the experiment's name, as far as it can be one.
fn folder_of(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '-' };
    let folder: String = name.chars().map(safe).collect();
    if folder.is_empty() { "run".to_owned() } else { folder }
}

fn readme(name: &str, file: &str, trials: usize, options: &PackOptions) -> String {
    let folder = folder_of(name);
    let weights = match options.weights {
        true => "The trained weights are in trials/ID/checkpoint/model.safetensors, by torchvision's names.",
        false => "The trained weights are left out; `fovea rerun` trains them again.",
    };
    format!(
        "{name}: the records of {trials} trained networks, packed by fovea {version}\n\
         \n\
         To check them, with the `fovea` program of that version:\n\
         \n\
         \x20   fovea verify {file} --no-rerun      # whether the records are what was written: seconds\n\
         \x20   fovea verify {file} --sample 2      # trains two of the networks again and compares every bit\n\
         \x20   fovea verify {file}                 # all of them\n\
         \n\
         Data that are not computed must be at hand for that. Where they are elsewhere than on the machine that trained,\n\
         add for example `--path dataset.root=/data/birds`.\n\
         \n\
         To look at them:\n\
         \n\
         \x20   tar xzf {file} && cd {folder}\n\
         \x20   report/index.html                   # figures and tables, in any browser\n\
         \x20   tables/                             # the same numbers as CSV and Parquet\n\
         \x20   experiment.toml, plan.json          # what was asked; every trial's resolved configuration\n\
         \x20   trials/ID/provenance.jsonl          # program, machine, device, plugins, data of each trial\n\
         \x20   trials/ID/trace.jsonl               # losses of every step, hashes of batches and tensors\n\
         \x20   trials/ID/predictions.jsonl         # every prediction on every test picture\n\
         \x20   fovea rerun . --trial ID            # trains one network again\n\
         \n\
         {weights} MANIFEST.json has the BLAKE3 of every file.\n",
        version = options.version,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{run_with_a_trial, trial_id};
    use crate::unpack::{Limits, unpack};

    #[test]
    fn equal_contents_make_equal_bytes_and_weights_come_on_request() {
        let dir = tempfile::tempdir().unwrap();
        let (run, id) = (run_with_a_trial(&dir.path().join("run")), trial_id());
        store::write_atomic(&run.trial_dir(&id).join("worker.log"), b"noise").unwrap();
        let pack_to = |name: &str, weights| {
            let out = dir.path().join(name);
            let options = PackOptions { weights, trials: Vec::new(), version: "0".into() };
            pack(&run, &options, &out).map(|manifest| (manifest, fs::read(out).unwrap()))
        };
        let (manifest, bytes) = pack_to("a.tar.gz", false).unwrap();
        let weights = format!("trials/{id}/{WEIGHTS}");
        assert_eq!(manifest.left_out, BTreeSet::from([weights.clone()]));
        let paths: Vec<&str> = manifest.files.keys().map(String::as_str).collect();
        let of_trial = |name: &str| format!("trials/{id}/{name}");
        assert_eq!(
            paths,
            [
                "README.txt",
                "plan.json",
                &of_trial("DONE.json"),
                &of_trial("events.jsonl"),
                &of_trial("metrics.jsonl"),
                &of_trial("predictions.jsonl"),
                &of_trial("provenance.jsonl"),
                &of_trial("trace.jsonl"),
                &of_trial("trial.toml")
            ]
        );
        assert_eq!(pack_to("a.tar.gz", false).unwrap().1, bytes);
        let (whole, _) = pack_to("b.tgz", true).unwrap();
        assert!(whole.files.contains_key(&weights) && whole.left_out.is_empty());
        assert!(pack_to("c.zip", true).unwrap_err().to_string().contains(".tar.gz"));
        let (unpacked, root) =
            unpack(&dir.path().join("a.tar.gz"), &dir.path().join("out"), Limits::default()).unwrap();
        assert_eq!(unpacked, manifest);
        assert_eq!(fs::read(root.join(of_trial("metrics.jsonl"))).unwrap(), b"{}\n");
    }
}
