//! `fovea gc`: what of runs can be deleted.

use crate::exit::Exit;
use crate::output::{errln, print};
use crate::words::{bytes, plural, table};
use crate::{Failure, Outcome};
use fovea_orchestrator::gc::{Kind, Leftover, leftovers, remove, stale_cache};
use fovea_orchestrator::survey::run_dirs;
use fovea_records::{RunStore, StoreError, place};
use serde_json::json;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Arguments of `fovea gc`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A folder of runs, or one run. The cache is that of the folder.
    #[arg(default_value = "runs")]
    dir: PathBuf,
    /// Delete it; without this, only show it.
    #[arg(long)]
    yes: bool,
    /// Trials that are not in a run's last plan, too. They are results: a changed experiment may be changed back.
    #[arg(long)]
    trials: bool,
    /// Cached boxes and decoded pictures that were neither written nor read for this many days.
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    cache_days: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(args: &Args) -> Outcome {
    let failed = |e: StoreError| Failure::new(Exit::Files, e);
    let single = args.dir.join("plan.json").is_file();
    let runs = if single { vec![args.dir.clone()] } else { run_dirs(&args.dir) };
    let cache = args.dir.join(".cache");
    if runs.is_empty() && !cache.is_dir() {
        return Err(Failure::new(Exit::Files, format!("{} holds no run", args.dir.display())));
    }
    let (mut found, mut skipped) = (Vec::new(), Vec::new());
    for dir in runs {
        let store = RunStore::new(&dir);
        // Held until its leftovers are deleted, so that no run begins to need them meanwhile.
        if !place::holds_run(&dir) {
            skipped.push(format!("{}: its plan.json is none of Fovea's", dir.display()));
            continue;
        }
        let lock = match (args.yes, store.holder()) {
            (_, Some(holder)) => {
                skipped.push(format!("{}: it is running ({holder})", dir.display()));
                continue;
            }
            (true, None) => Some(store.lock().map_err(failed)?),
            (false, None) => None,
        };
        match leftovers(&store, args.trials) {
            Ok(of_run) => {
                if lock.is_some() {
                    remove(&of_run).map_err(failed)?;
                }
                found.extend(of_run);
            }
            Err(error) => skipped.push(error.to_string()),
        }
    }
    if !single {
        let stale = stale_cache(
            &cache,
            Duration::from_secs(args.cache_days.saturating_mul(86400)),
            SystemTime::now(),
        );
        if args.yes {
            remove(&stale).map_err(failed)?;
        }
        found.extend(stale);
    }
    if args.json {
        let total: u64 = found.iter().map(|leftover| leftover.bytes).sum();
        print(&format!(
            "{:#}\n",
            json!({ "found": found, "bytes": total, "deleted": args.yes, "skipped": skipped })
        ));
    } else {
        print(&text(&found, args.yes));
        for skipped in skipped {
            errln!("left alone: {skipped}");
        }
    }
    Ok(Exit::Success)
}

fn text(found: &[Leftover], deleted: bool) -> String {
    if found.is_empty() {
        return "nothing to delete\n".to_owned();
    }
    let mut text = String::new();
    for kind in
        [Kind::Stage, Kind::Trial, Kind::Checkpoint, Kind::Damaged, Kind::Rerun, Kind::Cache, Kind::Temporary]
    {
        let of_kind: Vec<&Leftover> = found.iter().filter(|leftover| leftover.kind == kind).collect();
        if of_kind.is_empty() {
            continue;
        }
        let row = |leftover: &&Leftover| vec![bytes(leftover.bytes), leftover.path.display().to_string()];
        let rows: Vec<Vec<String>> = of_kind.iter().map(row).collect();
        text += &format!("{}:\n{}\n", kind.text(), table(&[">size", "path"], &rows));
    }
    let total = bytes(found.iter().map(|leftover| leftover.bytes).sum());
    let count = plural(found.len(), "item");
    text += &match deleted {
        true => format!("deleted {count}, {total}\n"),
        false => format!("{count}, {total}; nothing was deleted, --yes does it\n"),
    };
    text
}
