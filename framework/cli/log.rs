//! What the program says of its inner life, with `-v` or `FOVEA_LOG`. The main function is [`init`].

use crate::exit::Exit;
use crate::{Failure, terminal};
use fovea_orchestrator::WorkerMessages;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The variable that chooses messages, and that workers inherit.
const VARIABLE: &str = "FOVEA_LOG";

/// Shows the chosen messages of this process on stderr, and gives back what its workers have to know.
pub(crate) fn init(verbose: u8) -> Result<WorkerMessages, Failure> {
    let asked = std::env::var(VARIABLE).ok().filter(|filter| !filter.trim().is_empty());
    let filter = asked.or_else(|| match verbose {
        0 => None,
        1 => Some("fovea=info".to_owned()),
        _ => Some("fovea=debug".to_owned()),
    });
    if let Some(filter) = &filter {
        let targets: Targets = filter.parse().map_err(|e| {
            let advice = "write TARGET=LEVEL, as in fovea_engine=debug, with commas between several";
            Failure::new(Exit::Usage, format!("{VARIABLE}={filter}: {e}; {advice}"))
        })?;
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(|| terminal::Lines);
        tracing_subscriber::registry().with(targets).with(lines).init();
    }
    Ok(WorkerMessages { filter, echo: (verbose > 0).then_some(echo) })
}

fn echo(slot: usize, line: &str) {
    terminal::line(&format!("worker {slot} | {line}"));
}
