//! `fovea plugin check`: lines and JSON, exit codes, one property, configurations.

use crate::harness::Workspace;
use std::path::Path;
use std::process::Command;

#[test]
fn a_library_is_checked_and_the_exit_code_says_how_it_went() {
    let workspace = Workspace::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cc = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-I"])
        .arg(root.join("framework/abi/include"))
        .arg(root.join("tests/fixtures/plugins/broken.c"))
        .arg("-o")
        .arg(workspace.path().join("broken.so"))
        .status()
        .unwrap();
    assert!(cc.success());
    let check = ["plugin", "check", "broken.so", "--kind", "loss", "--timeout", "10"];
    let good = workspace.fovea(&check).ok().stdout;
    assert!(good.contains("  pass  gradient         Gradients are the derivatives of the values"), "{good}");
    assert!(good.contains("broken.so keeps its promises: "), "{good}");
    let one = ["--property", "gradient", "--config", "what=sign", "--seed", "3", "--json"];
    let failed = workspace.fovea(&[&check[..], &one[..]].concat()).fails(1, &[]).stdout;
    assert!(failed.contains("\"failed\": 1") && failed.contains("\"verdict\": \"fail\""), "{failed}");
    assert!(failed.contains("0 of 24 derivatives agree") && failed.contains("(seed 3)"), "{failed}");
    let known = "there is no property `gradiant`; known: description, ";
    workspace.fovea(&["plugin", "check", "broken.so", "--property", "gradiant"]).fails(2, &[known]);
}
