//! Which environment variables are recorded. The main function is [`recorded`].

use std::collections::BTreeMap;
use std::ffi::OsString;

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

/// Of all variables (`std::env::vars_os`) those that can change results or speed; of those that look secret only that
/// they are set.
#[must_use]
pub fn recorded(variables: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| {
        (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned())
    };
    let matters = |name: &str| NAMES.contains(&name) || PREFIXES.iter().any(|p| name.starts_with(p));
    let is_secret = |name: &str| SECRET.iter().any(|word| name.to_uppercase().contains(word));
    variables
        .map(text)
        .filter(|(name, _)| matters(name))
        .map(|(name, value)| {
            let value = if is_secret(&name) { HIDDEN.to_owned() } else { value };
            (name, value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_recorded_and_secrets_are_not() {
        let set =
            ["RAYON_NUM_THREADS", "FOVEA_API_TOKEN", "LD_PRELOAD", "LD_PRELOAD_2", "HOME", "OMP_NUM_THREADS"];
        let found = recorded(set.into_iter().map(|name| (name.into(), "7".into())));
        let expected = [
            ("FOVEA_API_TOKEN", HIDDEN),
            ("LD_PRELOAD", "7"),
            ("OMP_NUM_THREADS", "7"),
            ("RAYON_NUM_THREADS", "7"),
        ];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }
}
