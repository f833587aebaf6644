//! A workspace in a temporary directory, with the binary and a small experiment. The main type is [`Workspace`].

use fovea_records::{Done, RunStore};
use rustix::process::{Pid, Signal, kill_process};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A grid that trains in seconds: 32x32 pictures, four stages of four to eight channels, three epochs.
pub(crate) const SMALL: &str = r#"
name = "small"
device = "cpu"

[dataset]
name = "scenes"
size = 32
train = 64
test = 24

[input]
size = 32

[model]
name = "resnet-tiny"
stem_width = 4
widths = [4, 4, 8, 8]

[training]
epochs = 3
warmup_epochs = 1
batch_size = 16

[evaluation]
gaussian = [60, 120]
draws = 1
gallery = 2
"#;

/// A directory of its own, removed in the end.
pub(crate) struct Workspace {
    dir: TempDir,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, contents).unwrap();
        path
    }

    /// The binary, in this directory; what it remembers of files stays there too.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fovea"));
        command.args(args).current_dir(self.path()).env("FOVEA_CACHE_HOME", self.path().join("remembered"));
        // Plugins of whoever runs the tests are none of theirs.
        command.env("XDG_DATA_HOME", self.path().join("data-home")).env_remove("FOVEA_PLUGIN_PATH");
        command
    }

    /// Runs it to the end.
    pub(crate) fn fovea(&self, args: &[&str]) -> Ran {
        Ran::of(self.command(args).output().unwrap())
    }

    /// The run directory of this name.
    pub(crate) fn run(&self, name: &str) -> RunStore {
        RunStore::new(self.path().join("runs").join(name))
    }
}

/// A finished command.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Fails the test, with everything that was printed, unless the command succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, 0, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails the test unless the command ended with this code and said each of these on stderr.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, said: &[&str]) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        for text in said {
            assert!(self.stderr.contains(text), "{text:?} is not in:\n{}", self.stderr);
        }
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }
}

/// Waits until there is something to be had.
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The parts of a trial that equal trials have in common, bit for bit: weights, metrics, predictions, trace, gallery.
pub(crate) fn bits(store: &RunStore, variant: &str, seed: u64) -> BTreeMap<String, String> {
    let plan = store.read_plan().unwrap();
    let trial = plan.trials.iter().find(|t| t.variant == variant && t.seed == seed).unwrap();
    let Done { artefacts, .. } = store.done(&trial.id).unwrap().expect("the trial is done");
    let told = ["events.jsonl", "trial.toml", "provenance.jsonl"];
    artefacts.into_iter().filter(|(name, _)| !told.contains(&name.as_str())).collect()
}

/// What a run comes to, file by file: every table, and metrics and predictions of every trial; without wall-clock times.
pub(crate) fn results(store: &RunStore) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut add = |path: PathBuf| {
        let name = path.strip_prefix(store.root()).unwrap().display().to_string();
        let mut bytes = std::fs::read(&path).unwrap();
        if name == "tables/trials.csv" {
            bytes = without_column(&String::from_utf8(bytes).unwrap(), "seconds").into_bytes();
        }
        files.insert(name, bytes);
    };
    let entries = |folder: &str| std::fs::read_dir(store.root().join(folder)).unwrap().flatten();
    // A kill in the middle of a write leaves the temporary file; nobody reads it.
    let is_whole = |file: &std::fs::DirEntry| !file.file_name().to_string_lossy().starts_with('.');
    // The table of trials has their times; as CSV it is read without them. `compute` has nothing else.
    let timed = ["trials.parquet", "compute.csv", "compute.parquet"];
    let is_timed = |file: &std::fs::DirEntry| timed.iter().any(|name| file.file_name() == *name);
    let tables = entries("tables").filter(|file| is_whole(file) && !is_timed(file));
    tables.for_each(|file| add(file.path()));
    for trial in entries("trials") {
        add(trial.path().join("metrics.jsonl"));
        add(trial.path().join("predictions.jsonl"));
    }
    files
}

/// A CSV table without quoted cells, and without one of its columns.
fn without_column(table: &str, column: &str) -> String {
    let gone = table.lines().next().unwrap().split(',').position(|name| name == column).unwrap();
    let kept = |line: &str| {
        assert!(!line.contains('"'), "{line}");
        let cells = line.split(',').enumerate().filter(|(at, _)| *at != gone);
        cells.map(|(_, cell)| cell).collect::<Vec<_>>().join(",")
    };
    table.lines().map(kept).collect::<Vec<_>>().join("\n")
}

/// Processes that work in this workspace, but for those that ended and that nobody has asked about yet.
pub(crate) fn processes(workspace: &Workspace) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let here = workspace.path().canonicalize().unwrap();
    pids.filter(|pid: &u32| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == here))
        .collect()
}

/// Sends a signal; a process that ended a moment ago does not mind.
pub(crate) fn signal(pid: u32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal);
}

/// The hash of a trial's weights.
pub(crate) fn weights(store: &RunStore, variant: &str, seed: u64) -> String {
    bits(store, variant, seed)["checkpoint/model.safetensors"].clone()
}

/// A PNG of one colour, 8x8.
pub(crate) fn png(color: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    let pixels = vec![color; 8 * 8 * 3];
    let encoder = image::codecs::png::PngEncoder::new(&mut bytes);
    image::ImageEncoder::write_image(encoder, &pixels, 8, 8, image::ExtendedColorType::Rgb8).unwrap();
    bytes
}

/// A `.safetensors` file of floats: name -> (shape, values).
pub(crate) type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Reads one.
pub(crate) fn read_tensors(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let floats = |data: &[u8]| data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
    file.iter().map(|(n, v)| (n.to_owned(), (v.shape().to_vec(), floats(v.data())))).collect()
}

/// The bytes of one.
pub(crate) fn tensors(tensors: &Tensors) -> Vec<u8> {
    let bytes = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let data: Vec<_> = tensors.iter().map(|(name, (shape, values))| (name, shape, bytes(values))).collect();
    let views = data
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, (*shape).clone(), bytes).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

/// A folder data set of two classes with two pictures each in train and test; no masks, so no loss that asks for them.
pub(crate) fn folder(workspace: &Workspace) {
    for split in ["train", "test"] {
        for (class, color) in [("cat", 200), ("dog", 50)] {
            for i in 0..2 {
                workspace.write(&format!("data/{split}/{class}/{i}.png"), png(color + i));
            }
        }
    }
    let rest = SMALL.split_once("[input]").unwrap().1;
    workspace.write(
        "folder.toml",
        format!("name = \"folder\"\ndevice = \"cpu\"\n[dataset]\nname = \"folder\"\nroot = \"data\"\n[loss]\nname = \"none\"\n[input]{rest}"),
    );
}
