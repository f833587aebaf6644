//! `fovea diff A B`: what two trials or two runs have not in common.

use crate::exit::Exit;
use crate::output::print;
use crate::verdicts::paragraph;
use crate::words::{plural, table};
use crate::{Failure, Outcome};
use fovea_audit::TrialRecord;
use fovea_audit::diff::{TrialDiff, diff_trials};
use fovea_audit::diff_runs::{RunDiff, diff_runs};
use fovea_records::metrics::definition;
use fovea_records::{RunStore, Unit, locate_trial};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Rows of a list that are shown.
const LISTED: usize = 12;

/// Arguments of `fovea diff`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A run directory, or a trial: RUN/ID, where the beginning of the id is enough, or its folder.
    a: PathBuf,
    /// Another of the same kind.
    b: PathBuf,
    /// Show every metric, of every subset and noise level, and every condition and file; by default what stands for all.
    #[arg(long)]
    all: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn main(args: &Args) -> Outcome {
    let is_run = |path: &Path| path.join("plan.json").is_file();
    let text = match (is_run(&args.a), is_run(&args.b)) {
        (true, true) => {
            let diff = diff_runs(&RunStore::new(&args.a), &RunStore::new(&args.b))?;
            if args.json { json(&diff)? } else { runs(&diff, args) }
        }
        (false, false) => {
            let open = |path: &Path| Ok::<_, Failure>(TrialRecord::in_folder(&locate_trial(path, None)?)?);
            let diff = diff_trials(&open(&args.a)?, &open(&args.b)?)?;
            if args.json { json(&diff)? } else { trials(&diff, args.all) }
        }
        (a, _) => {
            let (run, other) = if a { (&args.a, &args.b) } else { (&args.b, &args.a) };
            let message = format!(
                "{} is a run and {} is none: name two runs, or two trials (RUN/ID)",
                run.display(),
                other.display()
            );
            return Err(Failure::new(Exit::Usage, message));
        }
    };
    print(&text);
    Ok(Exit::Success)
}

fn json(diff: &impl serde::Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(diff).map_err(|e| Failure::new(Exit::Files, e))?;
    Ok(text + "\n")
}

fn trials(diff: &TrialDiff, all: bool) -> String {
    let mut text = String::new();
    for (name, side) in [("A", &diff.a), ("B", &diff.b)] {
        let state = if side.done { "" } else { "  (not done)" };
        let _ = writeln!(text, "{name}  {}  {}{state}", side.dir.display(), side.label);
    }
    let config: Vec<String> = diff.config.iter().map(ToString::to_string).collect();
    text += &list("configuration (A -> B)", &config, "the same");
    let circumstances: Vec<String> =
        diff.circumstances.iter().map(|c| format!("{} {} -> {}", c.what, c.recorded, c.now)).collect();
    let none = if diff.circumstances_known { "the same" } else { "the same, as far as it is recorded" };
    text += &list("program, machine, device, data (A -> B)", &circumstances, none);
    text += "\nmetrics:\n";
    let shown = diff.metrics.iter().filter(|pair| all || pair.whole);
    let rows: Vec<Vec<String>> = shown
        .map(|pair| {
            let value =
                |value: Option<f64>| value.map_or("-".to_owned(), |value| number(&pair.metric, value));
            let off = match pair.difference() {
                _ if pair.is_equal() => "=".to_owned(),
                Some(difference) => signed(&pair.metric, difference),
                None => "-".to_owned(),
            };
            vec![pair.measurement.clone(), value(pair.a), value(pair.b), off]
        })
        .collect();
    text += &table(&["", ">A", ">B", ">B - A"], &rows);
    text += "\ntraining:\n";
    text += &paragraph(&match (&diff.departure, diff.traced) {
        (None, true) => "the same at every step".to_owned(),
        (None, false) => "not known: one of the two has no trace".to_owned(),
        (Some(departure), _) => {
            let step = departure.step.unwrap_or_default();
            let tensor = departure.tensor.as_ref();
            let tensor = tensor.map(|(step, name)| format!("; first tensor {name}, after step {step}"));
            format!(
                "first difference at step {step}, {}: {} and {}{}",
                departure.what,
                departure.recorded,
                departure.rerun,
                tensor.unwrap_or_default()
            )
        }
    });
    text += "\npredictions:\n";
    let shown = diff.agreement.iter().filter(|agreement| all || !agreement.what.contains(','));
    let rows: Vec<Vec<String>> = shown
        .map(|agreement| {
            let numbers =
                [agreement.pictures, agreement.differ, agreement.only_a_right, agreement.only_b_right];
            std::iter::once(agreement.what.clone()).chain(numbers.map(|n| n.to_string())).collect()
        })
        .collect();
    text += &table(&["", ">pictures", ">differ", ">only A right", ">only B right"], &rows);
    let unequal = diff.artefacts.iter().filter(|pair| !pair.equal);
    let unequal: Vec<String> = unequal
        .map(|pair| format!("{}{}", pair.path, if pair.in_both { "" } else { " (in one only)" }))
        .collect();
    let (count, shown) = (unequal.len(), if all { unequal.len() } else { unequal.len().min(4) });
    text += "\nartefacts:\n";
    let others = if count > shown { format!(" and {} more", count - shown) } else { String::new() };
    text += &paragraph(&match count {
        0 => format!("all {} are equal", diff.artefacts.len()),
        _ => format!("{count} of {} differ: {}{others}", diff.artefacts.len(), unequal[..shown].join(", ")),
    });
    text
}

