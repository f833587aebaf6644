//! Which property of the suite fails for which broken plugin, and in which words.
//!
//! The suite starts this program again for each property, hence a `main` of its own.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod fixtures;

use fixtures::compile;
use fovea_api::PluginKind::{self, Extractor, Localizer, Loss};
use fovea_host::check::child::SUBCOMMAND;
use fovea_host::check::{Options, Report, Verdict, one, run};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

/// Kind, promise that is broken, property that fails, words of the message.
const BROKEN: [(PluginKind, &str, &str, &str); 31] = [
    (Localizer, "no-instance", "create", "no weights at all"),
    (
        Localizer,
        "segfault",
        "answers",
        "in `localize` of 1 picture (64x48) crashed (SIGSEGV, a wild memory access)",
    ),
    (Localizer, "abort", "answers", "SIGABRT, it gave up"),
    (Localizer, "exit", "answers", "ended the process by exit()"),
    (Localizer, "hang", "answers", "in `localize` of 1 picture (64x48) has not returned for 1 s (--timeout)"),
    (Localizer, "panic", "answers", "item 0: `localize` panicked: index out of bounds"),
    (
        Localizer,
        "outside",
        "answers",
        "a box that is not empty is expected within the picture, [0, 0, 64, 48]",
    ),
    (Localizer, "nan", "answers", "gave the box [NaN, "),
    (Localizer, "small", "sizes", "1x1 (width x height): item 0: `localize` failed: too small"),
    (Localizer, "leaked-call", "leaked-calls", "each of 400 calls leaves about"),
    (Localizer, "leaked-instance", "leaked-instances", "each of 400 `create` and `destroy` leaves about"),
    (Localizer, "repeats", "repeats", "at first and then in round 2, after others: item 0, number 4 is"),
    (Localizer, "instance", "fresh-instance", "number 4 is 1 and then 0."),
    (Localizer, "process", "fresh-process", "one process gave ["),
    (Localizer, "batch", "batch", "in the batch and then alone: item 1 of 4, number 4 is 0.5 and then 1"),
    (Localizer, "strides", "strides", "without gaps and then with "),
    (Localizer, "overread", "inputs", "in `localize` of 1 picture (32x24) crashed (SIGSEGV"),
    (Localizer, "writes", "inputs", "crashed (SIGSEGV"),
    (Localizer, "keeps", "kept-inputs", "in `localize` of 2 pictures (31x23, 31x23) crashed (SIGSEGV"),
    (Localizer, "origin", "origin", "the same pixels got another answer under another name"),
    (Localizer, "sink", "sink", "the sink refused the first time and was called 3 times"),
    (Extractor, "zero", "zero-heatmap", "32x24 zeros have the box [0.0, 0.0, 32.0, 24.0]"),
    (Extractor, "soft", "hard-only", "crashed (SIGSEGV"),
    (Extractor, "overrun", "answers", "it wrote behind the end of `hard`"),
    (
        Extractor,
        "not-finite",
        "not-finite",
        "one infinity: heatmap 0 of 1 heatmap of 32x24: the differentiable box is [inf",
    ),
    (
        Extractor,
        "vjp",
        "gradient",
        "of 18 derivatives agree, and 0.75 of them should; heatmap 0, direction 0",
    ),
    (Extractor, "bent", "vjp-linear", "for the first plus twice the other"),
    (Loss, "upstream", "upstream", "picture 0: `boxes_gradient` holds"),
    (Loss, "sign", "gradient", "0 of 24 derivatives agree, and 0.75 of them should; round 0, picture 0, x1"),
    (Loss, "null-gradient", "no-gradient", "crashed (SIGSEGV"),
    (
        Loss,
        "degenerate",
        "degenerate",
        "(a point), target [4, 4, 20, 16]: picture 0 of 1 picture of 32x24: `values` holds NaN",
    ),
];

