//! What can be known of a trial before it is trained: splits that are not there, a network too deep for its input,
//! memory that cannot be had. The main types are `Lookout`, for trials,
//! and [`Wanted`].

use crate::EngineError;
use crate::data::check;
use crate::evaluate::splits;
use fovea_api::{Ahead, ConfigIssue, Forecast, PluginError, Registry, SplitInfo};
use fovea_plan::{DeviceRequest, Obstacle, OptimizerKind, TrialConfig};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

/// Every machine that trains has this much, so nobody is asked whether it is there.
const LITTLE: u128 = 1 << 30;

/// Bytes of memory that a device has, where that is known.
pub type MemoryOf = fn(DeviceRequest) -> Option<u64>;

/// Looks ahead; what it finds out of data sets and networks it keeps.
pub(crate) struct Lookout {
    registry: Registry,
    base_dir: PathBuf,
    memory: MemoryOf,
    data: RefCell<HashMap<String, Rc<Result<Data, String>>>>,
    forecasts: RefCell<HashMap<(usize, usize, usize), Foretold>>,
}

type Foretold = Result<Option<Forecast>, ConfigIssue>;

/// What is known of a data set once it is open.
struct Data {
    classes: usize,
    splits: Vec<SplitInfo>,
}

impl Data {
    fn len(&self, split: &str) -> usize {
        self.splits.iter().find(|known| known.name == split).map_or(0, |known| known.len)
    }

    /// Pictures of the largest split that is evaluated.
    fn evaluated(&self, config: &TrialConfig) -> usize {
        let splits = splits::evaluated(&config.evaluation, &config.dataset.name, &self.splits);
        splits.unwrap_or_default().iter().map(|split| self.len(split)).max().unwrap_or(0)
    }
}

impl Lookout {
    pub(crate) fn new(registry: Registry, base_dir: PathBuf, memory: MemoryOf) -> Self {
        Self { registry, base_dir, memory, data: RefCell::default(), forecasts: RefCell::default() }
    }

    /// What keeps the trial from being trained on any of the devices.
    pub(crate) fn look(&self, config: &TrialConfig, devices: &[DeviceRequest]) -> Vec<Obstacle> {
        let data = match &*self.data(config) {
            Ok(data) => Data { classes: data.classes, splits: data.splits.clone() },
            Err(message) => return vec![Obstacle::new(["dataset"], message.clone())],
        };
        let lacking = splits::lacking(&config.evaluation, &config.dataset.name, &data.splits);
        let mut found: Vec<Obstacle> = lacking
            .map(|lacking| Obstacle::new([lacking.key, "dataset"], lacking.message))
            .into_iter()
            .collect();
        match self.forecast(config, data.classes) {
            Err(issue) => {
                let own = [&["model".to_owned()], &*issue.path].concat().join(".");
                let suspects = ["input.size", &own, "model.name", "model"];
                found.push(Obstacle::new(suspects, issue.message));
            }
            Ok(Some(forecast)) => {
                found
                    .extend(devices.iter().find_map(|&device| self.memory(config, &data, &forecast, device)));
            }
            Ok(None) => {}
        }
        found
    }

    fn data(&self, config: &TrialConfig) -> Rc<Result<Data, String>> {
        let key = format!("{} {}", config.dataset.name, config.dataset.config);
        let open = || {
            let source = check::open(&config.dataset, &self.base_dir, &self.registry);
            let data = |source: Box<dyn fovea_api::DatasetSource>| Data {
                classes: source.classes().len(),
                splits: source.splits().to_vec(),
            };
            Rc::new(source.map(data).map_err(|error| error.to_string()))
        };
        Rc::clone(self.data.borrow_mut().entry(key).or_insert_with(open))
    }

    fn forecast(&self, config: &TrialConfig, classes: usize) -> Foretold {
        let (model, size) = (&config.model, config.input.size);
        let ahead = Ahead { classes, input_size: size, base_dir: &self.base_dir };
        let foretell = || self.registry.forecast_model(&model.name, model.config.clone(), &ahead);
        self.forecasts.borrow_mut().entry((model.place(), classes, size)).or_insert_with(foretell).clone()
    }

    /// What is asked for beyond the memory of a device.
    fn memory(
        &self,
        config: &TrialConfig,
        data: &Data,
        forecast: &Forecast,
        device: DeviceRequest,
    ) -> Option<Obstacle> {
        let moments = match config.training.optimizer.name {
            OptimizerKind::Adam => 2,
            OptimizerKind::Sgd => 1,
        };
        let (model, size) = (&*config.model.name, config.input.size);
        let step = Job {
            what: "a step of training",
            keys: ["training.batch_size", "input.size"],
            model,
            batch: config.training.batch_size.min(data.len("train")),
            size,
            bytes: &|batch| forecast.training_bytes(batch, moments),
        };
        let pass = Job {
            what: "a pass of evaluation",
            keys: ["evaluation.batch_size", "input.size"],
            batch: config.evaluation.batch_size.min(data.evaluated(config)),
            bytes: &|batch| forecast.evaluation_bytes(batch),
            ..step
        };
        [step, pass].iter().find_map(|job| job.obstacle(device, self.memory))
    }
}

