//! Everything that a fuzzer found worth keeping, read again by every parser of what others wrote. See `tests/fuzz`.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[allow(unreachable_pub, reason = "it is a crate of its own, too")]
#[path = "fuzz/src/lib.rs"]
mod reading;

use std::path::Path;

#[test]
fn what_fuzzing_left_is_read_without_a_panic() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (name, target) in reading::TARGETS {
        let mut files: Vec<_> =
            std::fs::read_dir(corpora.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            let read = std::panic::catch_unwind(|| target(&bytes));
            assert!(read.is_ok(), "{name} panics over {}", file.display());
        }
    }
}
