//! `fovea plugins`: lists what is registered.

use crate::exit::Exit;
use crate::{Failure, Outcome};
use fovea_api::{PluginKind, Registry};

/// Arguments of `fovea plugins`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Show this plugin's configuration (JSON Schema) only.
    name: Option<String>,
}

pub(crate) fn main(args: &Args, registry: &Registry) -> Outcome {
    if let Some(name) = &args.name {
        let found: Vec<_> = registry.entries().filter(|e| e.name == *name).collect();
        if found.is_empty() {
            let known: Vec<_> = registry.entries().map(|e| e.name.clone()).collect();
            let near = fovea_api::registry::nearest(name, &known)
                .map_or_else(String::new, |n| format!(" Did you mean `{n}`?"));
            return Err(Failure::new(
                Exit::Usage,
                format!("there is no plugin `{name}`.{near} `fovea plugins` lists them."),
            ));
        }
        for entry in found {
            println!("{} {}: {}", entry.kind, entry.name, entry.summary);
            let schema =
                serde_json::to_string_pretty(&entry.schema).map_err(|e| Failure::new(Exit::Usage, e))?;
            println!("{schema}");
        }
        return Ok(Exit::Success);
    }
    for kind in PluginKind::ALL {
        println!("{kind}");
        for entry in registry.entries().filter(|e| e.kind == kind) {
            println!("  {:<14} {}", entry.name, entry.summary);
        }
    }
    Ok(Exit::Success)
}
