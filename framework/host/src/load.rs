//! From paths to a registry. The main functions are [`load`] and, in workers, [`load_planned`].

use crate::discover::{self, Asker};
use crate::guard::{self, Limits};
use crate::probe::{Prober, probe};
use crate::{HostError, LibraryFile, adapt, inspect, library};
use fovea_api::Registry;
use std::path::PathBuf;

/// Where to look.
#[derive(Clone, Debug)]
pub struct Search {
    /// Files and folders that the user names.
    pub paths: Vec<PathBuf>,
    /// Whether `FOVEA_PLUGIN_PATH` and the user's own folder count.
    pub surroundings: bool,
    /// How libraries are probed; without, they are not.
    pub prober: Option<Prober>,
    /// What a call may take.
    pub limits: Limits,
}

/// What was loaded.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// Libraries, in the order in which they were loaded.
    pub files: Vec<LibraryFile>,
    /// Libraries in the user's own folder that cannot be used; nobody asked for them in particular.
    pub skipped: Vec<HostError>,
}

/// Loads what there is and registers it.
///
/// # Errors
/// When a library that is asked for cannot be used, or a name is taken.
pub fn load(search: &Search, registry: &mut Registry) -> Result<Loaded, HostError> {
    let environment = std::env::var_os("FOVEA_PLUGIN_PATH").filter(|_| search.surroundings);
    let home = discover::home().filter(|_| search.surroundings);
    let found = discover::discover(&search.paths, environment.as_deref(), home.as_deref())?;
    let mut loaded = Loaded::default();
    for found in found {
        match one(search, &found.path, registry, &loaded.files) {
            Ok(Some(file)) => loaded.files.push(file),
            Ok(None) => {}
            Err(error) if found.asker == Asker::Home => loaded.skipped.push(error),
            Err(error) => return Err(error),
        }
    }
    Ok(loaded)
}

fn one(
    search: &Search,
    path: &std::path::Path,
    registry: &mut Registry,
    earlier: &[LibraryFile],
) -> Result<Option<LibraryFile>, HostError> {
    let (file, contents) = LibraryFile::with_contents(path)?;
    inspect::inspect(&file.path, &contents)?;
    if earlier.iter().any(|other| other.blake3 == file.blake3) {
        // A copy of the same library in another folder.
        return Ok(None);
    }
    if let Some(prober) = &search.prober {
        probe(prober, &file)?;
    }
    guard::install(search.limits);
    register(&file, registry)?;
    tracing::info!(file = %file.path.display(), blake3 = file.blake3, "plugins loaded");
    Ok(Some(file))
}

/// Loads the libraries that a run was planned with, if they are still the same.
///
/// # Errors
/// When one is not, or cannot be loaded.
pub fn load_planned(files: &[LibraryFile], limits: Limits, registry: &mut Registry) -> Result<(), HostError> {
    for file in files {
        guard::install(limits);
        file.unchanged()?;
        register(file, registry)?;
    }
    Ok(())
}

/// Registers all plugins of a library or none.
fn register(file: &LibraryFile, registry: &mut Registry) -> Result<(), HostError> {
    let mut with = registry.clone();
    for plugin in library::open(file)? {
        with.register(adapt::entry(&plugin)).map_err(|e| HostError::new(&file.path, e.to_string()))?;
    }
    *registry = with;
    Ok(())
}
