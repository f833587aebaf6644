//! Which files to look at. The main type is [`Found`].

use crate::{HostError, inspect};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Who asks for a library. The order is that in which they are loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// `[plugins] paths` of an experiment, or a command line.
    User,
    /// `FOVEA_PLUGIN_PATH`.
    Environment,
    /// The user's data folder, `~/.local/share/fovea/plugins`.
    Home,
}

/// A file that may be a library of plugins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file, absolute.
    pub path: PathBuf,
    /// Who asks for it.
    pub asker: Asker,
}

/// Files for the paths that an experiment names, the environment's and the user's own, each once.
///
/// A path is a file or a folder; of a folder, the files `*.so` count, but for libraries that
/// are sound and no plugins.
///
/// # Errors
/// When a path that is asked for does not exist.
pub fn discover(
    paths: &[PathBuf],
    environment: Option<&OsStr>,
    home: Option<&Path>,
) -> Result<Vec<Found>, HostError> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    let mut add = |path: PathBuf, asker| {
        let path = path.canonicalize().unwrap_or(path);
        if seen.insert(path.clone()) {
            found.push(Found { path, asker });
        }
    };
    for path in paths {
        for file in files(path, "name a library or a folder of them in [plugins] paths")? {
            add(file, Asker::User);
        }
    }
    let environment = environment.map(std::env::split_paths).into_iter().flatten();
    for path in environment.filter(|path| !path.as_os_str().is_empty()) {
        for file in files(&path, "FOVEA_PLUGIN_PATH names it; unset it or correct the path")? {
            add(file, Asker::Environment);
        }
    }
    if let Some(home) = home.filter(|home| home.is_dir()) {
        for file in files(home, "")? {
            add(file, Asker::Home);
        }
    }
    Ok(found)
}

/// The user's own folder of plugins.
#[must_use]
pub fn home() -> Option<PathBuf> {
    let path = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let data = path("XDG_DATA_HOME").or_else(|| path("HOME").map(|home| home.join(".local/share")))?;
    Some(data.join("fovea/plugins"))
}

fn files(path: &Path, advice: &str) -> Result<Vec<PathBuf>, HostError> {
    if !path.is_dir() {
        return match path.metadata() {
            Ok(_) => Ok(vec![path.to_owned()]),
            Err(error) => Err(HostError::new(path, format!("{error}; {advice}"))),
        };
    }
    let failed = |e: std::io::Error| HostError::new(path, format!("the folder cannot be read: {e}"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let is_library = file.extension().is_some_and(|extension| extension == "so") && file.is_file();
        if is_library && std::fs::read(&file).is_ok_and(|contents| inspect::is_other_library(&contents)) {
            tracing::debug!(file = %file.display(), "a library beside the plugins is none itself");
        } else if is_library {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
