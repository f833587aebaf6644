//! `fovea verify RUN`: whether trials are what their records say.

use crate::exit::Exit;
use crate::output::{errln, print};
use crate::reruns::{Changed, Place, Whose};
use crate::words::{duration, plural};
use crate::{Failure, Outcome, terminal, verdicts};
use console::style;
use fovea_api::Registry;
use fovea_audit::TrialRecord;
use fovea_audit::bundle::Manifest;
use fovea_audit::record::id_of;
use fovea_audit::rerun::new_folder;
use fovea_audit::unpack::{Limits, unpack};
use fovea_audit::verify::{Checked, Step, TOLERANCE, VerifyOptions, verify};
use fovea_orchestrator::{Update, WorkerMessages};
use fovea_records::{Finding, RunPlan, RunStore, TrialEvent, TrialId, locate_trial, place, store};
use indicatif::ProgressBar;
use serde_json::json;
use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

/// Arguments of `fovea verify`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A run directory, one of its trials (RUN/ID), or a file made by `fovea bundle`.
    run: PathBuf,
    /// Run only K of the trials again, drawn over all variants; records are checked of all.
    #[arg(long, value_name = "K")]
    sample: Option<usize>,
    /// Which K: another number draws others.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Check this trial, by the beginning of its id; may be given several times.
    #[arg(long, value_name = "ID")]
    trial: Vec<PathBuf>,
    /// How far metrics may be off: a fraction, for fractions (0.01 is a point); counts as a part of what is counted.
    #[arg(long, value_name = "X", default_value_t = TOLERANCE)]
    tolerance: f64,
    /// Check records only: seconds.
    #[arg(long)]
    no_rerun: bool,
    /// Workers at a time; by default as many as the recorded threads leave cores for, and one on a GPU.
    #[arg(long, short, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    #[command(flatten)]
    changed: Changed,
    /// Of a bundle: write the verdicts here, too, a JSON object a line. The bundle stays as it is.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Of a bundle: unpack at most so many GB.
    #[arg(long, value_name = "GB", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    max_unpacked: u64,
    /// Of a bundle, and of a run directory that one was unpacked to: load the libraries that its records name, which runs
    /// their code. Without this, only those of --plugin-path are.
    #[arg(long)]
    trust_libraries: bool,
    /// Print JSON: run, verdicts, unfinished, diverged, not_drawn, left, kept.
    #[arg(long)]
    json: bool,
}

/// What is checked, and what is to be thrown away then.
struct Subject {
    store: RunStore,
    trials: Vec<PathBuf>,
    unpacked: Option<(Manifest, PathBuf)>,
}