/// What a command without an experiment wants a network for.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Model by name.
    pub model: &'a str,
    /// Its configuration.
    pub config: &'a Value,
    /// What else is known of it.
    pub ahead: Ahead<'a>,
    /// Pictures at a time.
    pub batch: usize,
    /// Whether it is trained, by Adam.
    pub trained: bool,
    /// The arguments that say how many pictures at a time, and of which size.
    pub keys: [&'a str; 2],
}

impl Wanted<'_> {
    /// Refuses a network that cannot be had on the device.
    ///
    /// # Errors
    /// When it is none for this size of input, or needs more memory than there is.
    pub fn check(
        &self,
        registry: &Registry,
        device: DeviceRequest,
        memory: MemoryOf,
    ) -> Result<(), EngineError> {
        let Self { model, config, ahead, batch, trained, keys } = *self;
        let forecast = registry
            .forecast_model(model, config.clone(), &ahead)
            .map_err(|issue| PluginError::new(format!("model {model}"), issue.message))?;
        let Some(forecast) = forecast else { return Ok(()) };
        let bytes = |batch| {
            if trained { forecast.training_bytes(batch, 2) } else { forecast.evaluation_bytes(batch) }
        };
        let what = if trained { "a step of training" } else { "a forward pass" };
        let job = Job { what, keys, model, batch, size: ahead.input_size, bytes: &bytes };
        job.obstacle(device, memory).map_or(Ok(()), |obstacle| {
            let help = obstacle.help.unwrap_or_default();
            Err(EngineError::Config(format!(
                "{}: {}\n      = {help}",
                obstacle.suspects[0], obstacle.message
            )))
        })
    }
}

/// Something that is done with a batch.
#[derive(Clone, Copy)]
struct Job<'a> {
    what: &'a str,
    /// What says how many pictures a batch has, and of which size.
    keys: [&'a str; 2],
    model: &'a str,
    batch: usize,
    size: usize,
    bytes: &'a dyn Fn(usize) -> u128,
}

impl Job<'_> {
    /// What is asked for beyond the memory that there is.
    fn obstacle(&self, device: DeviceRequest, memory: MemoryOf) -> Option<Obstacle> {
        let &Self { what, keys: [batch_key, size_key], model, batch, size, bytes } = self;
        let (needed, alone, weights) = (bytes(batch), bytes(1), bytes(0));
        if needed <= LITTLE {
            return None;
        }
        let there = u128::from(memory(device)?);
        if needed <= there {
            return None;
        }
        let machine = match device {
            DeviceRequest::Cuda(_) => device.to_string(),
            DeviceRequest::Auto | DeviceRequest::Cpu => "this machine".to_owned(),
        };
        let message = format!(
            "{what} of {model} on {batch} picture{} of {size}x{size} needs at least {}, and {machine} has {} of memory",
            if batch == 1 { "" } else { "s" },
            gigabytes(needed),
            gigabytes(there),
        );
        let (suspects, help) = if weights > there {
            let help = "its weights alone are more than that: the network has to be smaller";
            (["model", "model.name", size_key], help.to_owned())
        } else if alone > there {
            // What a picture takes goes with its area.
            let share = (there - weights) as f64 / (alone - weights) as f64;
            let most = (size as f64 * share.sqrt()) as u128 + 1;
            let help = format!("{size_key} has to be below {most}, or the network smaller");
            ([size_key, "model.name", "model"], help)
        } else {
            let most = (there - weights) / (alone - weights).max(1) + 1;
            let help = format!("{batch_key} has to be below {most}, or {size_key} or the network smaller");
            ([batch_key, size_key, "model.name"], help)
        };
        Some(Obstacle { help: Some(help), ..Obstacle::new(suspects, message) })
    }
}

fn gigabytes(bytes: u128) -> String {
    let bytes = bytes as f64;
    if bytes < 1e15 { format!("{:.1} GB", bytes / 1e9) } else { format!("{:.0e} GB", bytes / 1e9) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_of_memory_are_readable_at_any_size() {
        assert_eq!(gigabytes(25_300_000_000), "25.3 GB");
        assert_eq!(gigabytes(u128::MAX), "3e29 GB");
    }
}
