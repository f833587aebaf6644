//! Options that benchmarks have in common. The main types are [`Timing`] and [`Where`].

use crate::Failure;
use clap::builder::RangedU64ValueParser;
use fovea_engine::bench;
use fovea_plan::DeviceRequest;

/// A number from 1.
pub(super) fn positive() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// How often something is timed, and how it is told.
#[derive(clap::Args)]
pub(super) struct Timing {
    /// How often each thing is timed [default: by benchmark].
    #[arg(long, alias = "steps", value_name = "N", value_parser = positive())]
    repeats: Option<usize>,
    /// CPU threads [default: RAYON_NUM_THREADS, else all].
    #[arg(long, value_name = "N", value_parser = positive())]
    pub(super) threads: Option<usize>,
    /// Print JSON, one object a line for each thing measured, with every single time.
    #[arg(long)]
    pub(super) json: bool,
}

impl Timing {
    /// The repeats that were asked for, or what suits the benchmark.
    pub(super) fn repeats(&self, default: usize) -> usize {
        self.repeats.unwrap_or(default)
    }

    /// Has this process compute with the threads that were asked for.
    pub(super) fn use_threads(&self) -> Result<(), Failure> {
        Ok(self.threads.map_or(Ok(()), bench::use_threads)?)
    }
}

/// Where something is computed.
#[derive(clap::Args)]
pub(super) struct Where {
    /// Device: auto, cpu, cuda:N.
    #[arg(long, default_value = "auto")]
    pub(super) device: DeviceRequest,
}
