//! `fovea data`: what is in a data set, and one to try things on.

use crate::exit::Exit;
use crate::experiment::Experiment;
use crate::output::{errln, outln, print};
use crate::{Failure, Outcome, plan};
use fovea_api::Registry;
use fovea_datasets::{Rival10Demo, write_rival10_demo};
use fovea_engine::catalog::Catalog;
use fovea_engine::data::check::{self, Counts, DataCheck};
use fovea_plan::PluginConfig;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Missing masks that are named; a data set may lack thousands.
const NAMED: usize = 20;
/// Time between two plain lines of progress.
const QUIET: Duration = Duration::from_secs(5);

/// Arguments of `fovea data`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Read every picture and mask of an experiment's data set once; count them, and name what is missing or broken.
    Check(CheckArgs),
    /// Write a small data set of procedural pictures in RIVAL10's layout.
    Demo(DemoArgs),
}

#[derive(clap::Args)]
struct CheckArgs {
    #[command(flatten)]
    experiment: Experiment,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct DemoArgs {
    /// The folder to make.
    out: PathBuf,
    /// Training pictures; a tenth of them serves for validation.
    #[arg(long, default_value_t = 400)]
    train: usize,
    /// Test pictures.
    #[arg(long, default_value_t = 100)]
    test: usize,
    /// Side of the pictures, pixels.
    #[arg(long, default_value_t = 64)]
    size: usize,
}

impl Args {
    /// The experiment whose data are checked.
    pub(crate) fn experiment(&self) -> Option<&Experiment> {
        match &self.what {
            What::Check(args) => Some(&args.experiment),
            What::Demo(_) => None,
        }
    }
}

pub(crate) fn main(args: &Args, registry: &Registry) -> Outcome {
    match &args.what {
        What::Check(args) => check(args, registry),
        What::Demo(args) => demo(args),
    }
}

fn check(args: &CheckArgs, registry: &Registry) -> Outcome {
    let base_dir = plan::base_dir();
    let catalog = Catalog::new(registry.clone(), base_dir.clone()).unread();
    let plan = args.experiment.load_with(&catalog)?;
    let (mut unreadable, mut documents) = (0, Vec::new());
    for plugin in check::datasets(&plan) {
        let dataset = check::open(plugin, &base_dir, registry).map_err(|e| Failure::new(Exit::Files, e))?;
        let progress = Progress::new(check::pictures(dataset.as_ref()));
        let found = check::check(dataset.as_ref(), &|| progress.tick());
        progress.end();
        unreadable += found.unreadable.len();
        if args.json {
            documents.push(json!({ "name": plugin.name, "config": plugin.config, "found": found }));
        } else {
            print(&text(plugin, &found));
        }
    }
    if args.json {
        outln!("{:#}", json!({ "datasets": documents }));
    }
    if unreadable > 0 {
        let pictures = if unreadable == 1 { "picture" } else { "pictures" };
        let message = format!(
            "{unreadable} {pictures} cannot be read; mend or remove what is named, or use \
             dataset.on_bad_image=skip"
        );
        return Err(Failure::new(Exit::Files, message));
    }
    Ok(Exit::Success)
}

/// What was found, for reading.
fn text(plugin: &PluginConfig, found: &DataCheck) -> String {
    let mut text = format!("data set {}", plugin.name);
    for (key, value) in plugin.config.as_object().into_iter().flatten() {
        let _ = write!(text, "  {key}={value}");
    }
    text.push_str("\n\n");
    let width =
        |names: &mut dyn Iterator<Item = &String>| names.map(|n| n.chars().count()).max().unwrap_or(0).max(5);
    let first = width(&mut found.splits.iter().map(|s| &s.split));
    let second = width(&mut found.splits.iter().flat_map(|s| &s.classes).map(|c| &c.class));
    let line = |split: &str, class: &str, counts: [&dyn std::fmt::Display; 5]| {
        let [pictures, masks, missing, empty, unreadable] = counts;
        format!(
            "  {split:<first$}  {class:<second$}  {pictures:>8}  {masks:>8}  {missing:>8}  {empty:>8}  {unreadable:>10}\n"
        )
    };
    text += &line("split", "class", [&"pictures", &"masks", &"missing", &"empty", &"unreadable"]);
    for split in &found.splits {
        let total = split.total();
        for Counts { class, pictures, masks, empty_masks, missing_masks, unreadable } in
            split.classes.iter().chain([&total])
        {
            text += &line(&split.split, class, [pictures, masks, missing_masks, empty_masks, unreadable]);
        }
    }
    text.push('\n');
    for split in found.splits.iter().filter(|s| !s.groups.is_empty()) {
        let groups: Vec<String> =
            split.groups.iter().map(|g| format!("{} {}", g.group, g.pictures)).collect();
        let _ = writeln!(text, "groups of {}: {}", split.split, groups.join(", "));
    }
    for (split, shares) in found.splits.iter().filter_map(|s| Some((&s.split, s.object.as_ref()?))) {
        let percent = |share: f64| share * 100.0;
        let (min, median, max) = (percent(shares.min), percent(shares.median), percent(shares.max));
        let _ = writeln!(
            text,
            "object's share of pictures of {split}: {min:.1} % to {max:.1} %, median {median:.1} %"
        );
    }
    for split in found.splits.iter().filter(|split| !split.readings.is_empty()) {
        let readings: Vec<String> = split.readings.iter().map(|(how, n)| format!("{n} as {how}")).collect();
        let _ = writeln!(text, "masks of {} are read: {}", split.split, readings.join(", "));
    }
    if let Some(sizes) = found.sizes {
        let range =
            |[low, high]: [usize; 2]| if low == high { low.to_string() } else { format!("{low} to {high}") };
        let _ = writeln!(text, "width {}, height {} pixels", range(sizes.width), range(sizes.height));
    }
    let masks: usize = found.splits.iter().map(|s| s.total().masks).sum();
    if masks > 0 {
        list(&mut text, "without mask", &found.missing_masks, NAMED, |p| format!("{}: {}", p.split, p.id));
    } else {
        text.push_str("no masks\n");
    }
    list(&mut text, "cannot be read", &found.unreadable, usize::MAX, |u| u.reason.clone());
    list(&mut text, "warnings", &found.warnings, usize::MAX, Clone::clone);
    text.push('\n');
    text
}

/// A heading with a count and a line each, where there are any.
fn list<T>(text: &mut String, heading: &str, items: &[T], limit: usize, line: impl Fn(&T) -> String) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{heading} ({}):", items.len());
    for item in items.iter().take(limit) {
        let _ = writeln!(text, "  {}", line(item));
    }
    if items.len() > limit {
        let _ = writeln!(text, "  and {} more", items.len() - limit);
    }
}

