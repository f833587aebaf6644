//! Which environment variables are recorded. The main function is [`recorded`].

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

/// Variables that can change results or speed.
pub const NAMES: [&str; 5] =
    ["GLIBC_TUNABLES", "LD_LIBRARY_PATH", "LD_PRELOAD", "MKL_NUM_THREADS", "OMP_NUM_THREADS"];

/// Beginnings of the names of further ones.
pub const PREFIXES: [&str; 9] =
    ["BURN_", "CUBECL_", "CUDA_", "FOVEA_", "MALLOC_", "NVIDIA_", "OPENBLAS_", "RAYON_", "RUST_"];

/// What in a name says that its value is nobody's business.
pub const SECRET: [&str; 4] = ["KEY", "PASSWORD", "SECRET", "TOKEN"];

/// What is recorded in place of the value of a secret.
pub const HIDDEN: &str = "(not recorded)";

/// Set by rustup and read by nothing else.
const RUSTUPS: &str = "RUST_RECURSION_COUNT";

/// Of all variables (`std::env::vars_os`) those that can change results or speed; of those that look secret only that
/// they are set. What `cargo run` and rustup add is left out, so that a program which cargo started and one started by hand
/// have the same record; `program` is the executable.
#[must_use]
pub fn recorded(
    variables: impl Iterator<Item = (OsString, OsString)>,
    program: Option<&Path>,
) -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| {
        (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    };
    let matters = |name: &str| {
        name != RUSTUPS && (NAMES.contains(&name) || PREFIXES.iter().any(|p| name.starts_with(p)))
    };
    let is_secret = |name: &str| SECRET.iter().any(|word| name.to_uppercase().contains(word));
    variables
        .map(text)
        .filter(|(name, _)| matters(name))
        .filter_map(|(name, value)| match name.as_str() {
            "LD_LIBRARY_PATH" => Some((name, without_cargos(&value, program)?)),
            _ if is_secret(&name) => Some((name, HIDDEN.to_owned())),
            _ => Some((name, value)),
        })
        .collect()
}

/// A search path without the folders that cargo puts before it: those below the program's own, and the toolchain's. No
/// library of the program is there. `None` where nothing else is.
fn without_cargos(path: &str, program: Option<&Path>) -> Option<String> {
    let built = program.and_then(Path::parent);
    let is_cargos = |entry: &str| {
        let folder = Path::new(entry);
        built.is_some_and(|built| folder.starts_with(built))
            || entry.contains("/lib/rustlib/")
            || folder.join("rustlib").is_dir()
    };
    let entries: Vec<&str> = path.split(':').filter(|entry| !entry.is_empty() && !is_cargos(entry)).collect();
    (!entries.is_empty()).then(|| entries.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_recorded_and_secrets_are_not() {
        let set =
            ["RAYON_NUM_THREADS", "FOVEA_API_TOKEN", "LD_PRELOAD", "LD_PRELOAD_2", "HOME", "OMP_NUM_THREADS"];
        let found = recorded(set.into_iter().map(|name| (name.into(), "7".into())), None);
        let expected = [
            ("FOVEA_API_TOKEN", HIDDEN),
            ("LD_PRELOAD", "7"),
            ("OMP_NUM_THREADS", "7"),
            ("RAYON_NUM_THREADS", "7"),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn what_cargo_sets_is_left_out() {
        let toolchain = tempfile::tempdir().unwrap();
        std::fs::create_dir(toolchain.path().join("rustlib")).unwrap();
        let toolchain = toolchain.path().display();
        let cargos = format!("/t/release/build/x/out:/t/release:/r/lib/rustlib/x86/lib:{toolchain}");
        let of = |path: String| {
            let set = [("LD_LIBRARY_PATH", path), ("RUST_RECURSION_COUNT", "1".to_owned())];
            let set = set.into_iter().map(|(name, value)| (name.into(), value.into()));
            recorded(set, Some(Path::new("/t/release/fovea"))).remove("LD_LIBRARY_PATH")
        };
        assert_eq!(of(format!("{cargos}:")), None);
        assert_eq!(of(format!("{cargos}:/usr/local/cuda/lib64")), Some("/usr/local/cuda/lib64".to_owned()));
    }
}
