//! Everything that parses what others wrote, given bytes that nobody thought of. Each function reads its bytes as one kind of
//! file, whatever comes of it: none may panic, hang, or take memory without end. [`TARGETS`] lists them.
//!
//! `cargo fuzz` runs them with bytes of its own making; `tests/replay.rs` runs them over the corpora that are kept, so that what
//! was mended stays so.

use fovea_api::registry::{BuildContext, DatasetPlugin as _};
use fovea_api::{Registry, StateDict};
use fovea_datasets::{Folder, FolderConfig};
use fovea_models::graph::{InputShape, check};
use fovea_plan::{Overrides, PluginCatalog, PluginConfig, PluginIssue, PluginKind};
use fovea_records::{RunStore, TrialId, lines, overview::Overview, provenance::Provenance, verdict};
use serde_json::{Value, json};
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// A target: its name, which is also that of its corpus, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 9] = [
    ("bundle", bundle),
    ("checkpoint", checkpoint),
    ("experiment", experiment),
    ("graph", graph),
    ("library", library),
    ("mask", mask),
    ("overrides", overrides),
    ("picture", picture),
    ("records", records),
];

/// A folder of this process, in memory where the system has one there.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let shared = Path::new("/dev/shm");
        let parent = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
        let folder = parent.join(format!("fovea-fuzz-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for odd files can be made");
        folder
    })
}

fn written(name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder().join(name);
    fs::create_dir_all(path.parent().unwrap_or(folder())).expect("folders can be made");
    fs::write(&path, bytes).expect("an odd file can be written");
    path
}

/// Takes any table of any plugin, so that the plan itself is what is tried.
struct Any;

impl PluginCatalog for Any {
    fn resolve(&self, _: PluginKind, name: &str, config: Value) -> Result<PluginConfig, Vec<PluginIssue>> {
        let (name, fingerprint) = (name.to_owned(), String::new());
        Ok(PluginConfig { name, config, fingerprint, paths: Vec::new() })
    }

