//! `fovea explain`: what a network says of pictures and where it looks.

use crate::exit::Exit;
use crate::output::{errln, outln};
use crate::{Failure, Outcome, plan, settings};
use fovea_api::{Ahead, BuildContext, BuiltModel, Precision, Registry};
use fovea_datasets::{beside_pictures, decode_picture, pictures_in};
use fovea_engine::ahead::Wanted;
use fovea_engine::catalog::Catalog;
use fovea_engine::explain::{Explainer, HEATMAPS, Pictures, RECORDS, Seen, network};
use fovea_engine::precision::of_layers;
use fovea_engine::trained::TrainedTrial;
use fovea_engine::{EngineError, device};
use fovea_plan::{DeviceRequest, InputConfig, PluginCatalog as _, PluginKind};
use fovea_records::{TrialEvent, find_trial, place, store};
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Arguments of `fovea explain`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Model by name, as `fovea plugin list` lists it.
    #[arg(long, required_unless_present = "trial")]
    model: Option<String>,
    /// Its weights: a PyTorch checkpoint (.pth, .pt) or .safetensors, with torchvision's names.
    #[arg(long, value_name = "FILE", required_unless_present = "trial")]
    weights: Option<PathBuf>,
    /// Number of classes. [default: as many as the weights have]
    #[arg(long)]
    classes: Option<usize>,
    /// A key of the model's configuration, the value in JSON: `--set widths=[16,32,64,64]`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Instead of all that, a finished trial: RUN/ID (the beginning of the id is enough), or its folder.
    #[arg(long, value_name = "TRIAL", conflicts_with_all = ["model", "weights", "classes", "settings", "size", "normalize"])]
    trial: Option<PathBuf>,
    /// A folder of pictures (.jpg, .jpeg, .png), one picture, or a .safetensors file of F32 tensors [3, height, width],
    /// which are the network's input as they are.
    #[arg(long, value_name = "PATH")]
    images: PathBuf,
    /// Folder for explain.json and heatmaps.safetensors.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Side to which pictures are squashed, pixels. [default: 224]
    #[arg(long)]
    size: Option<usize>,
    /// Normalise pictures by ImageNet's mean and standard deviation, as most torchvision weights expect.
    #[arg(long)]
    normalize: bool,
    /// The box surrounds heatmap values above this. [default: 0.5, or the trial's]
    #[arg(long, allow_negative_numbers = true)]
    threshold: Option<f64>,
    /// Write OUT/NAME.png for every picture, too: heatmap and box over the picture.
    #[arg(long)]
    overlay: bool,
    /// Pictures a forward pass.
    #[arg(long, default_value_t = 16)]
    batch: usize,
    /// Device: auto, cpu, cuda:N.
    #[arg(long, default_value = "auto")]
    device: DeviceRequest,
}

/// The network to be explained and how it wants its pictures.
struct Subject {
    model: (String, Value),
    precision: Precision,
    classes: Option<usize>,
    input: InputConfig,
    extractor: (String, Value),
}

