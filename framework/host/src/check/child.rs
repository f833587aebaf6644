//! A property in a process of its own, which may crash or hang. The main functions are [`one`], in that process, and
//! `ask`, in the one that starts it.

use super::property::{Found, find};
use super::subject::Subject;
use crate::guard::{self, FAULT, Limits};
use crate::probe::{read, wait};
use crate::{HostError, LibraryFile, inspect, library};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// Name of the hidden subcommand that the child is. Its argument goes to [`one`].
pub const SUBCOMMAND: &str = "plugin-check-one";

/// What the line of the answer begins with: a library may print lines of its own.
const ANSWER: &str = "fovea-check: ";

/// How much longer than a call a property may take: by then the child says itself which call it is.
const GRACE: Duration = Duration::from_secs(1);

/// What the child is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) file: PathBuf,
    /// Kind, name and property; none to load the library only.
    pub(super) about: Option<(String, String, String)>,
    pub(super) config: Value,
    pub(super) base_dir: PathBuf,
    pub(super) seed: u64,
    pub(super) time: Duration,
}

/// What it answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) found: Result<Found, String>,
    /// Kinds and names of the library's plugins.
    pub(super) plugins: Vec<(String, String)>,
    /// Answers that another process must give, too.
    pub(super) trace: Vec<String>,
}

/// What the child process does with its argument: asks one property and prints what it found.
pub fn one(request: &str) {
    // SAFETY: the struct lives for the call. A crash that is expected needs no core file; failing is no harm.
    unsafe {
        let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const none);
    }
    guard::name_exits();
    let answer = match serde_json::from_str::<Request>(request) {
        Ok(request) => {
            guard::install(Limits { call: Some(request.time), memory: None });
            std::panic::set_hook(Box::new(|_| {}));
            answer(&request)
        }
        Err(error) => refused(format!("the request cannot be read: {error}")),
    };
    let text = serde_json::to_string(&answer).unwrap_or_default();
    // Whoever asked may be gone.
    let _ = writeln!(std::io::stdout(), "\n{ANSWER}{text}");
}

fn refused(message: String) -> Answer {
    Answer { found: Err(message), plugins: Vec::new(), trace: Vec::new() }
}

fn answer(request: &Request) -> Answer {
    let plugins = match open(&request.file) {
        Ok(plugins) => plugins,
        Err(error) => return refused(error.message),
    };
    let names = plugins.iter().map(|plugin| (plugin.kind.to_string(), plugin.name.clone())).collect();
    let Some((kind, name, property)) = &request.about else {
        return Answer { found: Ok(super::property::HOLDS), plugins: names, trace: Vec::new() };
    };
    let plugin = plugins.iter().find(|plugin| plugin.kind.as_str() == kind && plugin.name == *name);
    let property = plugin.and_then(|plugin| find(property, plugin.kind));
    let (Some(plugin), Some(property)) = (plugin, property) else {
        return refused(format!("there is no such property of a {kind} {name}"));
    };
    let subject = Subject {
        plugin: plugin.clone(),
        config: request.config.clone(),
        base_dir: request.base_dir.clone(),
        seed: request.seed,
        time: request.time,
        trace: Mutex::default(),
    };
    let found = catch_unwind(AssertUnwindSafe(|| (property.run)(&subject))).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(format!("Fovea itself panicked on what it was given: {said}"))
    });
    Answer { found, plugins: names, trace: subject.trace.into_inner().unwrap_or_default() }
}

fn open(file: &Path) -> Result<Vec<std::sync::Arc<library::LoadedPlugin>>, HostError> {
    let (file, contents) = LibraryFile::with_contents(file)?;
    inspect::inspect(&file.path, &contents)?;
    library::open(&file)
}

/// How it went in the child.
pub(super) enum Outcome {
    Answered(Answer),
    /// What it died of.
    Died(String),
    /// Where it was when the time was over.
    Hung(String),
}

/// Starts this program once more to ask.
pub(super) fn ask(program: &Path, request: &Request) -> Outcome {
    let text = serde_json::to_string(request).unwrap_or_default();
    let started = Command::new(program)
        .arg(SUBCOMMAND)
        .arg(text)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return Outcome::Died(format!("{} cannot be started: {error}", program.display())),
    };
    let (said, complained) = (read(child.stdout.take()), read(child.stderr.take()));
    let status = match wait(&mut child, request.time + GRACE) {
        Ok(Some(status)) => status,
        Ok(None) => {
            let seconds = request.time.as_secs_f64();
            return Outcome::Hung(format!(
                "it took longer than {seconds} s, over many calls or in a constructor; --timeout gives it more time"
            ));
        }
        Err(error) => return Outcome::Died(format!("its process is lost: {error}")),
    };
    let said = said.join().unwrap_or_default();
    let complained = complained.join().unwrap_or_default();
    let answer = said.lines().rev().find_map(|line| line.strip_prefix(ANSWER));
    if let (Some(answer), true) =
        (answer.and_then(|answer| serde_json::from_str(answer).ok()), status.success())
    {
        return Outcome::Answered(answer);
    }
    let fault = complained.lines().find_map(|line| line.strip_prefix(FAULT));
    if let (Some(guard::HUNG), Some(fault)) = (status.code(), fault) {
        return Outcome::Hung(fault.replace("(plugins.timeout)", "(--timeout)"));
    }
    let last = fault.or_else(|| complained.lines().rev().find(|line| !line.trim().is_empty()));
    let last = last.map_or_else(String::new, |line| format!(": {line}"));
    Outcome::Died(format!("the process died ({status}){last}"))
}
