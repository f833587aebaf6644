//! A library in this process. The main type is [`LoadedPlugin`]; [`open`] loads.

use crate::call::{Errors, str_of, text_of};
use crate::{HostError, LibraryFile, files, guard};
use fovea_abi::raw::{
    FOVEA_ABI_MAJOR, FOVEA_ABI_MINOR, FOVEA_ENTRY, FOVEA_EXTRACTOR, FOVEA_LOCALIZER, FOVEA_LOSS, FOVEA_MODEL,
    FOVEA_OK, FOVEA_WANTS_BOXES, FOVEA_WANTS_HEATMAPS, FoveaEntry, FoveaExtractor, FoveaHost, FoveaLibrary,
    FoveaLocalizer, FoveaLoss, FoveaModel, FoveaPlugin, FoveaStr,
};
use fovea_api::PluginKind;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::io::Write as _;
use std::path::PathBuf;
use std::ptr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing::Level;

/// A plugin of a library that is loaded, for as long as the process lives.
#[derive(Debug)]
pub struct LoadedPlugin {
    /// Its kind.
    pub kind: PluginKind,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One line for help.
    pub summary: String,
    /// JSON Schema of its configuration.
    pub schema: Value,
    /// Keys of the configuration that say where files are.
    pub path_keys: Vec<String>,
    /// The library.
    pub file: LibraryFile,
    pub(crate) raw: &'static FoveaPlugin,
    pub(crate) functions: Functions,
}

