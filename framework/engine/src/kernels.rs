//! Where compiled and tuned GPU kernels are kept. The main function is [`keep`].
//!
//! A step on a GPU runs kernels that are written for its shapes, compiled by NVRTC, and chosen by timing several of
//! each: minutes, the first time. CubeCL, below Burn, keeps both, the compiled code and the choices, in one database
//! file, `$FOVEA_CACHE_HOME/kernels/fovea-VERSION.db` here (else `$XDG_CACHE_HOME/fovea/kernels`, else
//! `~/.cache/fovea/kernels`), so that only the first trial on a machine pays. Without this it would look for a
//! `Cargo.toml` above the current directory, and keep choices only.
//!
//! Several workers may use the file at once: it is a database with a write-ahead log that processes share, an entry is
//! inserted in one transaction and never changed, and where the file is locked, damaged or read-only CubeCL goes on in
//! memory. An entry's key has the GPU's architecture and the build of the program, so no other program's code is run.
//! The file is only ever a copy of what can be computed again: it may be deleted whenever no worker runs.
//!
//! Beside that, all threads of a worker share one stream of work on the GPU: by default each would have its own.
//!
//! Whoever configures CubeCL is left alone: a `cubecl.toml` (or a `burn.toml` with `[cubecl]`) in the current
//! directory or above is taken as it is, and variables `CUBECL_*` come above what is set here.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Folder of the database below a cache folder.
const FOLDER: &str = "kernels";

/// Files in which CubeCL looks for its configuration.
const OWN: [&str; 2] = ["cubecl.toml", "CubeCL.toml"];
/// Files that may have a section for it.
const SHARED: [&str; 2] = ["burn.toml", "Burn.toml"];

/// Has CubeCL keep compiled and tuned kernels in the user's cache. To be called before a GPU is opened; later calls
/// change nothing.
#[cfg(feature = "cuda")]
pub(crate) fn keep() {
    use burn::cubecl::config::cache::CacheConfig;
    use burn::cubecl::config::streaming::StreamPolicy;
    use burn::cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};

    let here = std::env::current_dir().unwrap_or_default();
    let Some(root) = folder(|name| std::env::var_os(name)).filter(|_| !is_configured(&here)) else { return };
    let mut config = CubeClRuntimeConfig::default();
    config.environment.path = CacheConfig::Directory(root);
    config.environment.name = concat!("fovea-", env!("CARGO_PKG_VERSION")).to_owned();
    config.compilation.cache = true;
    // A worker trains one network, whichever of its threads launches something.
    config.streaming.policy = StreamPolicy::Single;
    if !CubeClRuntimeConfig::try_set(config.override_from_env()) {
        tracing::debug!("CubeCL was configured before");
    }
}

/// Where the database lies; nowhere for a user without a home.
#[cfg_attr(not(any(feature = "cuda", test)), expect(dead_code, reason = "there are kernels on a GPU only"))]
fn folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = path("FOVEA_CACHE_HOME")
        .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("fovea")))
        .or_else(|| path("HOME").map(|home| home.join(".cache/fovea")))?;
    // Workers may run elsewhere.
    std::path::absolute(home.join(FOLDER)).ok()
}

/// Whether a file configures CubeCL in a folder or above it.
#[cfg_attr(not(any(feature = "cuda", test)), expect(dead_code, reason = "there are kernels on a GPU only"))]
fn is_configured(folder: &Path) -> bool {
    let has_section = |path: PathBuf| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let opens = |line: &str| line.starts_with("[cubecl]") || line.starts_with("[cubecl.");
        text.lines().any(|line| opens(line.trim_start()))
    };
    folder.ancestors().any(|folder| {
        OWN.iter().any(|name| folder.join(name).is_file())
            || SHARED.iter().any(|name| has_section(folder.join(name)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_the_users_cache() {
        let with = |set: &[(&str, &str)]| {
            let set: Vec<(String, String)> =
                set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            folder(move |name| set.iter().find(|(known, _)| known == name).map(|(_, value)| value.into()))
        };
        let (own, xdg, home) = (("FOVEA_CACHE_HOME", "/f"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h"));
        assert_eq!(with(&[home, xdg, own]), Some("/f/kernels".into()));
        assert_eq!(with(&[home, xdg, ("FOVEA_CACHE_HOME", "")]), Some("/x/fovea/kernels".into()));
        assert_eq!(with(&[home]), Some("/h/.cache/fovea/kernels".into()));
        assert_eq!(with(&[]), None);
    }

    #[test]
    fn a_file_of_the_users_is_found_here_and_above() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        assert!(!is_configured(&below));
        std::fs::write(dir.path().join("a/burn.toml"), "[fusion]\nx = 1\n").unwrap();
        assert!(!is_configured(&below));
        std::fs::write(dir.path().join("a/burn.toml"), "[cubecl.autotune]\nlevel = \"full\"\n").unwrap();
        assert!(is_configured(&below));
        std::fs::remove_file(dir.path().join("a/burn.toml")).unwrap();
        std::fs::write(dir.path().join("cubecl.toml"), "").unwrap();
        assert!(is_configured(&below));
    }
}
