//! Entry, configuration, instances, panics, errors.

use super::{Failure, Instance, library, plugin, refuse, sample, sink, string, text};
use crate::raw::*;
use serde_json::{Value, json};
use std::ptr::{null, null_mut};

#[test]
fn a_library_describes_itself() {
    let library = library();
    assert_eq!((library.size, library.count), (size_of::<FoveaLibrary>(), 5));
    assert_eq!((library.abi_major, library.abi_minor), (FOVEA_ABI_MAJOR, FOVEA_ABI_MINOR));
    assert_eq!(&raw const *library, &raw const *super::library(), "made once");
    let bright = plugin("bright");
    assert_eq!((bright.size, bright.kind), (size_of::<FoveaPlugin>(), FOVEA_LOCALIZER));
    assert_eq!((string(bright.version), string(bright.summary)), ("1.2.3".into(), "Red pixels.".into()));
    let schema: Value = serde_json::from_str(&string(bright.config_schema)).unwrap();
    assert_eq!(schema["properties"]["threshold"]["default"], 127);
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(bright.path_key_count, 1);
    // SAFETY: there is one.
    assert_eq!(string(unsafe { *bright.path_keys }), "fault");
    // SAFETY: a table of a description lives until the process ends.
    let table = unsafe { &*bright.localizer };
    assert_eq!((table.flags, table.batch), (FOVEA_WANTS_MASKS, 8));
    assert!(bright.extractor.is_null() && bright.loss.is_null() && bright.model.is_null());
    // SAFETY: as above.
    let [sum, fixed] = ["sum", "fixed"].map(|name| unsafe { &*plugin(name).extractor });
    assert!(sum.vjp.is_some() && fixed.vjp.is_none());
    // SAFETY: as above.
    let flags = unsafe { (*plugin("square").loss).flags };
    assert_eq!(flags, FOVEA_WANTS_BOXES | FOVEA_WANTS_HEATMAPS | FOVEA_WANTS_MASKS | FOVEA_SCALES_GRADIENTS);
}

#[test]
fn hosts_that_do_not_fit() {
    library();
    let host = |size, abi_major| FoveaHost {
        size,
        abi_major,
        abi_minor: 0,
        version: text(""),
        context: null_mut(),
        log: None,
        get_extension: None,
    };
    let enter = |host: *const FoveaHost, place: bool| {
        let (mut library, mut failure) = (null(), Failure::new(200));
        let place = if place { &raw mut library } else { null_mut() };
        // SAFETY: null or good.
        let status = unsafe { sample::entry(host, place, failure.raw()) };
        (status, failure.text())
    };
    assert_eq!(enter(null(), true), (FOVEA_ERROR, "the host gave no host".into()));
    let short = host(8, 1);
    let (status, message) = enter(&raw const short, true);
    assert!(status == FOVEA_ERROR && message.contains("8 bytes"), "{message}");
    let later = host(size_of::<FoveaHost>() + 8, 2);
    let (status, message) = enter(&raw const later, true);
    assert!(status == FOVEA_UNSUPPORTED && message.contains("Fovea version 2"), "{message}");
    let good = host(size_of::<FoveaHost>(), 1);
    assert_eq!(enter(&raw const good, false).0, FOVEA_ERROR);
    // Without an error to fill in.
    let mut library = null();
    // SAFETY: null or good.
    assert_eq!(unsafe { sample::entry(null(), &raw mut library, null_mut()) }, FOVEA_ERROR);
}

fn resolve(name: &str, config: FoveaStr) -> (FoveaStatus, String, String) {
    let (mut all, mut failure) = (String::new(), Failure::new(200));
    let sink = sink(&mut all);
    // SAFETY: all pointers are good.
    let status =
        unsafe { plugin(name).resolve.unwrap()(config, text("/base"), &raw const sink, failure.raw()) };
    (status, all, failure.text())
}