/// Progress of the reading: a bar on a terminal, a line every few seconds elsewhere.
struct Progress {
    bar: ProgressBar,
    told: Option<Mutex<Instant>>,
}

impl Progress {
    fn new(total: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = if terminal { ProgressBar::new(total as u64) } else { ProgressBar::hidden() };
        bar.set_length(total as u64);
        if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {pos}/{len} pictures  left {eta}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, told: (!terminal).then(|| Mutex::new(Instant::now())) }
    }

    fn tick(&self) {
        self.bar.inc(1);
        if let Some(told) = &self.told
            && let Ok(mut told) = told.try_lock()
            && told.elapsed() >= QUIET
        {
            *told = Instant::now();
            errln!("{} of {} pictures read", self.bar.position(), self.bar.length().unwrap_or(0));
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn demo(args: &DemoArgs) -> Outcome {
    let DemoArgs { out, train, test, size } = args;
    let demo = Rival10Demo { train: *train, test: *test, size: *size };
    write_rival10_demo(out, demo).map_err(|e| Failure::new(Exit::Files, e))?;
    let bare = Rival10Demo::without_mask(*train) + Rival10Demo::without_mask(*test);
    let out = out.display();
    outln!(
        "{out}: {train} training and {test} test pictures, {size} x {size} pixels, {bare} without mask.
They are drawn figures under the names of RIVAL10's pictures. To use them, write in an experiment

  [dataset]
  name = \"rival10\"
  root = \"{out}\"

or change one on the command line:

  fovea data check experiments/quickstart.toml dataset=rival10 dataset.root={out}
  fovea run experiments/quickstart.toml name=demo dataset=rival10 dataset.root={out}"
    );
    Ok(Exit::Success)
}