    fn names(&self, kind: PluginKind) -> Vec<String> {
        let names: &[&str] = match kind {
            PluginKind::Dataset => &["scenes", "folder"],
            PluginKind::Model => &["resnet-tiny", "graph"],
            PluginKind::Localizer => &["ground-truth", "lost"],
            PluginKind::Extractor => &["threshold"],
            PluginKind::Loss => &["none", "ria"],
        };
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn schema(&self, _: PluginKind, _: &str) -> Value {
        json!({ "type": "object" })
    }
}

/// An experiment's TOML; its own name is all that it can extend.
pub fn experiment(bytes: &[u8]) {
    let path = written("experiment.toml", bytes);
    let plan = fovea_plan::load(&path, &Overrides::default(), &Any);
    match plan {
        Ok(plan) => drop(black_box(plan.to_run_plan())),
        Err(errors) => drop(black_box(errors.to_string())),
    }
    drop(black_box(fovea_plan::plugins(&path, &Overrides::default())));
}

/// Overrides, one a line, over a small experiment.
pub fn overrides(bytes: &[u8]) {
    const SMALL: &str = "model = \"resnet-tiny\"\n[dataset]\nname = \"scenes\"\n[axes]\nloss = [\"none\", \"ria\"]\nseed = [0, 1]\n";
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let path = written("small.toml", SMALL.as_bytes());
    let overrides =
        Overrides { command_line: text.lines().map(str::to_owned).collect(), ..Overrides::default() };
    match fovea_plan::load(&path, &overrides, &Any) {
        Ok(plan) => drop(black_box(plan.command)),
        Err(errors) => drop(black_box(errors.to_string())),
    }
}

/// Weights, of PyTorch or safetensors.
pub fn checkpoint(bytes: &[u8]) {
    match StateDict::read(&written("weights", bytes)) {
        Ok(dict) => drop(black_box(dict.whose())),
        Err(error) => drop(black_box(error.to_string())),
    }
    let path = Path::new("weights");
    let own = ["conv1.weight".to_owned()];
    drop(black_box(fovea_api::weights::check_weights_of(Some(path), folder(), &own)));
}

/// A picture.
pub fn picture(bytes: &[u8]) {
    match fovea_datasets::decode_picture(&written("picture.png", bytes)) {
        Ok(picture) => assert_eq!(picture.pixels.len(), 3 * picture.width * picture.height),
        Err(error) => drop(black_box(error.to_string())),
    }
}

/// A mask of a picture of 16 x 12.
pub fn mask(bytes: &[u8]) {
    const PICTURE: &[u8] = include_bytes!("../picture.png");
    for split in ["train", "test"] {
        written(&format!("data/{split}/a/x.png"), PICTURE);
    }
    written("data/train-masks/a/x.png", bytes);
    let context =
        BuildContext { base_dir: folder().to_owned(), device: Default::default(), registry: Registry::new() };
    let config: FolderConfig =
        serde_json::from_value(json!({ "root": "data" })).expect("a root is all it needs");
    let Ok(source) = Folder::build(config, &context) else { return };
    match source.load("train", 0) {
        Ok(sample) => drop(black_box(sample.mask)),
        Err(error) => drop(black_box(error.to_string())),
    }
    drop(black_box(source.mask_reading("train", 0)));
}

/// A bundle.
pub fn bundle(bytes: &[u8]) {
    let path = written("bundle.tar.gz", bytes);
    let into = folder().join("unpacked");
    let limits = fovea_audit::unpack::Limits { bytes: 1 << 22, files: 100 };
    if let Err(error) = fovea_audit::unpack::unpack(&path, &into, limits) {
        drop(black_box(error.to_string()));
    }
    let _ = fs::remove_dir_all(into);
}

/// A run's records: the first byte says which.
pub fn records(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let id = TrialId::of("{}");
    let root = folder().join("run");
    let _ = fs::remove_dir_all(&root);
    let store = RunStore::new(&root);
    let trial = format!("run/trials/{id}");
    let files = ["plan.json", "journal.jsonl", "verdicts.jsonl"].map(|name| format!("run/{name}"));
    let of_trial = [
        "DONE.json",
        "events.jsonl",
        "metrics.jsonl",
        "predictions.jsonl",
        "gallery/index.jsonl",
        "provenance.jsonl",
        "progress.json",
        "trial.toml",
    ]
    .map(|name| format!("{trial}/{name}"));
    let names: Vec<&String> = files.iter().chain(&of_trial).collect();
    let path = written(names[usize::from(*which) % names.len()], bytes);
    if let Ok(plan) = store.read_plan() {
        let ids: Vec<&TrialId> = plan.trials.iter().map(|trial| &trial.id).collect();
        assert!(ids.iter().all(|id| store.trial_dir(id).parent() == Some(&*root.join("trials"))));
    }
    drop(black_box((store.journal_lines(), Overview::read(&store), store.digest())));
    let done = store.done(&id);
    if let Ok(Some(done)) = &done {
        drop(black_box(store.changed_record(&id, done)));
    }
    drop(black_box((store.event_lines(&id), store.read_metrics(&id), store.read_predictions(&id))));
    drop(black_box((store.read_gallery(&id), lines::tolerantly::<Provenance>(&path, "provenance"))));
    drop(black_box(fovea_plan::TrialConfig::read(&store.trial_dir(&id).join("trial.toml"))));
    drop(black_box(fovea_records::progress::read(&store.trial_dir(&id))));
    drop(black_box(lines::tolerantly::<verdict::Verdict>(&path, "verdict")));
}

/// A network layer by layer.
pub fn graph(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else { return };
    match check(&value, InputShape { channels: 3, height: 32, width: 32 }, 10) {
        Ok(summary) => drop(black_box(summary.to_string())),
        Err(issues) => issues.iter().for_each(|issue| drop(black_box(issue.to_string()))),
    }
}

/// A plugin's library, as it is looked at before it is loaded.
pub fn library(bytes: &[u8]) {
    match fovea_host::inspect::inspect(Path::new("odd.so"), bytes) {
        Ok(note) => drop(black_box(note)),
        Err(error) => drop(black_box(error.to_string())),
    }
    black_box(fovea_host::inspect::is_other_library(bytes));
}
