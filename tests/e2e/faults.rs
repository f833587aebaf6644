//! The page of promises names tests that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The words between backquotes in the last column of a table's row.
fn proofs(row: &str) -> Vec<&str> {
    let last = row.trim_end_matches(['|', ' ']).rsplit('|').next().unwrap_or_default();
    last.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_fault_has_a_proof_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("framework/docs/faults.md")).unwrap();
    let head = |row: &&str| !row.starts_with("| fault |") && !row.starts_with("|---");
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with('|')).filter(head).collect();
    let mut seen = BTreeSet::new();
    for row in &rows {
        let proofs = proofs(row);
        assert!(!proofs.is_empty(), "nothing proves: {row}");
        for proof in proofs {
            let (path, test) = proof.split_once("::").unwrap_or((proof, ""));
            let text = fs::read_to_string(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
            let named = test.is_empty()
                || text.contains(&format!("#[test]\nfn {test}()"))
                || text.contains(&format!("#[test]\n    fn {test}()"));
            assert!(named, "{path} has no test `{test}`");
            seen.insert(proof);
        }
    }
    assert!(rows.len() >= 26 && seen.len() > rows.len(), "{} rows, {} proofs", rows.len(), seen.len());
}
