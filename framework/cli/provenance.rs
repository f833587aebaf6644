//! What a trial rests on, in words, for `fovea show`. The main function is [`text`].

use crate::words::{bytes, date, plural};
use fovea_records::Provenance;
use fovea_records::provenance::{Machine, PATCHES, Program, SourceState};
use std::fmt::Write as _;

/// Digits of a hash that are shown.
const HASH: usize = 16;

/// The processes that trained, in order: the last one in short, or everything of all.
pub(crate) fn text(lines: &[Provenance], all: bool) -> String {
    let Some(last) = lines.last() else { return String::new() };
    let mut text = "\nprovenance:\n".to_owned();
    if !all {
        text += &short(last, lines.len());
        return text;
    }
    for line in lines {
        let _ = writeln!(text, "  {}", process(line));
        text += &long(line);
    }
    text
}

fn entry(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "  {key:<13}  {value}");
}

fn short(line: &Provenance, processes: usize) -> String {
    let mut text = String::new();
    entry(&mut text, "program", &program(&line.program));
    entry(&mut text, "commit", &line.source.as_ref().map_or_else(|| "-".to_owned(), commit));
    let threads = plural(line.threads, "thread");
    let device = if line.device.name.contains("thread") {
        line.device.name.clone()
    } else {
        format!("{}, {threads}", device(line))
    };
    entry(&mut text, "device", &device);
    entry(&mut text, "machine", &machine(&line.machine));
    if processes > 1 {
        entry(&mut text, "processes", &format!("{processes}, the last one is shown"));
    }
    text += "  (all of it: -v, or --json)\n";
    text
}

fn long(line: &Provenance) -> String {
    let mut text = String::new();
    let mut entry = |key: &str, value: &str| entry(&mut text, &format!("  {key}"), value);
    let Program { cargo_lock, compiler, target, features, .. } = &line.program;
    entry("program", &program(&line.program));
    entry(
        "built",
        &format!("{compiler}, {target}, features: {}", if features.is_empty() { "none" } else { features }),
    );
    entry("Cargo.lock", head(cargo_lock));
    entry("command", &line.command.join(" "));
    if let Some(source) = &line.source {
        entry("commit", &format!("{} in {}", commit(source), source.root));
        if let Some(patch) = &source.patch {
            entry("changes", &format!("{PATCHES}/{patch}.patch"));
        }
        source.untracked.iter().for_each(|file| entry("untracked", file));
    }
    entry("device", &device(line));
    entry("threads", &line.threads.to_string());
    entry("machine", &machine(&line.machine));
    entry("", &format!("{}; {}", line.machine.system, line.machine.instructions.join(" ")));
    for (name, value) in &line.environment {
        entry("environment", &format!("{name}={value}"));
    }
    for plugin in &line.plugins {
        let library = plugin.library.as_ref().map(|library| format!(" from {library}")).unwrap_or_default();
        entry(&plugin.kind, &format!("{} {}{library}", plugin.name, plugin.fingerprint));
    }
    text
}

/// `2026-11-23 15:36:18 UTC: the warm-up, from epoch 0`.
fn process(line: &Provenance) -> String {
    let Provenance { from_epoch, from_step, .. } = line;
    let what = line.stage.as_ref().map_or_else(|| "the trial".to_owned(), |stage| format!("warm-up {stage}"));
    let step = if *from_step > 0 { format!(" and {}", plural(*from_step, "step")) } else { String::new() };
    let from = if (*from_epoch, *from_step) == (0, 0) {
        "from the first step".to_owned()
    } else {
        format!("after {}{step}", plural(*from_epoch, "epoch"))
    };
    format!("{}: {what}, {from}", date(line.time))
}

fn program(program: &Program) -> String {
    format!("fovea {}, BLAKE3 {}", program.version, head(&program.blake3))
}

fn commit(source: &SourceState) -> String {
    let modified = match &source.patch {
        Some(patch) => format!(", modified (patch {})", head(patch)),
        None => String::new(),
    };
    let untracked = match source.untracked.len() {
        0 => String::new(),
        count => format!(", {} unknown to git", plural(count, "file")),
    };
    format!("{}{modified}{untracked}", head(&source.commit))
}

fn device(line: &Provenance) -> String {
    let model = line.device.model.as_ref().map(|model| format!(", {model}")).unwrap_or_default();
    let driver = line.device.driver.as_ref().map(|driver| format!(", driver {driver}")).unwrap_or_default();
    let products = line.device.products.as_ref().map(|products| format!(", f32 multiplied in {products}"));
    format!("{}{model}{driver}{}", line.device.name, products.unwrap_or_default())
}

fn machine(machine: &Machine) -> String {
    format!("{}, {}, {}", machine.cpu, plural(machine.cores, "core"), bytes(machine.memory))
}

/// The first digits.
fn head(hash: &str) -> &str {
    match hash {
        "" => "unknown",
        hash => hash.get(..HASH).unwrap_or(hash),
    }
}
