//! `fovea logs TRIAL`: what happened to a trial.

use crate::exit::Exit;
use crate::line::{date, event};
use crate::{Failure, Outcome, output};
use fovea_records::attempts::{self, AttemptLog};
use fovea_records::{LoggedEvent, RunStore, StoreError, lines};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Arguments of `fovea logs`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The trial: RUN/ID (the beginning of the id is enough: `runs/quickstart/3f2a`), or its folder.
    trial: PathBuf,
    /// The run directory; TRIAL is then the id alone.
    #[arg(long)]
    run: Option<PathBuf>,
    /// Go on with what comes, until the trial or the run ends.
    #[arg(short, long)]
    follow: bool,
    /// Only this attempt, from 1. [default: all, and the warm-up that the trial shares]
    #[arg(long, value_name = "N")]
    attempt: Option<usize>,
}

/// Time between two looks at the files.
const PERIOD: Duration = Duration::from_millis(300);

/// Why showing stopped.
#[derive(Debug)]
enum Stop {
    Store(StoreError),
    Output(io::Error),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

pub(crate) fn main(args: &Args) -> Outcome {
    let dir = fovea_records::locate_trial(&args.trial, args.run.as_deref())?;
    match show(&dir, args, &mut io::stdout().lock()) {
        Ok(()) => Ok(Exit::Success),
        Err(Stop::Output(error)) => {
            output::note(error);
            Ok(Exit::Success)
        }
        Err(Stop::Store(error)) => Err(Failure::new(Exit::Files, error)),
    }
}

fn show(dir: &Path, args: &Args, out: &mut impl Write) -> Result<(), Stop> {
    let known = attempts::list(dir);
    if let Some(wanted) = args.attempt
        && known.iter().all(|log| log.attempt != wanted)
    {
        writeln!(out, "there is no attempt {wanted}; there are {}", known.len())?;
        return Ok(());
    }
    let run = dir.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    let store = RunStore::new(run);
    if args.attempt.is_none()
        && let Some(stage) = stage_of(&store, dir)?
    {
        writeln!(out, "warm-up, shared with other trials: {}", stage.display())?;
        Follower::new(&stage).step(out)?;
        writeln!(out, "trial: {}", dir.display())?;
    }
    let mut follower = Follower::new(dir);
    follower.only = args.attempt;
    loop {
        // Asked before the files are read, so that the last words are not missed.
        let is_over = !args.follow || dir.join("DONE.json").exists() || store.holder().is_none();
        follower.step(out)?;
        out.flush()?;
        if is_over {
            break;
        }
        std::thread::sleep(PERIOD);
    }
    if follower.attempts == 0 && follower.events == 0 {
        writeln!(out, "nothing happened yet")?;
    }
    Ok(())
}

/// The folder of the stage from which a trial forks.
fn stage_of(store: &RunStore, dir: &Path) -> Result<Option<PathBuf>, StoreError> {
    let id = dir.file_name().unwrap_or_default().to_string_lossy();
    let plan = store.read_plan()?;
    let trial = plan.trials.into_iter().find(|trial| trial.id.as_str() == id);
    Ok(trial.and_then(|trial| trial.stage).map(|stage| store.stage_dir(&stage)))
}

/// Shows what is new in the folder of a trial or stage: attempt by attempt, first the events, then the stderr.
struct Follower {
    dir: PathBuf,
    only: Option<usize>,
    /// Events shown or passed over.
    events: usize,
    /// Lines that cannot be read, shown or passed over.
    told: usize,
    /// Attempts whose heading was shown.
    attempts: usize,
    /// Bytes shown of the newest attempt's stderr.
    shown: u64,
}

impl Follower {
    fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), only: None, events: 0, told: 0, attempts: 0, shown: 0 }
    }

    fn step(&mut self, out: &mut impl Write) -> Result<(), Stop> {
        let logs = attempts::list(&self.dir);
        let lines = lines::tolerantly::<LoggedEvent>(&self.dir.join("events.jsonl"), "event")?;
        for problem in lines.problems().iter().skip(self.told) {
            writeln!(out, "{problem}")?;
        }
        self.told = lines.skipped.len();
        let events = lines.values;
        let new = events.get(self.events..).unwrap_or_default();
        self.events = events.len();
        // Runs of before there were attempts.
        for logged in new.iter().filter(|logged| logged.attempt.is_none() && self.only.is_none()) {
            show_event(logged, out)?;
        }
        let newest = self.attempts;
        for log in logs.iter().filter(|log| log.attempt >= newest) {
            let is_shown = self.only.is_none_or(|only| only == log.attempt);
            if log.attempt > self.attempts {
                (self.attempts, self.shown) = (log.attempt, 0);
                if is_shown && logs.len() > 1 {
                    writeln!(out, "attempt {}", log.attempt)?;
                }
            }
            if is_shown {
                for logged in new.iter().filter(|logged| logged.attempt == Some(log.attempt)) {
                    show_event(logged, out)?;
                }
                self.show_stderr(log, out)?;
            }
        }
        Ok(())
    }

    fn show_stderr(&mut self, log: &AttemptLog, out: &mut impl Write) -> Result<(), Stop> {
        let failed = |source| StoreError::Io { action: "read", path: log.path.clone(), source };
        let mut file = File::open(&log.path).map_err(failed)?;
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(self.shown)).and_then(|_| file.read_to_end(&mut text)).map_err(failed)?;
        self.shown += text.len() as u64;
        for line in String::from_utf8_lossy(&text).lines() {
            writeln!(out, "             stderr | {}", output::printable(line))?;
        }
        Ok(())
    }
}

fn show_event(logged: &LoggedEvent, out: &mut impl Write) -> io::Result<()> {
    let Some(text) = event(&logged.event) else { return Ok(()) };
    let time = logged.time.map_or_else(|| "(no time)".to_owned(), date);
    writeln!(out, "{time:<19}  {}", output::printable(&text))
}
