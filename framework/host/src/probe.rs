//! Loading a library in a process of its own first. The main functions are [`probe`], which starts that process, and
//! [`report`], which is what that process does.
//!
//! Constructors and the entry function run arbitrary code; one that crashes or hangs costs the child, and the user reads a
//! sentence. What a library answered is remembered by its contents, in `plugins` of the cache folder.

use crate::guard::{self, FAULT, Limits};
use crate::library::LoadedPlugin;
use crate::{HostError, LibraryFile, config, library};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Name of the hidden subcommand that the child is.
pub const SUBCOMMAND: &str = "plugin-probe";

/// What the line of the answer begins with: a library may print lines of its own.
const ANSWER: &str = "fovea-probe: ";

/// What a library says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Its plugins.
    pub plugins: Vec<Described>,
}

/// What a plugin says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Described {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line for help.
    pub summary: String,
    /// JSON Schema of its configuration.
    pub schema: Value,
    /// Keys of the configuration that say where files are.
    pub path_keys: Vec<String>,
    /// The empty configuration with defaults filled in; none where keys are required.
    pub defaults: Option<Value>,
}

impl Described {
    fn of(plugin: &LoadedPlugin) -> Self {
        Self {
            kind: plugin.kind.to_string(),
            name: plugin.name.clone(),
            version: plugin.version.clone(),
            summary: plugin.summary.clone(),
            schema: plugin.schema.clone(),
            path_keys: plugin.path_keys.clone(),
            defaults: config::resolve(plugin, &json!({}), Path::new(".")).ok(),
        }
    }
}

#[derive(Serialize, Deserialize)]
enum Answer {
    Report(Report),
    Refused(String),
}

/// What the child process does: loads `file` and prints what it says of itself.
pub fn report(file: &Path) {
    guard::install(Limits { call: None, memory: None });
    let opened = LibraryFile::read(file).and_then(|file| library::open(&file));
    let answer = match opened {
        Ok(plugins) => {
            Answer::Report(Report { plugins: plugins.iter().map(|plugin| Described::of(plugin)).collect() })
        }
        Err(error) => Answer::Refused(error.message),
    };
    let text = serde_json::to_string(&answer).unwrap_or_default();
    // Whoever asked may be gone.
    let _ = writeln!(std::io::stdout(), "\n{ANSWER}{text}");
}

/// How to probe.
#[derive(Clone, Debug)]
pub struct Prober {
    /// This program.
    pub program: PathBuf,
    /// How long it may take.
    pub timeout: Duration,
    /// Where answers are remembered.
    pub cache: Option<PathBuf>,
}

impl Prober {
    /// With this program and the user's cache folder; without a time, a minute.
    ///
    /// # Errors
    /// When this program's own path is unknown.
    pub fn new(timeout: Option<Duration>) -> std::io::Result<Self> {
        let path = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let home = path("FOVEA_CACHE_HOME")
            .or_else(|| path("XDG_CACHE_HOME").map(|p| p.join("fovea")))
            .or_else(|| path("HOME").map(|p| p.join(".cache/fovea")));
        let cache = home.map(|home| home.join("plugins"));
        Ok(Self { program: crate::own_image()?, timeout: timeout.unwrap_or(Duration::from_secs(60)), cache })
    }
}

/// Has a child process load the library.
///
/// # Errors
/// When it dies, hangs or refuses the library.
pub fn probe(prober: &Prober, file: &LibraryFile) -> Result<Report, HostError> {
    let name = format!("{}-{}.json", &file.blake3, env!("CARGO_PKG_VERSION"));
    let remembered = prober.cache.as_ref().map(|cache| cache.join(name));
    let known = remembered.as_ref().and_then(|path| std::fs::read(path).ok());
    if let Some(report) = known.and_then(|known| serde_json::from_slice(&known).ok()) {
        return Ok(report);
    }
    let report = ask(prober, file)?;
    // Failing to remember is no harm: the next time the child is asked again.
    if let (Some(path), Ok(text)) = (&remembered, serde_json::to_vec(&report)) {
        let partial = path.with_extension(format!("{}.partial", std::process::id()));
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        drop(
            written
                .and_then(|()| std::fs::write(&partial, text))
                .and_then(|()| std::fs::rename(&partial, path)),
        );
    }
    Ok(report)
}

fn ask(prober: &Prober, file: &LibraryFile) -> Result<Report, HostError> {
    let failed = |message: String| HostError::new(&file.path, message);
    let mut child = Command::new(&prober.program)
        .arg(SUBCOMMAND)
        .arg(&file.path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| failed(format!("{} cannot be started to load it: {e}", prober.program.display())))?;
    let said = read(child.stdout.take());
    let complained = read(child.stderr.take());
    let status = wait(&mut child, prober.timeout).map_err(|e| failed(format!("its process is lost: {e}")))?;
    let Some(status) = status else {
        return Err(failed(format!(
            "loading it did not end within {} s, so a constructor or its `fovea_plugin_entry` hangs; \
             they should only describe the plugins, and work should begin in `create`",
            prober.timeout.as_secs_f64()
        )));
    };
    let said = said.join().unwrap_or_default();
    let answer = said.lines().rev().find_map(|line| line.strip_prefix(ANSWER));
    match answer.and_then(|answer| serde_json::from_str(answer).ok()) {
        Some(Answer::Report(report)) if status.success() => Ok(report),
        Some(Answer::Refused(message)) => Err(failed(message)),
        _ => {
            let complained = complained.join().unwrap_or_default();
            let fault = complained.lines().find_map(|line| line.strip_prefix(FAULT));
            let last = fault.or_else(|| complained.lines().rev().find(|line| !line.trim().is_empty()));
            let last = last.map_or_else(String::new, |line| format!("; it said: {line}"));
            Err(failed(format!(
                "a process that loaded it to see what it holds died ({status}){last}; the fault is in the library"
            )))
        }
    }
}

/// Reads to the end in a thread, so that the child never waits for its pipe.
pub(crate) fn read(pipe: Option<impl std::io::Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            drop(pipe.take(64 << 20).read_to_end(&mut bytes));
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// How the child ended; `None` when it took too long and was killed.
pub(crate) fn wait(
    child: &mut Child,
    timeout: Duration,
) -> std::io::Result<Option<std::process::ExitStatus>> {
    let started = Instant::now();
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() > timeout {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