/// The functions of a kind; each was checked to be there.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Functions {
    Localizer(&'static FoveaLocalizer),
    Extractor(&'static FoveaExtractor),
    Loss(&'static FoveaLoss),
    Model(&'static FoveaModel),
}

// SAFETY: what the references lead to is constant and lives until the process ends, as the header demands; the functions
// that take no instance may be called by any thread, and those that do are called under the lock of the instance.
unsafe impl Send for LoadedPlugin {}
// SAFETY: as above.
unsafe impl Sync for LoadedPlugin {}

impl LoadedPlugin {
    /// Kind, name and file, as errors say it.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {} ({})", self.kind, self.name, self.file.name())
    }
}

/// A library of this process: the hash of its contents and its plugins.
type Opened = (String, Vec<Arc<LoadedPlugin>>);

/// Libraries of this process, by path.
static LOADED: Mutex<BTreeMap<PathBuf, Opened>> = Mutex::new(BTreeMap::new());

/// Loads a library that was [inspected](crate::inspect) and describes its plugins. The second time gives the same ones:
/// libraries are never unloaded.
///
/// # Errors
/// When it cannot be loaded, or does not describe itself as the header says.
pub fn open(file: &LibraryFile) -> Result<Vec<Arc<LoadedPlugin>>, HostError> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((blake3, plugins)) = loaded.get(&file.path) {
        if *blake3 == file.blake3 {
            return Ok(plugins.clone());
        }
        let message = "the file changed while this program had it loaded; start the program again";
        return Err(HostError::new(&file.path, message));
    }
    let before = files::stamp(&file.path);
    let plugins = load(file)?;
    if files::stamp(&file.path) != before {
        return Err(HostError::new(&file.path, "the file changed while it was loaded; try again"));
    }
    loaded.insert(file.path.clone(), (file.blake3.clone(), plugins.clone()));
    Ok(plugins)
}

fn load(file: &LibraryFile) -> Result<Vec<Arc<LoadedPlugin>>, HostError> {
    let failed = |message: String| HostError::new(&file.path, message);
    let named = file.name();
    let library = {
        let _call = guard::enter(format_args!("{named} in its constructors, while it was loaded,"));
        // SAFETY: loading runs the library's constructors, which is what the user asks for. The note says that it is a
        // plugin for this version of the interface, and a child process has survived the same; see `probe`.
        unsafe { Library::open(Some(&file.path), RTLD_NOW | RTLD_LOCAL) }
    }
    .map_err(|error| {
        failed(format!(
            "it cannot be loaded: {}; are the libraries it needs installed (`ldd` lists them)?",
            reason(&error)
        ))
    })?;
    // SAFETY: the header says that the symbol of this name is a function of this type.
    let entry = unsafe { library.get::<FoveaEntry>(FOVEA_ENTRY) }
        .map_err(|error| failed(format!("it has no fovea_plugin_entry: {}", reason(&error))))?;
    let mut found: *const FoveaLibrary = ptr::null();
    let mut errors = Errors::new();
    let status = {
        let _call = guard::enter(format_args!("{named} in `fovea_plugin_entry`"));
        // SAFETY: the host lives for ever, `found` and the error for the call.
        unsafe { entry(host(), &raw mut found, errors.raw()) }
    };
    // Never unloaded: plugins describe themselves by pointers into the library.
    std::mem::forget(library);
    if status != FOVEA_OK {
        let (_, message) = errors.taken();
        return Err(failed(format!(
            "its `fovea_plugin_entry` failed: {}",
            message.unwrap_or("without a message".into())
        )));
    }
    // SAFETY: after FOVEA_OK the pointer is null or leads to the library's description, which lives for ever.
    let Some(found) = (unsafe { found.as_ref() }) else {
        return Err(failed("its `fovea_plugin_entry` returned FOVEA_OK and no library".to_owned()));
    };
    describe(found, file).map_err(failed)
}

/// The reason of an error of libloading, which says itself only what was tried.
fn reason(error: &libloading::Error) -> String {
    let text = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    text.trim().to_owned()
}

fn describe(library: &'static FoveaLibrary, file: &LibraryFile) -> Result<Vec<Arc<LoadedPlugin>>, String> {
    sized(library.size, size_of::<FoveaLibrary>(), "FoveaLibrary")?;
    if library.abi_major != FOVEA_ABI_MAJOR || library.abi_minor > FOVEA_ABI_MINOR {
        return Err(format!(
            "its FoveaLibrary says version {}.{} of the interface, its note another; build all of it with one header",
            library.abi_major, library.abi_minor
        ));
    }
    if library.count == 0 || library.plugins.is_null() {
        return Err("it holds no plugin".to_owned());
    }
    // SAFETY: the header says that `plugins` leads to `count` pointers that live for ever.
    let plugins = unsafe { std::slice::from_raw_parts(library.plugins, library.count) };
    let mut described: Vec<Arc<LoadedPlugin>> = Vec::new();
    for (index, plugin) in plugins.iter().enumerate() {
        // SAFETY: each pointer is null or leads to a FoveaPlugin that lives for ever.
        let plugin = unsafe { plugin.as_ref() }.ok_or(format!("its plugin {index} is null"))?;
        let plugin =
            describe_plugin(plugin, file).map_err(|message| format!("its plugin {index}: {message}"))?;
        if described.iter().any(|other| other.kind == plugin.kind && other.name == plugin.name) {
            return Err(format!("it holds two plugins {} {}", plugin.kind, plugin.name));
        }
        described.push(Arc::new(plugin));
    }
    Ok(described)
}

fn sized(size: usize, expected: usize, what: &str) -> Result<(), String> {
    if size >= expected {
        return Ok(());
    }
    Err(format!(
        "`size` of its {what} is {size}, and at least {expected} is expected: set it to sizeof({what})"
    ))
}

fn describe_plugin(raw: &'static FoveaPlugin, file: &LibraryFile) -> Result<LoadedPlugin, String> {
    sized(raw.size, size_of::<FoveaPlugin>(), "FoveaPlugin")?;
    // SAFETY: the texts of a description live for ever.
    let text =
        |text: FoveaStr, what: &str| unsafe { text_of(text) }.ok_or(format!("its {what} is not UTF-8"));
    let name = text(raw.name, "name")?.to_owned();
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() || !name.chars().all(allowed) || name.starts_with('-') {
        return Err(format!("its name `{name}` is not made of lower-case letters, digits and hyphens"));
    }
    let named = |message: String| format!("`{name}`: {message}");
    let version = text(raw.version, "version").map_err(named)?;
    if version.is_empty() || version.contains(char::is_whitespace) {
        return Err(named(format!("its version `{version}` is empty or has a space; `1.0.0` is one")));
    }
    let schema = text(raw.config_schema, "config_schema").map_err(named)?;
    let schema = if schema.is_empty() {
        json!({ "type": "object", "properties": {}, "additionalProperties": false })
    } else {
        serde_json::from_str(schema).map_err(|e| named(format!("its config_schema is no JSON: {e}")))?
    };
    if !schema.is_object() {
        return Err(named("its config_schema is no JSON object".to_owned()));
    }
    let mut path_keys = Vec::new();
    if raw.path_key_count > 0 {
        if raw.path_keys.is_null() {
            return Err(named("its path_keys are null and path_key_count is not 0".to_owned()));
        }
        // SAFETY: the header says that `path_keys` leads to so many texts that live for ever.
        for key in unsafe { std::slice::from_raw_parts(raw.path_keys, raw.path_key_count) } {
            path_keys.push(text(*key, "path_keys").map_err(named)?.to_owned());
        }
    }
    if raw.create.is_none() || raw.destroy.is_none() {
        return Err(named("its `create` or `destroy` is null".to_owned()));
    }
    let (kind, functions) = functions(raw).map_err(named)?;
    Ok(LoadedPlugin {
        kind,
        version: version.to_owned(),
        summary: text(raw.summary, "summary").map_err(named)?.to_owned(),
        schema,
        path_keys,
        file: file.clone(),
        raw,
        functions,
        name,
    })
}

fn functions(raw: &'static FoveaPlugin) -> Result<(PluginKind, Functions), String> {
    let missing =
        |what: &str, functions: &str| format!("it is a {what}, but its `{functions}` is null or incomplete");
    // SAFETY: of each kind's pointer, the header says that it is null or leads to a struct that lives for ever. `size` is
    // its first member, so it may be read before the rest is known to be there.
    let (localizer, extractor, loss, model) =
        unsafe { (raw.localizer.as_ref(), raw.extractor.as_ref(), raw.loss.as_ref(), raw.model.as_ref()) };
    match raw.kind {
        FOVEA_LOCALIZER => {
            let found = localizer.ok_or_else(|| missing("localizer", "localizer"))?;
            sized(found.size, size_of::<FoveaLocalizer>(), "FoveaLocalizer")?;
            found.localize.ok_or_else(|| missing("localizer", "localizer->localize"))?;
            Ok((PluginKind::Localizer, Functions::Localizer(found)))
        }
        FOVEA_EXTRACTOR => {
            let found = extractor.ok_or_else(|| missing("extractor", "extractor"))?;
            sized(found.size, size_of::<FoveaExtractor>(), "FoveaExtractor")?;
            found.extract.ok_or_else(|| missing("extractor", "extractor->extract"))?;
            Ok((PluginKind::Extractor, Functions::Extractor(found)))
        }
        FOVEA_LOSS => {
            let found = loss.ok_or_else(|| missing("loss", "loss"))?;
            sized(found.size, size_of::<FoveaLoss>(), "FoveaLoss")?;
            found.evaluate.ok_or_else(|| missing("loss", "loss->evaluate"))?;
            if found.flags & (FOVEA_WANTS_BOXES | FOVEA_WANTS_HEATMAPS) == 0 {
                return Err(
                    "it is a loss of nothing: set FOVEA_WANTS_BOXES or FOVEA_WANTS_HEATMAPS".to_owned()
                );
            }
            Ok((PluginKind::Loss, Functions::Loss(found)))
        }
        FOVEA_MODEL => {
            let found = model.ok_or_else(|| missing("model", "model"))?;
            sized(found.size, size_of::<FoveaModel>(), "FoveaModel")?;
            found.graph.ok_or_else(|| missing("model", "model->graph"))?;
            Ok((PluginKind::Model, Functions::Model(found)))
        }
        other => Err(format!(
            "its kind is {other}, and one of FOVEA_LOCALIZER, _EXTRACTOR, _LOSS, _MODEL is expected"
        )),
    }
}

/// A host that lives for ever.
struct Host(FoveaHost);

// SAFETY: it is never written to, and its functions may be called by any thread.
unsafe impl Send for Host {}
// SAFETY: as above.
unsafe impl Sync for Host {}

fn host() -> *const FoveaHost {
    static HOST: OnceLock<Host> = OnceLock::new();
    let host = HOST.get_or_init(|| {
        Host(FoveaHost {
            size: size_of::<FoveaHost>(),
            abi_major: FOVEA_ABI_MAJOR,
            abi_minor: FOVEA_ABI_MINOR,
            version: str_of(env!("CARGO_PKG_VERSION")),
            context: ptr::null_mut(),
            log: Some(log),
            get_extension: Some(get_extension),
        })
    });
    &raw const host.0
}

unsafe extern "C" fn log(_: *mut c_void, level: u32, line: FoveaStr) {
    // SAFETY: the plugin lends the line for the call.
    let Some(line) = (unsafe { text_of(line) }) else { return };
    let said = std::panic::catch_unwind(|| match level {
        // Kept with the trial even where nobody asked for messages.
        1 if !tracing::enabled!(target: "fovea_plugin", Level::ERROR) => say("error", line),
        2 if !tracing::enabled!(target: "fovea_plugin", Level::WARN) => say("warning", line),
        1 => tracing::error!(target: "fovea_plugin", "{line}"),
        2 => tracing::warn!(target: "fovea_plugin", "{line}"),
        3 => tracing::info!(target: "fovea_plugin", "{line}"),
        _ => tracing::debug!(target: "fovea_plugin", "{line}"),
    });
    // A panic must not cross the boundary, and a line that is lost is no loss.
    drop(said);
}

/// A line for stderr, lost where that takes none.
fn say(what: &str, line: &str) {
    let _ = writeln!(std::io::stderr(), "plugin {what}: {line}");
}

unsafe extern "C" fn get_extension(_: *mut c_void, _: FoveaStr) -> *const c_void {
    ptr::null()
}
