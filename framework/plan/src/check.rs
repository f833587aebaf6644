//! Values that have the right type and still make no sense.

use crate::PerDevice;
use crate::errors::{At, Issue, did_you_mean, nearest};
use crate::spec::{DeviceRequest, ExperimentSpec};

/// Something wrong, with the keys that may be blamed for it: the first that the user set is.
#[derive(Clone, Debug)]
pub(crate) struct Suspicion {
    pub(crate) suspects: Vec<Vec<String>>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Suspicion {
    /// The issue once the culprit is known.
    pub(crate) fn blame(self, path: Vec<String>) -> Issue {
        Issue::new(path, At::Value, self.message).help(self.help)
    }
}

/// Bytes of a folder's name: file systems take 255, of which names of temporary files want some.
const LONGEST_NAME: usize = 200;

struct Checks(Vec<Suspicion>);

impl Checks {
    fn require(&mut self, holds: bool, keys: &[&str], message: impl FnOnce() -> String) {
        if !holds {
            let suspects = keys.iter().map(|key| key.split('.').map(str::to_owned).collect());
            self.0.push(Suspicion { suspects: suspects.collect(), message: message(), help: None });
        }
    }

    fn at_least_one(&mut self, key: &str, value: usize) {
        self.require(value >= 1, &[key], || format!("must be at least 1, found {value}"));
    }

    fn fraction(&mut self, key: &str, value: f64) {
        self.require((0.0..=1.0).contains(&value), &[key], || {
            format!("must be between 0 and 1, found {value}")
        });
    }

    fn positive(&mut self, key: &str, value: f64) {
        self.require(value > 0.0 && value.is_finite(), &[key], || format!("must be above 0, found {value}"));
    }

    fn not_negative(&mut self, key: &str, value: f64) {
        self.require(value >= 0.0 && value.is_finite(), &[key], || {
            format!("must not be negative, found {value}")
        });
    }

    fn ordered(&mut self, key: &str, [low, high]: [f64; 2]) {
        self.require(low <= high, &[key], || format!("must be [smallest, largest], found [{low}, {high}]"));
    }

