//! Files that are no plugins are refused before anything in them runs, and the message says why.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod fixtures;

use fixtures::compile;
use fovea_api::Registry;
use fovea_host::guard::Limits;
use fovea_host::inspect::inspect;
use fovea_host::{Search, load};
use std::fs;
use std::path::Path;

fn message(contents: &[u8]) -> String {
    inspect(Path::new("x.so"), contents).unwrap_err().to_string()
}

#[test]
fn files_that_are_no_libraries_are_told_from_damaged_ones() {
    let (_dir, file) = compile("good", &[]);
    let good = fs::read(file).unwrap();
    assert_eq!(inspect(Path::new("x.so"), &good).unwrap().abi, (1, 0));
    assert!(message(b"").starts_with("plugin x.so: the file is empty; a shared library (ELF"));
    assert!(message(b"#!/bin/sh\n").contains("it is no ELF file (it begins with 23 21 2f 62)"));
    assert!(message(&good[..10]).contains("truncated after 10 bytes"));
    for length in [64, 1000, good.len() / 2, good.len() - 1] {
        let text = message(&good[..length]);
        assert!(text.contains("truncated") && text.contains("build or copy it again"), "{length}: {text}");
    }
    let mut arm = good.clone();
    arm[18..20].copy_from_slice(&40u16.to_le_bytes());
    assert!(message(&arm).contains("it is for arm (32 bits), this program runs on "));
    let mut small = good.clone();
    small[4] = 1;
    assert!(message(&small).contains("not for 64-bit programs"));
    let program = message(&fs::read("/proc/self/exe").unwrap());
    assert!(program.contains("no section .note.fovea") || program.contains("no shared library"), "{program}");
}

#[test]
fn libraries_that_do_not_fit_say_why() {
    for (flag, expected) in [
        ("-DWRONG_ABI", "built for version 2.0 of the plugin interface, this program has 1.0"),
        (
            "-DWRONG_MINOR",
            "built for version 1.7 of the plugin interface, this program knows those up to 1.0",
        ),
        (
            "-DWRONG_NO_NOTE",
            "no section .note.fovea, by which plugins are known (it exports fovea_plugin_entry)",
        ),
        ("-DWRONG_NO_ENTRY", "does not export the function fovea_plugin_entry"),
    ] {
        let (_dir, file) = compile("wild", &[flag]);
        let text = message(&fs::read(file).unwrap());
        assert!(text.contains(expected), "{flag}: {text}");
    }
}

#[test]
fn a_name_that_is_taken_names_both_owners() {
    let (_first, one) = compile("wild", &["-DSALT=1"]);
    let (second, other) = compile("wild", &["-O2"]);
    fs::copy(&one, second.path().join("same.so")).unwrap();
    let search = |paths: &[&Path]| Search {
        paths: paths.iter().map(|path| path.to_path_buf()).collect(),
        surroundings: false,
        prober: None,
        limits: Limits::default(),
    };
    let mut registry = Registry::new();
    let loaded = load(&search(&[&one, &second.path().join("same.so")]), &mut registry).unwrap();
    assert_eq!(loaded.files.len(), 1, "a copy of a library is the library");
    let error = load(&search(&[&other]), &mut registry).unwrap_err().to_string();
    let (one, other) = (one.display().to_string(), other.display().to_string());
    assert!(error.contains(&one) && error.contains(&other) && error.contains("the name is taken"), "{error}");
    let missing = load(&search(&[Path::new("/nowhere/x.so")]), &mut registry).unwrap_err().to_string();
    assert!(missing.starts_with("plugin /nowhere/x.so: No such file"), "{missing}");
}
