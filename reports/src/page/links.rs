//! Where records lie, as seen from the page, and the commands that show or repeat them. The main type is [`Links`].

use crate::run::{Run, Trial};
use std::path::{Component, Path, PathBuf};

/// Paths and commands for the trials of a run.
#[derive(Debug)]
pub(crate) struct Links {
    /// Path of each run directory from the page's folder, ready for an attribute.
    runs: Vec<String>,
    /// Each run directory as the user named it, ready for a shell.
    names: Vec<String>,
    ids: Vec<usize>,
}

impl Links {
    /// For a page that is written into `folder`.
    pub(crate) fn new(folder: &Path, run: &Run) -> Self {
        let roots = || run.sources.iter().map(|source| source.store.root());
        let mut seen = std::collections::HashMap::new();
        let ids = run.trials.iter().map(|trial| {
            let count = seen.entry(&trial.planned.id).or_insert(0);
            *count += 1;
            *count
        });
        Self {
            runs: roots().map(|root| encoded(&relative(folder, root))).collect(),
            names: roots().map(|root| quoted(&root.to_string_lossy())).collect(),
            ids: ids.collect(),
        }
    }

    /// A run directory.
    pub(crate) fn run(&self, source: usize) -> &str {
        &self.runs[source]
    }

    /// The folder of a trial.
    pub(crate) fn trial(&self, trial: &Trial) -> String {
        format!("{}/trials/{}/", self.runs[trial.source], trial.planned.id)
    }

    /// The element that tells of the trial at this place; one that is in several runs has an element for each.
    pub(crate) fn anchor(&self, run: &Run, place: usize) -> String {
        match self.ids[place] {
            1 => format!("trial-{}", run.trials[place].planned.id),
            count => format!("trial-{}-{count}", run.trials[place].planned.id),
        }
    }

    /// The element that tells of a variant.
    pub(crate) fn variant(place: usize) -> String {
        format!("variant-{}", place + 1)
    }

    /// The command that runs a trial again and compares.
    pub(crate) fn rerun(&self, trial: &Trial) -> String {
        format!("fovea rerun {} --trial {}", self.names[trial.source], trial.planned.id)
    }

    /// A command that takes a trial (`show`, `logs`).
    pub(crate) fn command(&self, name: &str, trial: &Trial) -> String {
        let run = &self.names[trial.source];
        match run.strip_suffix('\'') {
            Some(open) => format!("fovea {name} {open}/{}'", trial.planned.id),
            None => format!("fovea {name} {}/{}", run.trim_end_matches('/'), trial.planned.id),
        }
    }

    /// The command that makes this page again.
    pub(crate) fn report(&self) -> String {
        format!("fovea report {}", self.names.join(" "))
    }
}

/// `to` as seen from the folder `from`.
fn relative(from: &Path, to: &Path) -> PathBuf {
    // A link on the way would lead `..` elsewhere, so what exists is taken as the system sees it.
    let real = |path: &Path| {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let whole = absolute.ancestors().find_map(|part| Some((part.canonicalize().ok()?, part)));
        match whole {
            Some((real, part)) => {
                absolute.strip_prefix(part).map(|rest| real.join(rest)).unwrap_or(absolute.clone())
            }
            None => absolute,
        }
    };
    let (from, to) = (real(from), real(to));
    let (from, to): (Vec<Component<'_>>, Vec<Component<'_>>) =
        (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n(Component::ParentDir, from.len() - common);
    let path: PathBuf = up.chain(to[common..].iter().copied()).collect();
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path }
}

/// As part of a URL.
fn encoded(path: &Path) -> String {
    let mut text = String::new();
    for byte in path.to_string_lossy().bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' | b'+' => {
                text.push(byte as char);
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// As a word of a shell.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "_./:=@%+,-".contains(letter);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_from_the_page_to_the_records() {
        let text = |from: &str, to: &str| relative(Path::new(from), Path::new(to)).display().to_string();
        assert_eq!(text("/no/runs/a/report", "/no/runs/a"), "..");
        assert_eq!(text("/no/out/report", "/no/runs/b"), "../../runs/b");
        assert_eq!(text("runs/a/report", "runs/a"), "..");
        assert_eq!(encoded(Path::new("../a b/ü#")), "../a%20b/%C3%BC%23");
        assert_eq!(
            [quoted("runs/a-1"), quoted("my run"), quoted("a'b")],
            ["runs/a-1", "'my run'", r"'a'\''b'"]
        );
    }
}
