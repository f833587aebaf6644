//! One property after the other, each in a process of its own. The main function is [`run`].

use super::child::{Outcome, Request, ask};
use super::property::{ANSWERS, CREATE, Found, Needs, PROPERTIES, Property};
use super::result::{Checked, Report, Verdict};
use crate::{LibraryFile, inspect};
use fovea_api::PluginKind;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Properties of a plugin that may hang before the others are not asked any more.
const MOST_HUNG: usize = 2;

/// What to ask.
#[derive(Clone, Debug)]
pub struct Options {
    /// This program, which has the subcommand [`SUBCOMMAND`](super::child::SUBCOMMAND).
    pub program: PathBuf,
    /// The library.
    pub file: PathBuf,
    /// Plugins of this kind only.
    pub kind: Option<PluginKind>,
    /// Plugins of this name only.
    pub name: Option<String>,
    /// These properties only; all where there are none.
    pub properties: Vec<String>,
    /// Configuration, as in an experiment.
    pub config: Value,
    /// Where relative paths in it start.
    pub base_dir: PathBuf,
    /// Seed of the inputs.
    pub seed: u64,
    /// How long a property may take.
    pub time: Duration,
}

impl Options {
    fn request(&self, about: Option<(&str, &str, &str)>) -> Request {
        Request {
            file: self.file.clone(),
            about: about
                .map(|(kind, name, property)| (kind.to_owned(), name.to_owned(), property.to_owned())),
            config: self.config.clone(),
            base_dir: self.base_dir.clone(),
            seed: self.seed,
            time: self.time,
        }
    }

    fn wants(&self, kind: &str, name: &str) -> bool {
        let kind = self.kind.is_none_or(|wanted| wanted.as_str() == kind);
        kind && self.name.as_ref().is_none_or(|wanted| wanted == name)
    }
}

/// Asks everything; `tell` hears of each property as soon as it is done.
pub fn run(options: &Options, tell: &mut dyn FnMut(&Checked)) -> Report {
    let mut suite = Suite { options, tell, results: Vec::new() };
    let blake3 = suite.library();
    let Suite { results, .. } = suite;
    Report::new(options.file.display().to_string(), blake3, options.seed, results)
}

struct Suite<'a> {
    options: &'a Options,
    tell: &'a mut dyn FnMut(&Checked),
    results: Vec<Checked>,
}