fn runs(diff: &RunDiff, args: &Args) -> String {
    let mut text = String::new();
    for (name, (path, experiment)) in [("A", (&args.a, &diff.names[0])), ("B", (&args.b, &diff.names[1]))] {
        let _ = writeln!(text, "{name}  {}  {experiment}", path.display());
    }
    let ids = diff.both.iter().filter(|pair| pair.same_id).count();
    let equal = diff.both.iter().filter(|pair| pair.equal == Some(true)).count();
    let done = diff.both.iter().filter(|pair| pair.equal.is_some()).count();
    text += "\ntrials:\n";
    text += &paragraph(&format!(
        "{} in both ({ids} by id, {} by variant and seed), {} in A only, {} in B only",
        diff.both.len(),
        diff.both.len() - ids,
        diff.only_a.len(),
        diff.only_b.len()
    ));
    text += &paragraph(&format!("{done} are done in both, {equal} of them with equal results, bit for bit"));
    let labels =
        |of: &[fovea_audit::diff_runs::Named]| of.iter().map(|t| t.label.clone()).collect::<Vec<_>>();
    for (name, of) in [("A", &diff.only_a), ("B", &diff.only_b)] {
        if !of.is_empty() {
            text += &list(&format!("in {name} only"), &labels(of), "");
        }
    }
    let unequal = diff.both.iter().filter(|pair| pair.same_id && pair.equal == Some(false));
    let unequal: Vec<String> = unequal.map(|pair| format!("{}  {}", pair.a.id, pair.a.label)).collect();
    if !unequal.is_empty() {
        text += &list("the same trial with other results (`fovea diff A/ID B/ID` says more)", &unequal, "");
    }
    let config: Vec<String> = diff.config.iter().map(ToString::to_string).collect();
    text += &list("configuration of all trials in both (A -> B)", &config, "nothing that all have in common");
    let own = diff.both.iter().filter(|pair| !pair.config.is_empty());
    let own: Vec<String> = own
        .map(|pair| {
            let changes: Vec<String> = pair.config.iter().map(ToString::to_string).collect();
            format!("{}: {}", pair.a.label, changes.join("; "))
        })
        .collect();
    if !own.is_empty() {
        text += &list("configuration of single trials (A -> B)", &own, "");
    }
    let circumstances = diff.circumstances.iter().map(|(change, count)| {
        let all = if *count == done { String::new() } else { format!("  ({})", plural(*count, "trial")) };
        format!("{} {} -> {}{all}", change.what, change.recorded, change.now)
    });
    let circumstances: Vec<String> = circumstances.collect();
    text += &list(
        "program, machine, device, data (A -> B)",
        &circumstances,
        "the same, as far as it is recorded",
    );
    text += "\nmeans over the seeds that both have; differences paired by seed:\n";
    let headline = ["accuracy", "worst-group-accuracy", "rfs", "box-iou"];
    let shown = diff.means.iter().filter(|mean| args.all || headline.contains(&mean.metric.as_str()));
    let mut variants: Vec<(&str, usize, Vec<Vec<String>>)> = Vec::new();
    for mean in shown {
        if variants.last().is_none_or(|(variant, ..)| *variant != mean.variant) {
            variants.push((&mean.variant, mean.seeds, Vec::new()));
        }
        let difference = match mean.sd {
            _ if mean.difference == 0.0 && mean.sd.is_none_or(|sd| sd == 0.0) => "=".to_owned(),
            Some(sd) => format!("{} ± {}", signed(&mean.metric, mean.difference), size(&mean.metric, sd)),
            None => signed(&mean.metric, mean.difference),
        };
        let [a, b] = [mean.a, mean.b].map(|value| number(&mean.metric, value));
        if let Some((.., rows)) = variants.last_mut() {
            rows.push(vec![mean.measurement.clone(), a, b, difference]);
        }
    }
    for (variant, seeds, rows) in variants {
        let heading = format!("{variant} ({})", plural(seeds, "seed"));
        text += &table(&[&heading, ">A", ">B", ">B - A"], &rows);
    }
    text
}

/// A heading with a line each, the first few.
fn list(heading: &str, lines: &[String], none: &str) -> String {
    let mut text = format!("\n{heading}:\n");
    if lines.is_empty() {
        text += &paragraph(none);
    }
    for line in lines.iter().take(LISTED) {
        text += &paragraph(line);
    }
    if lines.len() > LISTED {
        text += &paragraph(&format!("and {} more (--json has all)", lines.len() - LISTED));
    }
    text
}

/// A value as tables show it: fractions in per cent.
fn number(metric: &str, value: f64) -> String {
    match definition(metric).map(|metric| metric.unit) {
        Some(Unit::Fraction) => format!("{:.2} %", 100.0 * value),
        Some(Unit::Count) => format!("{value}"),
        _ => format!("{value:.4}"),
    }
}

/// A difference with its sign; fractions in points.
fn signed(metric: &str, difference: f64) -> String {
    let sign = if difference < 0.0 { '-' } else { '+' };
    format!("{sign}{}", size(metric, difference.abs()))
}

/// The size of a difference; fractions in points.
fn size(metric: &str, difference: f64) -> String {
    match definition(metric).map(|metric| metric.unit) {
        Some(Unit::Fraction) => format!("{:.2}", 100.0 * difference),
        Some(Unit::Count) => format!("{difference}"),
        _ => format!("{difference:.4}"),
    }
}
