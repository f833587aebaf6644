//! `fovea status RUN`: how far a run is, from its files.

use crate::exit::Exit;
use crate::line::{clock, cut, epoch};
use crate::{Failure, Outcome, output, report};
use console::Term;
use fovea_records::overview::{Overview, TrialState};
use fovea_records::{Phase, TaskProgress, now};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

/// Arguments of `fovea status`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The run directory (`runs/quickstart`).
    run: PathBuf,
    /// Show it again every second, until the run ends.
    #[arg(short, long)]
    watch: bool,
}

/// Columns of a line beside the variant.
const FIXED: usize = 59;
/// A variant is not cut below this.
const SHORTEST: usize = 12;

pub(crate) fn main(args: &Args) -> Outcome {
    let store = report::open(&args.run)?;
    let terminal = Term::stdout();
    loop {
        let overview = Overview::read(&store).map_err(|e| Failure::new(Exit::Files, e))?;
        let over = overview.holder.is_none();
        // On a terminal, what fits; the whole in the end, and wherever else it goes.
        let room = (args.watch && !over && terminal.is_term()).then(|| terminal.size());
        if args.watch && terminal.is_term() {
            terminal.clear_screen().unwrap_or_else(output::note);
        }
        let width = terminal.is_term().then(|| usize::from(terminal.size().1));
        output::print(&text(&overview, width, room.map(|(rows, _)| usize::from(rows))));
        if !args.watch || over || output::is_lost() {
            return Ok(Exit::Success);
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

fn text(overview: &Overview, width: Option<usize>, rows: Option<usize>) -> String {
    let variants = overview.trials.iter().map(|(trial, _)| trial.variant.chars().count());
    let widest = variants.max().unwrap_or(0).max(SHORTEST);
    let room = width.map_or(widest, |width| width.saturating_sub(FIXED).max(SHORTEST).min(widest));
    let mut text = format!("{}\n", head(overview));
    let _ = writeln!(
        text,
        "{:<8}  {:<room$}  {:>4}  {:<11}  {:>7}  {:>6}  {:>8}  heard",
        "trial", "variant", "seed", "state", "epoch", "img/s", "loss"
    );
    let mut lines: Vec<(bool, String)> = Vec::new();
    for (id, users, progress) in &overview.stages {
        let name = cut(&format!("warm-up, {users} trials"), room);
        lines.push((
            true,
            format!("{:<8}  {name:<room$}  {:>4}  {}", short(id.as_str()), "", running(progress)),
        ));
    }
    for (trial, state) in &overview.trials {
        let name = cut(&trial.variant, room);
        let what = match state {
            TrialState::Running(progress) => running(progress),
            TrialState::Waiting => "waiting".to_owned(),
            TrialState::Interrupted => "interrupted".to_owned(),
            TrialState::Done => "done".to_owned(),
            TrialState::Diverged(_) => "DIVERGED".to_owned(),
            TrialState::Pruned(_) => "pruned".to_owned(),
            TrialState::Failed(_) => "FAILED".to_owned(),
        };
        let line = format!("{:<8}  {name:<room$}  {:>4}  {what}", short(trial.id.as_str()), trial.seed);
        lines.push((matches!(state, TrialState::Running(_)), line));
    }
    // The heading, the columns, a line that says what is missing, and the one of the cursor.
    let fit = rows.map_or(lines.len(), |rows| rows.saturating_sub(4));
    let hidden = lines.len().saturating_sub(fit);
    if hidden > 0 {
        lines.sort_by_key(|(is_running, _)| !is_running);
        lines.truncate(fit);
    }
    for (_, line) in &lines {
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for problem in &overview.problems {
        let _ = writeln!(text, "{problem}");
    }
    if hidden > 0 {
        let _ = writeln!(text, "and {hidden} more");
    }
    text
}

/// `small: 3/8 done, 1 failed, 2 running; fovea run (pid 123) since 3m07s`.
fn head(overview: &Overview) -> String {
    let done = overview.count(|s| matches!(s, TrialState::Done));
    let mut text = format!("{}: {done}/{} done", overview.plan.name, overview.trials.len());
    let counts = [
        ("failed", overview.count(|s| matches!(s, TrialState::Failed(_)))),
        ("diverged", overview.count(|s| matches!(s, TrialState::Diverged(_)))),
        ("pruned", overview.count(|s| matches!(s, TrialState::Pruned(_)))),
        ("running", overview.count(|s| matches!(s, TrialState::Running(_)))),
        ("waiting", overview.count(|s| matches!(s, TrialState::Waiting))),
        ("interrupted", overview.count(|s| matches!(s, TrialState::Interrupted))),
    ];
    for (what, count) in counts.iter().filter(|(_, count)| *count > 0) {
        let _ = write!(text, ", {count} {what}");
    }
    match (&overview.holder, overview.since) {
        (Some(holder), Some(since)) => {
            let _ = write!(text, "; fovea run ({holder}) since {}", clock(now() - since));
        }
        (Some(holder), None) => {
            let _ = write!(text, "; fovea run ({holder}) begins");
        }
        (None, _) => text += "; no fovea run at work",
    }
    text
}

fn running(progress: &TaskProgress) -> String {
    let state = match &progress.phase {
        Phase::Starting => "starting".to_owned(),
        Phase::Localizing => percent("boxes", progress),
        Phase::Training => percent("train", progress),
        Phase::Evaluating { .. } => percent("eval", progress),
    };
    let epoch = if progress.epochs > 0 { epoch(progress) } else { String::new() };
    let rate = progress.images_per_second.map_or_else(String::new, |rate| format!("{rate:.0}"));
    let loss = progress.loss.map_or_else(String::new, |loss| format!("{loss:.4}"));
    let heard = clock(now() - progress.time);
    format!("{state:<11}  {epoch:>7}  {rate:>6}  {loss:>8}  {heard} ago")
}

fn percent(what: &str, progress: &TaskProgress) -> String {
    format!("{what} {:.0} %", progress.fraction() * 100.0)
}

/// So much of an id as is typed.
fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}
