//! `fovea schema`: what an experiment may say, for editors.

use crate::exit::Exit;
use crate::output::print;
use crate::{Failure, Outcome, plan};
use fovea_api::Registry;
use fovea_engine::catalog::Catalog;

pub(crate) fn main(registry: &Registry) -> Outcome {
    let catalog = Catalog::new(registry.clone(), plan::base_dir());
    let schema = serde_json::to_string_pretty(&fovea_plan::schema(&catalog));
    print(&(schema.map_err(|e| Failure::new(Exit::Usage, e))? + "\n"));
    Ok(Exit::Success)
}
