//! Which libraries an experiment wants loaded, asked before it can be planned. The main function is [`plugins`].

use crate::errors::{At, Location, PlanError};
use crate::plan;
use crate::shape::Shape;
use crate::spec::PluginsSpec;
use crate::{Overrides, PlanErrors};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What `[plugins]` says.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginsConfig {
    /// Libraries and folders.
    pub paths: Vec<AskedPath>,
    /// Time that a call may take.
    pub timeout: Option<Duration>,
    /// Bytes that a plugin may make its worker grow by.
    pub memory: Option<u64>,
}

/// A path and where it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct AskedPath {
    /// The path, relative to the current folder or absolute.
    pub path: PathBuf,
    /// Where it stands.
    pub place: Location,
    /// Position in the list.
    pub index: usize,
}

impl AskedPath {
    /// The error that something is wrong with the path.
    #[must_use]
    pub fn error(&self, message: String) -> PlanErrors {
        let key = Some(format!("plugins.paths.{}", self.index));
        PlanErrors::new(vec![PlanError { location: self.place.clone(), key, message, help: None }])
    }
}

/// The `[plugins]` of an experiment. What is wrong with the rest of it, [`load`](crate::load) says.
///
/// # Errors
/// What makes the file unreadable, or keeps its layers from being merged.
pub fn plugins(path: &Path, overrides: &Overrides) -> Result<PluginsConfig, PlanErrors> {
    let shape = Shape::of_experiment();
    let layers = plan::layers(path, overrides, &shape, &mut Vec::new())?;
    let table = layers.base.get("plugins").cloned().unwrap_or_default();
    let spec: PluginsSpec = serde_json::from_value(table).unwrap_or_default();
    let asked = |(index, text): (usize, &String)| {
        let key = ["plugins".to_owned(), "paths".to_owned(), index.to_string()];
        let place = layers.given_in_base(&key, At::Value).unwrap_or(Location::Path(path.to_owned()));
        let folder = match &place {
            Location::File { path, .. } | Location::Path(path) => path.parent(),
            Location::Override(_) => None,
        };
        AskedPath { path: folder.unwrap_or(Path::new("")).join(text), place, index }
    };
    let seconds = Some(spec.timeout).filter(|seconds| *seconds > 0.0);
    let megabytes = Some(spec.memory).filter(|megabytes| *megabytes > 0.0);
    Ok(PluginsConfig {
        paths: spec.paths.iter().enumerate().map(asked).collect(),
        timeout: seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        memory: megabytes.map(|megabytes| (megabytes * f64::from(1 << 20)) as u64),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_at_the_file_that_says_so() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        let (base, file) = (dir.path().join("sub/base.toml"), dir.path().join("top.toml"));
        std::fs::write(&base, "[plugins]\npaths = [\"a.so\", \"/abs\"]\ntimeout = 2").unwrap();
        std::fs::write(&file, "extends = \"sub/base.toml\"\n[plugins]\nmemory = 1").unwrap();
        let found = plugins(&file, &Overrides::default()).unwrap();
        assert_eq!(found.paths[0].path, dir.path().join("sub/a.so"));
        assert_eq!(found.paths[1].path, Path::new("/abs"));
        assert_eq!((found.timeout, found.memory), (Some(Duration::from_secs(2)), Some(1 << 20)));
        let error = found.paths[0].error("no".to_owned()).to_string();
        assert!(error.contains("base.toml:2:10: plugins.paths.0: no"), "{error}");
        let overrides =
            Overrides { command_line: vec!["plugins.paths=[b.so]".to_owned()], ..Overrides::default() };
        assert_eq!(plugins(&file, &overrides).unwrap().paths[0].path, Path::new("b.so"));
    }
}