#[test]
fn configurations_are_resolved() {
    let (status, all, _) = resolve("bright", text(r#"{"threshold": 50}"#));
    assert_eq!((status, all.as_str()), (FOVEA_OK, r#"{"threshold":50,"fault":""}"#));
    let (status, all, _) = resolve("sum", text("{}"));
    assert_eq!((status, all.as_str()), (FOVEA_OK, "{}"));
}

#[test]
fn bad_configurations_are_issues() {
    let issues = |config: &str| {
        let (status, all, failure) = resolve("bright", text(config));
        assert_eq!((status, failure.as_str()), (FOVEA_BAD_CONFIG, ""));
        serde_json::from_str::<Value>(&all).unwrap()
    };
    assert_eq!(
        issues(r#"{"threshold": 5}"#),
        json!([
            {"path": ["threshold"], "message": "too low for /base", "suggestion": "127"},
            {"path": [], "message": "and more", "suggestion": null},
        ])
    );
    let wrong = issues(r#"{"threshold": "high"}"#);
    assert_eq!(wrong[0]["path"], json!(["threshold"]));
    assert_eq!(wrong[0]["message"], r#"invalid type: string "high", expected u8"#);
    assert_eq!(issues(r#"{"treshold": 5}"#)[0]["path"], json!(["treshold"]));
    assert!(issues("[")[0]["message"].as_str().unwrap().contains("EOF"));
    issues("");
    assert_eq!(resolve("sum", text(r#"{"a": 1}"#)).0, FOVEA_BAD_CONFIG);
}

#[test]
fn texts_that_cannot_be() {
    let null_text = FoveaStr { ptr: null(), len: 3 };
    assert_eq!(resolve("bright", null_text).0, FOVEA_ERROR);
    let huge = FoveaStr { ptr: c"{}".as_ptr(), len: usize::MAX };
    assert_eq!(resolve("bright", huge).0, FOVEA_ERROR);
    let latin = FoveaStr { ptr: c"{\"\xe9\": 1}".as_ptr(), len: 8 };
    let (status, _, message) = resolve("bright", latin);
    assert!(status == FOVEA_ERROR && message.contains("not UTF-8"), "{message}");
    // A null text of length 0 is the empty text.
    assert_eq!(resolve("bright", FoveaStr { ptr: null(), len: 0 }).0, FOVEA_BAD_CONFIG);
}

#[test]
fn sinks_that_refuse() {
    let resolve = plugin("bright").resolve.unwrap();
    let call = |sink: *const FoveaSink| {
        let mut failure = Failure::new(100);
        // SAFETY: null or good.
        let status = unsafe { resolve(text("{}"), text("/"), sink, failure.raw()) };
        (status, failure.text())
    };
    let size = size_of::<FoveaSink>();
    let sink = |size, write| FoveaSink { size, context: null_mut(), write };
    let (refuses, empty, short) = (sink(size, Some(refuse)), sink(size, None), sink(16, Some(refuse)));
    assert_eq!(call(&raw const refuses), (77, String::new()));
    assert_eq!(call(null()).0, FOVEA_ERROR);
    assert_eq!(call(&raw const empty).0, FOVEA_ERROR);
    assert_eq!(call(&raw const short).0, FOVEA_ERROR);
}

fn create(config: &str) -> (FoveaStatus, String) {
    let (mut instance, mut failure) = (null_mut(), Failure::new(300));
    // SAFETY: all pointers are good.
    let status = unsafe {
        plugin("bright").create.unwrap()(text(config), text("/base"), &raw mut instance, failure.raw())
    };
    assert!(instance.is_null());
    (status, failure.text())
}

#[test]
fn instances_that_cannot_be_made() {
    let (status, message) = create(r#"{"threshold": 1000}"#);
    assert!(status == FOVEA_BAD_CONFIG && message.starts_with("threshold: invalid value"), "{message}");
    let (status, message) = create(r#"{"fault": "new"}"#);
    assert!(status == FOVEA_ERROR && message.contains("os error") || cfg!(miri), "{message}");
    let mut failure = Failure::new(100);
    // SAFETY: null or good.
    let status = unsafe { plugin("sum").create.unwrap()(text("{}"), text(""), null_mut(), failure.raw()) };
    assert_eq!((status, failure.text().as_str()), (FOVEA_ERROR, "the host gave no place for the instance"));
    // SAFETY: null is nothing.
    unsafe { plugin("sum").destroy.unwrap()(null_mut()) };
}

#[test]
fn panics_are_errors() {
    let (status, _, message) = resolve("bright", text(r#"{"fault": "check"}"#));
    assert_eq!(status, FOVEA_PANIC);
    assert!(message.starts_with("the plugin panicked at ") && message.contains("sample.rs:"), "{message}");
    assert!(message.ends_with(": check"), "{message}");
    // Dropping an instance may panic too: nobody hears of it.
    drop(Instance::new("bright", r#"{"fault": "drop"}"#));
}

#[test]
fn panics_outside_of_calls_are_nobodys_business() {
    library();
    assert!(std::panic::catch_unwind(|| panic!("not in a plugin; the default hook prints this")).is_err());
}
