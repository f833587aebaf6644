//! The plugin that is asked. The main type is [`Subject`].

use super::ask::{Manner, ask};
use super::input::Input;
use super::random::Random;
use crate::call::Instance;
use crate::config;
use crate::library::LoadedPlugin;
use serde_json::Value;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A plugin and what the suite is asked to do with it.
pub(super) struct Subject {
    pub(super) plugin: Arc<LoadedPlugin>,
    /// As the user wrote it.
    pub(super) config: Value,
    pub(super) base_dir: PathBuf,
    pub(super) seed: u64,
    /// How long a property may take.
    pub(super) time: Duration,
    /// Answers that another process must give, too.
    pub(super) trace: Mutex<Vec<String>>,
}

impl Subject {
    /// The configuration with all defaults.
    pub(super) fn resolved(&self) -> Result<Value, String> {
        config::resolve(&self.plugin, &self.config, &self.base_dir).map_err(|issues| {
            let issues: Vec<String> = issues.iter().map(ToString::to_string).collect();
            format!("the configuration {} is refused: {}", self.config, issues.join("; "))
        })
    }

    pub(super) fn instance(&self) -> Result<Instance, String> {
        self.made(&self.resolved()?)
    }

    /// An instance with this configuration.
    pub(super) fn made(&self, config: &Value) -> Result<Instance, String> {
        Instance::create(&self.plugin, config, &self.base_dir).map_err(|error| error.message)
    }

    pub(super) fn ask(
        &self,
        instance: &Instance,
        input: &Input,
        manner: Manner,
    ) -> Result<Vec<Vec<f32>>, String> {
        ask(instance, self.plugin.functions, input, manner)
    }

    /// Random numbers for `purpose`.
    pub(super) fn random(&self, purpose: &str) -> Random {
        Random::new(self.seed, purpose)
    }
}
