//! `fovea bench data`: from pictures on disk to batches.

use super::options::{Timing, positive};
use super::output::show;
use crate::exit::Exit;
use crate::{Failure, Outcome, plan, settings};
use fovea_api::{BuildContext, DatasetSource, Registry};
use fovea_datasets::{Rival10Demo, decode_picture, pictures_in, write_rival10_demo};
use fovea_engine::bench::DataBench;
use fovea_engine::bench::data::Files;
use fovea_engine::{EngineError, device};
use fovea_plan::DeviceRequest;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// Arguments of `fovea bench data`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// A folder of pictures (.jpg, .jpeg, .png) [default: drawn figures as JPEG files in RIVAL10's layout, with masks].
    #[arg(long, value_name = "DIR", conflicts_with = "dataset")]
    images: Option<PathBuf>,
    /// A data set by name, of which the split `train` is read.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// A key of the data set's configuration, the value in JSON: `--set root=data/birds`.
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "dataset")]
    settings: Vec<String>,
    /// Pictures that are drawn where none are given.
    #[arg(long, default_value_t = 500, value_parser = positive())]
    pictures: usize,
    /// Their side, pixels (16 to 1024).
    #[arg(long, default_value_t = 224, value_parser = positive())]
    picture_size: usize,
    /// Side of the network input, pixels.
    #[arg(long, default_value_t = 224, value_parser = positive())]
    size: usize,
    /// Pictures a batch.
    #[arg(long, default_value_t = 64, value_parser = positive())]
    batch: usize,
    /// Loader threads [default: as in a trial, half the CPU threads].
    #[arg(long, value_name = "N", value_parser = positive())]
    workers: Option<usize>,
    /// Epochs after the first.
    #[arg(long, default_value_t = 2)]
    later: usize,
    #[command(flatten)]
    timing: Timing,
}

type Open<'a> = Box<dyn Fn() -> Result<Box<dyn DatasetSource>, EngineError> + 'a>;

pub(super) fn main(args: &Args, registry: &Registry) -> Outcome {
    args.timing.use_threads()?;
    let threads = fovea_engine::bench::threads();
    let bench = |source| DataBench {
        source,
        size: args.size,
        batch: args.batch,
        workers: args.workers.unwrap_or((threads / 2).clamp(1, 8)),
        later: args.later,
        repeats: args.timing.repeats(3),
    };
    let named = |name: &str, config: Value| -> Result<Open<'_>, Failure> {
        // Data sets compute nothing on it.
        let device = device::open(DeviceRequest::Cpu)?.device;
        let context = BuildContext { base_dir: plan::base_dir(), device, registry: registry.clone() };
        let name = name.to_owned();
        Ok(Box::new(move || Ok(registry.build_dataset(&name, config.clone(), &context)?)))
    };
    let found = if let Some(folder) = &args.images {
        let files = pictures_in(folder).map_err(|e| Failure::new(Exit::Files, e))?;
        if files.is_empty() {
            let message = format!("{} holds no .jpg, .jpeg or .png file", folder.display());
            return Err(Failure::new(Exit::Files, message));
        }
        let source = Map::from_iter([("images".to_owned(), json!(folder))]);
        bench(source).run(|| Ok(Box::new(Files::new(files.clone(), decode_picture))))?
    } else if let Some(name) = &args.dataset {
        let config = settings::parse(&args.settings)?;
        let source = [("dataset".to_owned(), json!(name)), ("config".to_owned(), config.clone())];
        bench(Map::from_iter(source)).run(named(name, config)?)?
    } else {
        let dir = tempfile::tempdir()
            .map_err(|e| Failure::new(Exit::Files, format!("cannot make a folder for pictures: {e}")))?;
        let demo = Rival10Demo { train: args.pictures, test: 1, size: args.picture_size };
        let root = dir.path().join("drawn");
        write_rival10_demo(&root, demo).map_err(|e| Failure::new(Exit::Files, e))?;
        let source = Map::from_iter([("drawn".to_owned(), json!(args.picture_size))]);
        bench(source).run(named("rival10", json!({ "root": root, "val_fraction": 0.0 }))?)?
    };
    show(&found, args.timing.json);
    Ok(Exit::Success)
}
