//! What every plugin says of itself. The main trait is [`Plugin`].

use crate::call::{Fault, Slot, fovea_str, guarded, string, write};
use crate::error::{Error, Issue};
use crate::raw::{
    FOVEA_BAD_CONFIG, FoveaError, FoveaInstance, FoveaPlugin, FoveaSink, FoveaStatus, FoveaStr,
};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::ptr::null;

/// What a plugin is made from, beside its configuration.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Relative paths in the configuration start here.
    pub base_dir: PathBuf,
}

impl Context {
    /// The place of a path in the configuration.
    #[must_use]
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.base_dir.join(path)
    }
}

/// The configuration of a plugin without any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// What every plugin says of itself.
///
/// An instance is called by one thread at a time, but not always by the same one, hence `Send`. The same input must
/// give the same output in every instance of a configuration: answers are cached and shared between trials. Random
/// numbers come from a seed in the configuration.
pub trait Plugin: Sized + Send + 'static {
    /// Name in experiments: lower case, digits and hyphens.
    const NAME: &'static str;
    /// One line for help and docs.
    const SUMMARY: &'static str;
    /// Version; `env!("CARGO_PKG_VERSION")` will do.
    const VERSION: &'static str;
    /// Keys of the configuration that say where files are. Their contents count for a trial's identity.
    const PATHS: &'static [&'static str] = &[];
    /// Its configuration: `deny_unknown_fields`, a serde default for every field that has one.
    type Config: Serialize + DeserializeOwned + JsonSchema;

    /// Checks what types cannot say. Relative paths start at `base_dir`.
    fn check(config: &Self::Config, base_dir: &Path) -> Vec<Issue> {
        let _ = (config, base_dir);
        Vec::new()
    }

    /// Makes an instance from a configuration that [`check`](Self::check) has nothing against.
    ///
    /// # Errors
    /// When it cannot be made.
    fn new(config: Self::Config, context: &Context) -> Result<Self, Error>;
}

/// Lower case, digits and hyphens.
pub(crate) const fn is_name(name: &str) -> bool {
    let (bytes, mut i) = (name.as_bytes(), 0);
    while i < bytes.len() {
        if !(bytes[i].is_ascii_lowercase() || bytes[i].is_ascii_digit() || bytes[i] == b'-') {
            return false;
        }
        i += 1;
    }
    !bytes.is_empty()
}

/// The description of a plugin, without the functions of its kind. Lives until the process ends.
pub(crate) fn describe<P: Plugin>(kind: u32) -> FoveaPlugin {
    const { assert!(is_name(P::NAME), "a plugin's NAME is lower case, digits and hyphens") };
    let schema: &'static str = Box::leak(schemars::schema_for!(P::Config).to_value().to_string().into());
    let paths: Vec<FoveaStr> = P::PATHS.iter().map(|p| fovea_str(p)).collect();
    FoveaPlugin {
        size: size_of::<FoveaPlugin>(),
        kind,
        reserved: 0,
        name: fovea_str(P::NAME),
        version: fovea_str(P::VERSION),
        summary: fovea_str(P::SUMMARY),
        config_schema: fovea_str(schema),
        path_keys: Vec::leak(paths).as_ptr(),
        path_key_count: P::PATHS.len(),
        resolve: Some(resolve::<P>),
        create: Some(create::<P>),
        destroy: Some(destroy::<P>),
        get_extension: None,
        localizer: null(),
        extractor: null(),
        loss: null(),
        model: null(),
    }
}

/// Deserializes with the path of what does not fit.
fn parse<C: DeserializeOwned>(config: &str) -> Result<C, Issue> {
    let mut reader = serde_json::Deserializer::from_str(config);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().iter().map(ToString::to_string).filter(|s| s != "?").collect();
        // Without "at line 1 column 7": nobody has seen the JSON.
        let message = error.into_inner().to_string();
        let message = message.rsplit_once(" at line ").map_or(message.as_str(), |(m, _)| m).to_owned();
        Issue { path, message, suggestion: None }
    })
}

/// # Safety
/// As `resolve` in `fovea_plugin.h`.
unsafe extern "C" fn resolve<P: Plugin>(
    config: FoveaStr,
    base_dir: FoveaStr,
    sink: *const FoveaSink,
    error: *mut FoveaError,
) -> FoveaStatus {
    let call = || {
        // SAFETY: the caller's promise.
        let (config, base_dir) =
            unsafe { (string(config, "configuration")?, string(base_dir, "base directory")?) };
        let checked = parse::<P::Config>(config).map_err(|issue| vec![issue]).and_then(|config| {
            let issues = P::check(&config, Path::new(base_dir));
            if issues.is_empty() { Ok(config) } else { Err(issues) }
        });
        let text = match &checked {
            Ok(config) => serde_json::to_string(config),
            Err(issues) => serde_json::to_string(issues),
        };
        let text =
            text.map_err(|e| Error::new(format!("the configuration cannot be written as JSON: {e}")))?;
        // SAFETY: the caller's promise.
        unsafe { write(sink, &text)? };
        if checked.is_ok() { Ok(()) } else { Err(Fault::Returned(FOVEA_BAD_CONFIG)) }
    };
    // SAFETY: the caller's promise.
    unsafe { guarded(error, call) }
}

/// # Safety
/// As `create` in `fovea_plugin.h`.
unsafe extern "C" fn create<P: Plugin>(
    config: FoveaStr,
    base_dir: FoveaStr,
    instance: *mut *mut FoveaInstance,
    error: *mut FoveaError,
) -> FoveaStatus {
    let call = || {
        if instance.is_null() || !instance.is_aligned() {
            return Err(Fault::contract("the host gave no place for the instance"));
        }
        // SAFETY: the caller's promise.
        let (config, base_dir) =
            unsafe { (string(config, "configuration")?, string(base_dir, "base directory")?) };
        let config = parse::<P::Config>(config).map_err(|issue| {
            let message = format!("{}: {}", issue.path.join("."), issue.message);
            Fault::Failed(FOVEA_BAD_CONFIG, Error::new(message))
        })?;
        let made = Slot::instance(P::new(config, &Context { base_dir: base_dir.into() })?);
        // SAFETY: not null and aligned, and the caller promises that it may be written to.
        unsafe { instance.write(made) };
        Ok(())
    };
    // SAFETY: the caller's promise.
    unsafe { guarded(error, call) }
}

/// # Safety
/// As `destroy` in `fovea_plugin.h`.
unsafe extern "C" fn destroy<P: Plugin>(instance: *mut FoveaInstance) {
    let call = || {
        if !instance.is_null() {
            // SAFETY: from `create` of the same plugin, and the host never uses it again.
            drop(unsafe { Slot::<P>::take(instance) });
        }
        Ok(())
    };
    // SAFETY: there is no error to fill in.
    unsafe { guarded(std::ptr::null_mut(), call) };
}
