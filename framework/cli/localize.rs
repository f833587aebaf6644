//! `fovea localize`: one box per picture.

use crate::exit::Exit;
use crate::output::{errln, outln};
use crate::{Outcome, explain, plan, settings};
use fovea_api::Registry;
use fovea_api::{BuildContext, RgbImage};
use fovea_datasets::decode_picture;
use fovea_engine::catalog::Catalog;
use fovea_engine::localize::{BoxRecord, localize};
use fovea_engine::{EngineError, device};
use fovea_plan::{DeviceRequest, PluginKind};
use fovea_records::{TrialEvent, place, store};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};

/// Name of the records within the output folder.
const RECORDS: &str = "boxes.json";

/// Arguments of `fovea localize`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Localizer by name, as `fovea plugin list` lists it.
    #[arg(long, default_value = "lost")]
    localizer: String,
    /// A key of the localizer's configuration, the value in JSON: `--set weights=dino.pth`,
    /// `--set features=patch-stats`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// A folder of pictures (.jpg, .jpeg, .png), or one picture.
    #[arg(long, value_name = "PATH")]
    images: PathBuf,
    /// Folder for boxes.json.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Write OUT/NAME.png for every picture, too: the box on the picture.
    #[arg(long)]
    overlay: bool,
    /// Where computed boxes are kept by content of the picture; runs share it.
    #[arg(long, value_name = "DIR", default_value = "runs/.cache")]
    cache: PathBuf,
    /// Device: auto, cpu, cuda:N.
    #[arg(long, default_value = "auto")]
    device: DeviceRequest,
}

pub(crate) fn main(args: &Args, registry: &Registry) -> Outcome {
    let (registry, base_dir) = (registry.clone(), plan::base_dir());
    let catalog = Catalog::new(registry.clone(), base_dir.clone());
    let config = settings::parse(&args.settings)?;
    let config = explain::resolve(&catalog, PluginKind::Localizer, &args.localizer, config)?;
    place::out_folder(&args.out, &[RECORDS])?;
    let files = explain::picture_files(&args.images, &args.out, args.overlay)?;
    let context = BuildContext { base_dir, device: device::open(args.device)?.device, registry };
    let localizer =
        context.registry.build_localizer(&args.localizer, config, &context).map_err(EngineError::from)?;
    let bar = ProgressBar::new(files.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {pos}/{len} pictures  {per_sec}  left {eta}")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    let emit = |event: TrialEvent| {
        if let TrialEvent::Localizing { done, .. } = event {
            bar.set_position(done as u64);
        }
    };
    let show = |image: &RgbImage, record: &BoxRecord| {
        if args.overlay { draw(image, record, &args.out) } else { Ok(()) }
    };
    let summary = localize(&files, decode_picture, localizer.as_ref(), Some(&args.cache), &emit, &show)?;
    bar.finish_and_clear();
    let path = args.out.join(RECORDS);
    store::write_json_array(&path, &summary.records).map_err(EngineError::from)?;
    let found = summary.records.iter().filter(|record| record.bbox.is_some()).count();
    outln!("{found} boxes in {} pictures: {}", summary.records.len(), path.display());
    if summary.failed.is_empty() {
        return Ok(Exit::Success);
    }
    for error in &summary.failed {
        errln!("error: {error}");
    }
    errln!("{} of {} pictures could not be read", summary.failed.len(), files.len());
    Ok(Exit::Files)
}

/// Draws the box on the picture; `a.jpg` and `a.png` are told apart by their whole names.
fn draw(image: &RgbImage, record: &BoxRecord, out: &Path) -> Result<(), EngineError> {
    let path = out.join(format!("{}.png", record.image));
    let png = fovea_reports::box_png(&image.pixels, (image.height, image.width), record.bbox)
        .map_err(|e| EngineError::Checkpoint(format!("cannot encode {}: {e}", path.display())))?;
    place::out_file(&path)?;
    Ok(store::write_atomic(&path, &png)?)
}
