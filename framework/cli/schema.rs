//! `fovea schema`: what an experiment may say, for editors.

use crate::exit::Exit;
use crate::words::print;
use crate::{Failure, Outcome, built_in, plan};
use fovea_engine::catalog::Catalog;

pub(crate) fn main() -> Outcome {
    let catalog = Catalog::new(built_in::registry(), plan::base_dir());
    let schema = serde_json::to_string_pretty(&fovea_plan::schema(&catalog));
    print(&(schema.map_err(|e| Failure::new(Exit::Usage, e))? + "\n"));
    Ok(Exit::Success)
}