pub(crate) fn main(args: &Args, registry: &Registry) -> Outcome {
    if args.batch == 0 || args.size == Some(0) || args.classes == Some(0) {
        return Err(Failure::new(Exit::Usage, "--batch, --size and --classes must be at least 1"));
    }
    place::out_folder(&args.out, &[RECORDS, HEATMAPS])?;
    let subject = Subject::new(args, registry)?;
    let pictures = pictures(args)?;
    let device = device::open(args.device)?.device;
    subject.fits(args, &pictures, registry)?;
    let built = build(&subject, registry, &pictures, &device)?;
    if let Some(replaced) = &built.head_replaced {
        errln!("warning: model {}: {replaced}; its logits mean nothing", subject.model.0);
    }
    let context =
        BuildContext { base_dir: plan::base_dir(), device: device.clone(), registry: registry.clone() };
    let (name, config) = subject.extractor;
    let extractor = registry.build_extractor(&name, config, &context).map_err(EngineError::from)?;
    let explainer = Explainer {
        model: built.model.as_ref(),
        extractor: extractor.as_ref(),
        device: &device,
        size: subject.input.size,
        normalize: subject.input.normalize,
        batch: args.batch,
    };
    let bar = ProgressBar::new(pictures.list().len() as u64);
    let emit = |event: TrialEvent| {
        if let TrialEvent::Evaluating { done, .. } = event {
            bar.set_position(done as u64);
        }
    };
    let show = |picture: &Seen<'_>| if args.overlay { draw(picture, &args.out) } else { Ok(()) };
    let summary = explainer.run(&pictures, &args.out, &emit, &show)?;
    bar.finish_and_clear();
    let (records, heatmaps) = (args.out.join(RECORDS), args.out.join(HEATMAPS));
    outln!("explained {} pictures: {}, {}", summary.explained, records.display(), heatmaps.display());
    if summary.failed.is_empty() {
        return Ok(Exit::Success);
    }
    for error in &summary.failed {
        errln!("error: {error}");
    }
    errln!("{} of {} pictures could not be explained", summary.failed.len(), pictures.list().len());
    Ok(Exit::Files)
}

impl Subject {
    /// Refuses a size of pictures for which there is no memory.
    fn fits(&self, args: &Args, pictures: &Pictures, registry: &Registry) -> Result<(), Failure> {
        // Tensors have a size of their own, and are there already.
        if pictures.least_side(self.input.size) != self.input.size {
            return Ok(());
        }
        let ahead = Ahead {
            classes: self.classes.unwrap_or(1),
            input_size: self.input.size,
            base_dir: Path::new(""),
        };
        let (model, config) = &self.model;
        let (batch, keys) = (args.batch.min(pictures.list().len()), ["--batch", "--size"]);
        let wanted = Wanted { model, config, ahead, batch, trained: false, keys };
        Ok(wanted.check(registry, args.device, plan::memory)?)
    }

    fn new(args: &Args, registry: &Registry) -> Result<Self, Failure> {
        let catalog = Catalog::new(registry.clone(), plan::base_dir());
        let mut precision = Precision::default();
        let (model, input, mut extractor) = match (&args.trial, &args.model, &args.weights) {
            (Some(trial), _, _) => {
                let trial = TrainedTrial::open(&find_trial(trial, None)?)?;
                let model = (trial.config.model.name.clone(), trial.model_config(Some(&trial.weights)));
                precision = of_layers(trial.config.training.precision);
                let extractor = &trial.config.extractor;
                (model, trial.config.input, (extractor.name.clone(), extractor.config.clone()))
            }
            (None, Some(name), Some(weights)) => {
                let mut config = settings::parse(&args.settings)?;
                config["weights"] = weights.to_string_lossy().into();
                if !weights.is_file() {
                    let message = format!("--weights: there is no file {}", weights.display());
                    return Err(Failure::new(Exit::Files, message));
                }
                let config = resolve(&catalog, PluginKind::Model, name, config)?;
                let size = args.size.unwrap_or(InputConfig::default().size);
                let input = InputConfig { size, normalize: args.normalize };
                ((name.clone(), config), input, ("threshold".to_owned(), json!({})))
            }
            _ => return Err(Failure::new(Exit::Usage, "give --model and --weights, or --trial")),
        };
        if let Some(threshold) = args.threshold {
            extractor.1["threshold"] = threshold.into();
        }
        extractor.1 = resolve(&catalog, PluginKind::Extractor, &extractor.0, extractor.1)?;
        Ok(Self { model, precision, classes: args.classes, input, extractor })
    }
}