/// Name, what it asks, what to do.
type Words = (&'static str, &'static str, &'static str);

const FILE: Words = (
    "file",
    "The file is a whole library for this machine, and was built for this version of the interface.",
    "see the messages of the compiler and linker",
);
const LOADS: Words = (
    "loads",
    "A process can load it, and it describes its plugins.",
    "describe plugins only, and let work begin in `create`",
);
const NAMED: Words = (
    "named",
    "It holds the plugin that --kind and --name ask for.",
    "`fovea plugin list` shows what there is",
);

impl Suite<'_> {
    /// Everything about the file; gives the hash of its contents.
    fn library(&mut self) -> String {
        let started = Instant::now();
        let read = LibraryFile::with_contents(&self.options.file)
            .and_then(|(file, contents)| inspect::inspect(&file.path, &contents).map(|note| (file, note)));
        let (file, note) = match read {
            Ok(read) => read,
            Err(error) => {
                self.add(None, FILE, Err(error.message), started);
                return String::new();
            }
        };
        let (major, minor) = note.abi;
        self.add(None, FILE, Ok(Found::Holds(format!("version {major}.{minor}"))), started);
        let started = Instant::now();
        let plugins = match ask(&self.options.program, &self.options.request(None)) {
            Outcome::Answered(answer) => answer.found.map(|_| answer.plugins),
            Outcome::Died(message) | Outcome::Hung(message) => Err(message),
        };
        let plugins = match plugins {
            Ok(plugins) => plugins,
            Err(message) => {
                self.add(None, LOADS, Err(message), started);
                return file.blake3;
            }
        };
        let names: Vec<String> = plugins.iter().map(|(kind, name)| format!("{kind} {name}")).collect();
        self.add(None, LOADS, Ok(Found::Holds(names.join(", "))), started);
        let wanted: Vec<_> = plugins.iter().filter(|(kind, name)| self.options.wants(kind, name)).collect();
        if wanted.is_empty() {
            self.add(None, NAMED, Err(format!("it holds {}", names.join(", "))), started);
        }
        for (kind, name) in wanted {
            if let Some(kind) = PluginKind::ALL.into_iter().find(|known| known.as_str() == kind) {
                self.plugin(kind, name);
            }
        }
        file.blake3
    }

    fn plugin(&mut self, kind: PluginKind, name: &str) {
        let chosen = &self.options.properties;
        let title = format!("{kind} {name}");
        let (mut missing, mut hung): (Vec<&str>, usize) = (Vec::new(), 0);
        for property in PROPERTIES.iter().filter(|property| property.kinds.contains(&kind)) {
            if !chosen.is_empty() && !chosen.iter().any(|name| name == property.name) {
                continue;
            }
            let words = (property.name, property.asks, property.remedy);
            let needed = [(Needs::Instance, CREATE), (Needs::Answer, ANSWERS)];
            let lacks =
                needed.iter().find(|(needs, name)| property.needs >= *needs && missing.contains(name));
            let started = Instant::now();
            if let Some((_, needed)) = lacks {
                self.add(
                    Some(&title),
                    words,
                    Ok(Found::Skipped(format!("`{needed}` must hold first"))),
                    started,
                );
                continue;
            }
            if hung >= MOST_HUNG {
                let why = format!("{hung} properties hung before");
                self.add(Some(&title), words, Ok(Found::Skipped(why)), started);
                continue;
            }
            let (found, hangs) = self.property(property, kind, name);
            hung += usize::from(hangs);
            if found.is_err() {
                missing.push(property.name);
            }
            self.add(Some(&title), words, found, started);
        }
    }

    /// What came out, and whether it hung.
    fn property(&self, property: &Property, kind: PluginKind, name: &str) -> (Result<Found, String>, bool) {
        let request = self.options.request(Some((kind.as_str(), name, property.name)));
        let first = match ask(&self.options.program, &request) {
            Outcome::Answered(answer) => answer,
            Outcome::Died(message) => return (Err(message), false),
            Outcome::Hung(message) => return (Err(message), true),
        };
        if first.trace.is_empty() || first.found.is_err() {
            return (first.found, false);
        }
        let second = match ask(&self.options.program, &request) {
            Outcome::Answered(answer) => answer,
            Outcome::Died(message) => return (Err(format!("the second process: {message}")), false),
            Outcome::Hung(message) => return (Err(format!("the second process: {message}")), true),
        };
        let differs = first.trace.iter().zip(&second.trace).find(|(one, other)| one != other);
        match differs {
            Some((one, other)) => (Err(format!("one process gave {one}, another {other}")), false),
            None => (first.found, false),
        }
    }

    fn add(&mut self, plugin: Option<&str>, words: Words, found: Result<Found, String>, started: Instant) {
        let (name, asks, remedy) = words;
        let (verdict, message) = match found {
            Ok(Found::Holds(remark)) => (Verdict::Pass, remark),
            Ok(Found::Skipped(why)) => (Verdict::Skip, why),
            Err(message) => (Verdict::Fail, message),
        };
        let checked = Checked {
            plugin: plugin.map(str::to_owned),
            property: name.to_owned(),
            asks: asks.to_owned(),
            verdict,
            message,
            remedy: (verdict == Verdict::Fail).then(|| remedy.to_owned()),
            seconds: started.elapsed().as_secs_f64(),
        };
        (self.tell)(&checked);
        self.results.push(checked);
    }
}