/// Source, flag, property of the library or of every plugin in it, words.
const LIBRARIES: [(&str, &str, &str, &str); 10] = [
    ("wild", "-DWRONG_ABI", "file", "built for version 2.0 of the plugin interface, this program has 1.0"),
    ("wild", "-DWRONG_MINOR", "file", "built for version 1.7 of the plugin interface"),
    ("wild", "-DWRONG_NO_NOTE", "file", "it has no section .note.fovea"),
    ("wild", "-DWRONG_NO_ENTRY", "file", "does not export the function fovea_plugin_entry"),
    ("wild", "-DWRONG_CONSTRUCTOR", "loads", "in its constructors, while it was loaded, crashed (SIGSEGV"),
    ("wild", "-DWRONG_HANG", "loads", "in `fovea_plugin_entry` has not returned for 1 s"),
    ("broken", "-DWRONG_SCHEMA", "loads", "its config_schema is no JSON"),
    ("broken", "-DWRONG_DUPLICATE", "loads", "it holds two plugins localizer broken"),
    ("broken", "-DWRONG_SUMMARY", "description", "the summary is ``"),
    ("broken", "-DWRONG_RESOLVE", "unknown-key", "`no-such-key` = 1 is accepted"),
];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, subcommand, request] = arguments.as_slice()
        && subcommand == SUBCOMMAND
    {
        return one(request);
    }
    if arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    good_plugins_pass();
    broken_plugins_fail();
    wrong_libraries_fail();
    damaged_files_fail();
    println!("checking: all is well");
}

fn check(file: &Path, kind: Option<PluginKind>, what: &str) -> Report {
    let config = if what.is_empty() { json!({}) } else { json!({ "what": what }) };
    let options = Options {
        program: std::env::current_exe().unwrap(),
        file: file.to_owned(),
        kind,
        name: None,
        properties: Vec::new(),
        config,
        base_dir: file.parent().unwrap().to_owned(),
        seed: 7,
        time: Duration::from_secs(if what == "hang" || what.is_empty() { 1 } else { 10 }),
    };
    run(&options, &mut |_| {})
}

/// Names and messages of what fails.
fn failures(report: &Report) -> Vec<(&str, &str)> {
    let failed = report.results.iter().filter(|checked| checked.verdict == Verdict::Fail);
    failed.map(|checked| (checked.property.as_str(), checked.message.as_str())).collect()
}

fn good_plugins_pass() {
    let (_dir, file) = compile("broken", &[]);
    let report = check(&file, None, "good");
    assert_eq!(failures(&report), [], "good");
    assert!(report.passed > 60 && report.holds());
    // A gradient that differences cannot check is no mistake.
    let straight = check(&file, Some(Extractor), "straight");
    assert_eq!(failures(&straight), [], "straight");
    assert!(straight.results.iter().any(|checked| checked.message.starts_with("straight-through")));
}

fn broken_plugins_fail() {
    let (_dir, file) = compile("broken", &[]);
    let mut wrong = Vec::new();
    for (kind, what, property, words) in BROKEN {
        let report = check(&file, Some(kind), what);
        let found = failures(&report);
        let sound = found.iter().any(|(name, message)| *name == property && message.contains(words));
        if !sound {
            wrong.push(format!("{kind} {what}: {found:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn wrong_libraries_fail() {
    for (source, flag, property, words) in LIBRARIES {
        let (_dir, file) = compile(source, &[flag]);
        let report = check(&file, None, "");
        let found = failures(&report);
        let sound = found.iter().any(|(name, message)| *name == property && message.contains(words));
        assert!(sound, "{flag}: {found:#?}");
    }
}

fn damaged_files_fail() {
    let (dir, file) = compile("broken", &[]);
    let good = std::fs::read(file).unwrap();
    let mut arm = good.clone();
    arm[18..20].copy_from_slice(&40u16.to_le_bytes());
    for (contents, words) in [
        (&good[..good.len() / 2], "truncated"),
        (b"#!/bin/sh\n".as_slice(), "it is no ELF file"),
        (&arm, "it is for arm (32 bits), this program runs on"),
    ] {
        let file = dir.path().join("damaged.so");
        std::fs::write(&file, contents).unwrap();
        let report = check(&file, None, "");
        let found = failures(&report);
        assert!(matches!(found[..], [("file", message)] if message.contains(words)), "{words}: {found:?}");
    }
}
