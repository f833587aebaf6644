//! `fovea bench`: how fast something is.

use crate::exit::Exit;
use crate::{Failure, Outcome, settings};
use fovea_api::Registry;
use fovea_engine::bench::{LocalizeBench, StepBench, localize_times, step_times};
use fovea_plan::{DeviceRequest, Precision};

/// Arguments of `fovea bench`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Seconds of a training step, CE only and with RIA.
    Step(StepArgs),
    /// Pictures per second of a localizer, on random pictures.
    Localize(LocalizeArgs),
}

#[derive(clap::Args)]
struct StepArgs {
    /// Model by name.
    #[arg(long, default_value = "resnet18")]
    model: String,
    /// A key of the model's configuration, the value in JSON: `--set widths=[16,32,64,64]`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Pictures a step.
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Side of the network input, pixels.
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// Timed steps of each kind.
    #[arg(long, default_value_t = 10)]
    steps: usize,
    /// Device: auto, cpu, cuda:N.
    #[arg(long, default_value = "auto")]
    device: DeviceRequest,
    /// Type in which layers multiply: f32, tf32, bf16 (`training.precision`).
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct LocalizeArgs {
    /// Localizer by name.
    #[arg(long, default_value = "lost")]
    localizer: String,
    /// A key of the localizer's configuration, the value in JSON: `--set weights=dino.pth`.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Pictures a repeat.
    #[arg(long, default_value_t = 64)]
    images: usize,
    /// Side of the pictures, pixels.
    #[arg(long, default_value_t = 224)]
    size: usize,
    /// Timed repeats.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// Device: auto, cpu, cuda:N.
    #[arg(long, default_value = "auto")]
    device: DeviceRequest,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(args: &Args, registry: &Registry) -> Outcome {
    match &args.what {
        What::Step(args) => step(args, registry),
        What::Localize(args) => localize(args, registry),
    }
}

fn step(args: &StepArgs, registry: &Registry) -> Outcome {
    if args.batch == 0 || args.size == 0 {
        return Err(Failure::new(Exit::Usage, "--batch and --size must be at least 1"));
    }
    let StepArgs { model, settings, batch, size, steps, device, precision, json } = args;
    let bench = StepBench {
        model: model.clone(),
        model_config: settings::parse(settings)?,
        batch: *batch,
        size: *size,
        steps: *steps,
        device: *device,
        precision: *precision,
    };
    let times = step_times(&bench, registry)?;
    let (ce, ria) = (times.ce_seconds, times.ria_seconds);
    let images = *batch as f64;
    if *json {
        let value = serde_json::json!({
            "model": model, "batch": batch, "size": size, "steps": steps, "device": times.device, "precision": precision.to_string(),
            "ce_seconds": ce, "ria_seconds": ria, "ria_over_ce": ria / ce,
        });
        println!("{value}");
    } else {
        println!(
            "{model} batch {batch} size {size} {}: CE {ce:.4} s/step {:.1} img/s | RIA {ria:.4} s/step {:.1} img/s | RIA/CE {:.3} (medians of {steps})",
            times.device,
            images / ce,
            images / ria,
            ria / ce
        );
    }
    Ok(Exit::Success)
}

fn localize(args: &LocalizeArgs, registry: &Registry) -> Outcome {
    let LocalizeArgs { localizer, settings, images, size, repeats, device, json } = args;
    if *images == 0 || *size == 0 {
        return Err(Failure::new(Exit::Usage, "--images and --size must be at least 1"));
    }
    let bench = LocalizeBench {
        localizer: localizer.clone(),
        config: settings::parse(settings)?,
        images: *images,
        size: *size,
        repeats: *repeats,
        device: *device,
    };
    let (device, seconds) = localize_times(&bench, registry)?;
    let rate = *images as f64 / seconds;
    if *json {
        let value = serde_json::json!({
            "localizer": localizer, "images": images, "size": size, "repeats": repeats, "device": device,
            "seconds": seconds, "images_per_second": rate,
        });
        println!("{value}");
    } else {
        println!(
            "{localizer} size {size} {device}: {rate:.1} img/s (median of {repeats} x {images} pictures)"
        );
    }
    Ok(Exit::Success)
}