impl Drop for Subject {
    fn drop(&mut self) {
        if let Some((_, folder)) = &self.unpacked {
            // It is in the folder for temporary files, so nobody is harmed if it stays.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

pub(crate) fn main(args: &Args, messages: WorkerMessages, paths: &[PathBuf], registry: &Registry) -> Outcome {
    if !args.tolerance.is_finite() || args.tolerance < 0.0 {
        return Err(Failure::new(Exit::Usage, format!("--tolerance {}: it is 0 or more", args.tolerance)));
    }
    if let Some(out) = &args.out {
        place::out_file(out)?;
    }
    let instead = args.changed.instead()?;
    let subject = subject(args)?;
    let plan = subject.store.read_plan()?;
    let trials = trials(&subject, args)?;
    let records = trials.iter().chain(plan.trials.iter().map(|trial| &trial.id));
    let records: Vec<TrialRecord> =
        records.map(|id| TrialRecord::open_damaged(&subject.store, &plan, id).0).collect();
    let place = {
        let whose = Whose::of(&subject.store, subject.unpacked.is_some(), args.trust_libraries);
        Place::new(&records, whose, messages, paths, registry)?
    };
    let options = VerifyOptions {
        trials,
        sample: args.sample,
        seed: args.seed,
        tolerance: args.tolerance,
        rerun: !args.no_rerun,
        jobs: args.jobs.map(usize::from),
        left_out: subject
            .unpacked
            .as_ref()
            .map(|(manifest, _)| manifest.left_out.clone())
            .unwrap_or_default(),
    };
    let mut screen = Screen::new(&plan, args);
    let checked = place.with_bench(instead, |bench| {
        let mut observer = |step: Step<'_>| screen.show(&step);
        Ok(verify(&subject.store, &plan, &options, bench, &mut observer)?)
    });
    screen.bar.finish_and_clear();
    let mut checked = checked?;
    if let Some((_, folder)) = &subject.unpacked {
        checked.kept.retain(|kept| !kept.starts_with(folder));
    }
    if let Some(out) = &args.out {
        store::write_lines(out, &checked.verdicts)?;
    }
    if args.json {
        print(&format!("{:#}\n", json(args, &checked)));
    } else {
        print(&summary(&checked, args));
    }
    if subject.unpacked.is_none() {
        renew_report(&subject.store, args.json);
    }
    if place.stopped() && checked.left > 0 {
        errln!("interrupted: {} were not run again; verdicts so far are kept", plural(checked.left, "trial"));
        return Ok(Exit::Interrupted);
    }
    Ok(exit(&checked, args))
}

/// What is to be checked: a folder, or a bundle, unpacked.
fn subject(args: &Args) -> Result<Subject, Failure> {
    let trials = args.trial.clone();
    if args.run.is_file() {
        let name = format!("fovea-bundle-{}", std::process::id());
        let folder = new_folder(&std::env::temp_dir(), &name)
            .map_err(|e| Failure::new(Exit::Files, format!("cannot make a folder to unpack into: {e}")))?;
        let limits = Limits { bytes: args.max_unpacked << 30, ..Limits::default() };
        let (manifest, root) = unpack(&args.run, &folder, limits).inspect_err(|_| {
            let _ = std::fs::remove_dir_all(&folder);
        })?;
        return Ok(Subject { store: RunStore::new(root), trials, unpacked: Some((manifest, folder)) });
    }
    if args.out.is_some() {
        let message = "--out is for bundles; of a run, verdicts are added to its verdicts.jsonl";
        return Err(Failure::new(Exit::Usage, message));
    }
    if args.run.join("plan.json").is_file() {
        return Ok(Subject { store: RunStore::new(&args.run), trials, unpacked: None });
    }
    if args.run.is_dir() && !args.run.join("trial.toml").is_file() {
        let message = format!(
            "{} is no run directory: it has no plan.json. Name a run, one of its trials as RUN/ID, or a file made by `fovea bundle`.",
            args.run.display()
        );
        return Err(Failure::new(Exit::Files, message));
    }
    let dir = locate_trial(&args.run, None)?;
    let root = dir.parent().and_then(Path::parent).unwrap_or(Path::new(".")).to_owned();
    let name = dir.file_name().map(PathBuf::from);
    Ok(Subject {
        store: RunStore::new(root),
        trials: name.into_iter().chain(trials).collect(),
        unpacked: None,
    })
}

fn trials(subject: &Subject, args: &Args) -> Result<Vec<TrialId>, Failure> {
    let find = |typed: &PathBuf| Ok(id_of(&locate_trial(typed, Some(subject.store.root()))?)?);
    let found: Vec<TrialId> = subject.trials.iter().map(find).collect::<Result<_, Failure>>()?;
    match subject.unpacked.as_ref().filter(|_| args.trial.is_empty()) {
        // A bundle may have some of the plan's trials only.
        Some((manifest, _)) => {
            let folders: BTreeSet<&str> = manifest
                .files
                .keys()
                .filter_map(|path| path.strip_prefix("trials/")?.split('/').next())
                .collect();
            folders.into_iter().map(|name| Ok(id_of(Path::new(name))?)).collect()
        }
        None => Ok(found),
    }
}

/// What is shown while it goes on: verdicts on stdout, what is in progress on a terminal.
struct Screen {
    bar: ProgressBar,
    quiet: bool,
    only_records: bool,
    name: String,
    total: usize,
    ended: usize,
}

impl Screen {
    fn new(plan: &RunPlan, args: &Args) -> Self {
        let bar = match std::io::stderr().is_terminal() {
            true => terminal::bars().add(ProgressBar::new_spinner()),
            false => ProgressBar::hidden(),
        };
        Self {
            bar,
            quiet: args.json,
            only_records: args.no_rerun,
            name: plan.name.clone(),
            total: 0,
            ended: 0,
        }
    }

    fn say(&self, text: &str) {
        if !self.quiet {
            self.bar.suspend(|| print(text));
        }
    }

    fn show(&mut self, step: &Step<'_>) {
        match step {
            Step::Records { sound, flawed } => {
                let records = plural(sound + flawed, "record");
                let found = match flawed {
                    0 => "sound".to_owned(),
                    flawed => format!("{flawed} of them not what was written"),
                };
                self.say(&format!("{}: {records} checked, {found}\n", self.name));
            }
            Step::Reruns { trials, seconds, jobs } => {
                (self.total, self.ended) = (*trials, 0);
                let together = if *jobs > 1 { format!(", {jobs} at a time") } else { String::new() };
                let took = if *trials == 1 { "it took" } else { "together they took" };
                self.say(&format!(
                    "{}: {} to run again{together}; {took} {} when recorded, so this takes about {}\n",
                    self.name,
                    plural(*trials, "trial"),
                    duration(*seconds),
                    duration(seconds / *jobs as f64)
                ));
            }
            Step::Update(Update::Event { task, event: TrialEvent::Epoch(epoch) }) => {
                let (ended, total) = (self.ended, self.total);
                let (done, epochs) = (epoch.epoch, epoch.epochs);
                self.bar.set_message(format!(
                    "{ended} of {total} run again; {}: epoch {done}/{epochs}",
                    task.text
                ));
                self.bar.tick();
            }
            Step::Update(Update::TaskEnded { .. }) => self.ended += 1,
            Step::Update(Update::TaskCrashed { task, message, .. }) => {
                terminal::line(&format!("crashed: {}: {message}", task.text));
            }
            Step::Update(Update::Warning { message }) => terminal::line(&format!("warning: {message}")),
            Step::Update(_) => {}
            Step::Verdict(record, verdict) if self.only_records && verdict.finding == Finding::NotRun => {
                self.say(&verdicts::line(record, &style("sound").green()));
            }
            Step::Verdict(record, verdict) => self.say(&verdicts::text(record, verdict)),
        }
    }
}

/// Has the report show the verdicts, where there is one.
fn renew_report(store: &RunStore, quiet: bool) {
    if !store.report_dir().join("index.html").is_file() || fovea_reports::current(store).is_some() {
        return;
    }
    match fovea_reports::build(store) {
        Ok(_) if quiet => {}
        Ok(report) => print(&format!("report: {}\n", report.index.display())),
        // Records that were changed may not be fit for one; the verdicts are told all the same.
        Err(error) => errln!("the report does not have the verdicts, as it cannot be written: {error}"),
    }
}

fn summary(checked: &Checked, args: &Args) -> String {
    let mut parts = Vec::new();
    for finding in
        [Finding::BitExact, Finding::WithinTolerance, Finding::Diverged, Finding::Tampered, Finding::NotRun]
    {
        match checked.count(finding) {
            0 => {}
            count if finding == Finding::NotRun && args.no_rerun => parts.push(format!("{count} sound")),
            count => parts.push(format!("{count} {}", finding.words())),
        }
    }
    let mut more = |count: usize, text: &str| {
        if count > 0 {
            parts.push(format!("{count} {text}"));
        }
    };
    more(checked.not_drawn, "sound and not drawn");
    more(checked.diverged, "whose loss became non-finite, which leaves nothing to compare");
    more(checked.left, "left");
    for (standing, count) in &checked.unfinished {
        more(*count, standing);
    }
    let mut text = format!("{}\n", if parts.is_empty() { "no trials".to_owned() } else { parts.join(", ") });
    for kept in &checked.kept {
        text += &format!("what differs is kept in {}; delete it once you have seen it\n", kept.display());
    }
    text
}

fn json(args: &Args, checked: &Checked) -> serde_json::Value {
    json!({
        "run": args.run,
        "verdicts": checked.verdicts,
        "unfinished": checked.unfinished,
        "diverged": checked.diverged,
        "not_drawn": checked.not_drawn,
        "left": checked.left,
        "kept": checked.kept,
    })
}

fn exit(checked: &Checked, args: &Args) -> Exit {
    if checked.count(Finding::Tampered) + checked.count(Finding::Diverged) > 0 {
        Exit::NotReproduced
    } else if checked.count(Finding::NotRun) > 0 && !args.no_rerun {
        Exit::Files
    } else {
        Exit::Success
    }
}
