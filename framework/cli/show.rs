//! `fovea show TRIAL`: all there is to know of one trial; with `-v` everything that it rests on, too.

use crate::exit::Exit;
use crate::output::print;
use crate::words::{bytes, date, duration, percent, plural, table};
use crate::{Failure, Outcome, provenance};
use fovea_orchestrator::dossier::{self, Dossier};
use fovea_records::locate_trial;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Digits of a hash that are shown.
const HASH: usize = 16;

/// Arguments of `fovea show`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The trial: RUN/ID (runs/quickstart/3f2a), where the beginning of the id is enough, or its folder.
    trial: PathBuf,
    /// Leave out values that are defaults.
    #[arg(long)]
    brief: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(args: &Args, verbose: bool) -> Outcome {
    let dir = locate_trial(&args.trial, None)?;
    let dossier = dossier::open(&dir).map_err(|e| Failure::new(Exit::Files, e))?;
    if args.json {
        print(&format!("{:#}\n", serde_json::json!(dossier)));
    } else {
        print(&text(&dossier, args.brief, verbose));
    }
    Ok(Exit::Success)
}

fn text(dossier: &Dossier, brief: bool, verbose: bool) -> String {
    let Dossier { dir, variant, standing, past, done, accuracy, values, artefacts, .. } = dossier;
    let mut text = format!("trial {}\n", dir.display());
    let mut line = |key: &str, value: String| {
        let _ = writeln!(text, "  {key:<10}  {value}");
    };
    line(
        "variant",
        format!("{}, seed {}", variant.as_deref().unwrap_or("(of an earlier plan)"), dossier.seed),
    );
    let reason = standing.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    line("status", format!("{}{reason}", standing.status));
    if let Some(time) = past.first_started {
        line("begun", date(time));
    }
    if let Some(end) = &past.ended {
        line("ended", format!("{} (the last attempt took {})", date(end.time), duration(end.seconds)));
    }
    line("attempts", past.attempts.to_string());
    if let Some(done) = done {
        let (train, eval) = (duration(done.train_seconds), duration(done.eval_seconds));
        line("spent", format!("{train} training, {eval} evaluating"));
        if let Some(peak) = done.peak_memory {
            line("memory", format!("{} at most", bytes(peak)));
        }
        line("device", format!("{}, fovea {}", done.device, done.version));
    }
    for (split, value) in accuracy {
        line("accuracy", format!("{} on {split}", percent(*value)));
    }
    text += "\nconfiguration:\n";
    let origin = |value: &dossier::ConfigValue| match (&value.origin, dossier.origins_known) {
        (Some(origin), _) => origin.clone(),
        (None, true) => "default".to_owned(),
        (None, false) => "-".to_owned(),
    };
    let shown = values.iter().filter(|value| !brief || value.origin.is_some() || !dossier.origins_known);
    let rows: Vec<Vec<String>> =
        shown.map(|value| vec![value.key.clone(), written(&value.value), origin(value)]).collect();
    text += &table(&["key", "value", "from"], &rows);
    if !dossier.origins_known {
        text += "  (the plan that says where values came from is gone)\n";
    }
    text += &provenance::text(&dossier.provenance, verbose);
    if !artefacts.is_empty() {
        let _ = writeln!(text, "\n{}:", plural(artefacts.len(), "artefact"));
        let rows = artefacts.iter().map(|artefact| {
            let size = artefact.bytes.map_or_else(|| "gone".to_owned(), bytes);
            vec![artefact.path.clone(), size, artefact.blake3.chars().take(HASH).collect()]
        });
        text += &table(&["file", ">size", "blake3"], &rows.collect::<Vec<_>>());
    }
    text
}

/// A value as a file would have it; null: TOML has none, the key would be absent.
fn written(value: &serde_json::Value) -> String {
    if value.is_null() { "-".to_owned() } else { value.to_string() }
}