    /// What a file system, a terminal and a table can all have as a name.
    fn name(&mut self, keys: &[&str], name: &str) {
        self.require(name.len() <= LONGEST_NAME, keys, || {
            format!("must be at most {LONGEST_NAME} bytes long, found {}", name.len())
        });
        let control = name
            .chars()
            .find(|c| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
        self.require(control.is_none(), keys, || {
            format!("must not have the control character U+{:04X}", control.map_or(0, u32::from))
        });
    }

    fn device(&mut self, key: &str, device: &str) {
        if device.parse::<DeviceRequest>().is_ok() {
            return;
        }
        let known = ["auto", "cpu", "cuda", "cuda:N"];
        self.require(false, &[key], || format!("unknown device `{device}`"));
        if let Some(last) = self.0.last_mut() {
            let near = nearest(device, known).is_some();
            let known_devices = || Some(format!("known devices: {}", known.join(", ")));
            last.help = if near { did_you_mean(device, &known, "devices") } else { known_devices() };
        }
    }

    fn levels(&mut self, key: &str, levels: &[f64]) {
        for (index, level) in levels.iter().enumerate() {
            self.positive(&format!("{key}.{index}"), *level);
        }
    }
}

/// Everything that makes no sense.
pub(crate) fn check(spec: &ExperimentSpec) -> Vec<Suspicion> {
    let mut checks = Checks(Vec::new());
    let bad_name =
        spec.name.trim().is_empty() || spec.name.starts_with('.') || spec.name.contains(['/', '\\']);
    checks.require(!bad_name, &["name"], || "must be a name that a folder can have".to_owned());
    checks.name(&["name"], &spec.name);
    checks.require(spec.run.dir.as_deref() != Some(""), &["run.dir"], || {
        "must be a folder; to leave the choice to Fovea, leave the key out".to_owned()
    });
    checks.require(!spec.run.cache.is_empty(), &["run.cache"], || "must be a folder".to_owned());
    let dir = spec.run.dir.as_deref().unwrap_or_default();
    dir.split('/').for_each(|part| checks.name(&["run.dir"], part));
    checks.device("device", &spec.device);
    let run = &spec.run;
    checks.at_least_one("run.workers", run.workers);
    if let PerDevice::Count(count) = run.per_device {
        checks.at_least_one("run.per_device", count);
    }
    for (index, device) in run.devices.iter().enumerate() {
        checks.device(&format!("run.devices.{index}"), device);
    }
    checks.not_negative("run.retry_delay", run.retry_delay);
    checks.not_negative("run.timeout", run.timeout);
    checks.not_negative("run.stall_timeout", run.stall_timeout);

    checks.not_negative("plugins.timeout", spec.plugins.timeout);
    checks.not_negative("plugins.memory", spec.plugins.memory);

    if let Some(asha) = &run.prune.asha {
        checks.require(asha.reduction >= 2, &["run.prune.asha.reduction"], || {
            format!("must be at least 2, found {}", asha.reduction)
        });
        checks.at_least_one("run.prune.asha.min_epochs", asha.min_epochs);
    }

    checks.at_least_one("input.size", spec.input.size);

    let augmentation = &spec.augmentation;
    let [low, high] = augmentation.crop_scale;
    let in_range = low > 0.0 && low <= 1.0 && high > 0.0 && high <= 1.0;
    checks.require(in_range, &["augmentation.crop_scale"], || {
        format!("must lie above 0 and at most at 1, found [{low}, {high}]")
    });
    checks.ordered("augmentation.crop_scale", augmentation.crop_scale);
    let [low, high] = augmentation.crop_ratio;
    checks.require(low > 0.0 && high > 0.0, &["augmentation.crop_ratio"], || {
        format!("must lie above 0, found [{low}, {high}]")
    });
    checks.ordered("augmentation.crop_ratio", augmentation.crop_ratio);
    checks.fraction("augmentation.flip", augmentation.flip);
    checks.fraction("augmentation.min_box_kept", augmentation.min_box_kept);

    let training = &spec.training;
    checks.at_least_one("training.epochs", training.epochs);
    checks.at_least_one("training.batch_size", training.batch_size);
    let (epochs, warmup, rise) = (training.epochs, training.warmup_epochs, training.schedule.rise_epochs);
    checks.require(epochs == 0 || warmup <= epochs, &["training.warmup_epochs", "training.epochs"], || {
        format!("{warmup} warm-up epochs are more than the {epochs} epochs there are (training.warmup_epochs, training.epochs)")
    });
    checks.require(epochs == 0 || rise <= epochs, &["training.schedule.rise_epochs", "training.epochs"], || {
        format!("{rise} epochs of rising learning rate are more than the {epochs} epochs there are (training.schedule.rise_epochs, training.epochs)")
    });
    checks.not_negative("training.alpha", training.alpha);
    checks.not_negative("training.beta", training.beta);
    checks.positive("training.optimizer.learning_rate", training.optimizer.learning_rate);
    let momentum = training.optimizer.momentum;
    checks.require((0.0..1.0).contains(&momentum), &["training.optimizer.momentum"], || {
        format!("must be at least 0 and below 1, found {momentum}")
    });
    checks.not_negative("training.optimizer.weight_decay", training.optimizer.weight_decay);
    checks.fraction("training.schedule.final_fraction", training.schedule.final_fraction);
    checks.positive("training.schedule.gamma", training.schedule.gamma);
    checks.at_least_one("training.schedule.step_epochs", training.schedule.step_epochs);

    let evaluation = &spec.evaluation;
    checks.levels("evaluation.gaussian", &evaluation.gaussian);
    checks.levels("evaluation.l2", &evaluation.l2);
    checks.at_least_one("evaluation.draws", evaluation.draws);
    checks.at_least_one("evaluation.batch_size", evaluation.batch_size);
    checks.0
}