/// Fills in defaults; the error tells everything that is wrong.
pub(crate) fn resolve(
    catalog: &Catalog,
    kind: PluginKind,
    name: &str,
    config: Value,
) -> Result<Value, Failure> {
    let resolved = catalog.resolve(kind, name, config).map_err(|issues| {
        let issue = |i: fovea_plan::PluginIssue| {
            let help = i.suggestion.map_or_else(String::new, |s| format!(" (did you mean `{s}`?)"));
            format!("{name}: {}: {}{help}", i.path.join("."), i.message)
        };
        let issues: Vec<String> = issues.into_iter().map(issue).collect();
        Failure::new(Exit::Usage, issues.join("\nerror: "))
    })?;
    Ok(resolved.config)
}

fn pictures(args: &Args) -> Result<Pictures, Failure> {
    let images = &args.images;
    let files = |message: String| Failure::new(Exit::Files, message);
    if images.extension().is_some_and(|e| e == "safetensors") {
        let pictures = Pictures::tensors(images).map_err(EngineError::from)?;
        let slash = pictures.list().iter().find(|p| p.stem().contains(['/', '\\']));
        return match slash.filter(|_| args.overlay) {
            Some(p) => Err(files(format!(
                "{}: tensor `{}` cannot name an overlay's file",
                images.display(),
                p.name()
            ))),
            None if pictures.list().is_empty() => {
                Err(files(format!("{} holds no tensors", images.display())))
            }
            None => Ok(pictures),
        };
    }
    let found = picture_files(images, &args.out, args.overlay)?;
    Ok(Pictures::files(found, decode_picture).map_err(EngineError::from)?)
}

/// The picture files that `--images` means, in the order of their names, where outputs go to another folder.
pub(crate) fn picture_files(images: &Path, out: &Path, overlay: bool) -> Result<Vec<PathBuf>, Failure> {
    let files = |message: String| Failure::new(Exit::Files, message);
    let folder = if images.is_dir() { images } else { images.parent().unwrap_or(Path::new("")) };
    let found = if images.is_dir() { pictures_in(images).map_err(files)? } else { vec![images.to_owned()] };
    if !images.exists() {
        return Err(files(format!("--images: there is no {}", images.display())));
    }
    if images.is_dir() {
        for said in beside_pictures(images, out).map_err(files)? {
            errln!("warning: {said}");
        }
    }
    if found.is_empty() {
        let advice = "folders within it are not searched";
        return Err(files(format!("{} holds no .jpg, .jpeg or .png file; {advice}", images.display())));
    }
    if overlay && same_folder(folder, out) {
        let message = "--out is the pictures' own folder: overlays would replace them; name another one";
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(found)
}

fn same_folder(a: &Path, b: &Path) -> bool {
    let here = |path: &Path| if path == Path::new("") { PathBuf::from(".") } else { path.to_owned() };
    here(a).canonicalize().is_ok_and(|a| here(b).canonicalize().is_ok_and(|b| a == b))
}

fn build(
    subject: &Subject,
    registry: &Registry,
    pictures: &Pictures,
    device: &burn::tensor::Device,
) -> Result<BuiltModel, Failure> {
    let Subject { model: (name, config), precision, .. } = subject;
    let size = pictures.least_side(subject.input.size);
    network(registry, (name, config, *precision), subject.classes, size, device).map_err(|error| {
        // Where the network can be built without its weights, the file is at fault.
        let mut bare = config.clone();
        bare["weights"] = Value::Null;
        let file = network(registry, (name, &bare, *precision), subject.classes, size, device).is_ok();
        Failure::new(if file { Exit::Files } else { Exit::Usage }, error)
    })
}

fn draw(picture: &Seen<'_>, out: &Path) -> Result<(), EngineError> {
    let path = out.join(format!("{}.png", picture.stem));
    let png = fovea_reports::overlay_png(picture.image, picture.heatmap, picture.size, picture.bbox)
        .map_err(|e| EngineError::Checkpoint(format!("cannot encode {}: {e}", path.display())))?;
    place::out_file(&path)?;
    Ok(store::write_atomic(&path, &png)?)
}
