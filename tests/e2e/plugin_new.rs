//! Plugins of one's own: `fovea plugin new`, and the example in C.

use crate::harness::Workspace;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const KINDS: [&str; 4] = ["localizer", "extractor", "loss", "model"];

fn succeeds(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Kind, name and version of the plugins that come from this folder.
fn found(workspace: &Workspace, folder: &Path) -> Vec<[String; 3]> {
    let ran = workspace.fovea(&["--plugin-path", folder.to_str().unwrap(), "plugin", "list", "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let list: Value = serde_json::from_str(&ran.stdout).unwrap();
    let mut found = Vec::new();
    for plugin in list["plugins"].as_array().unwrap() {
        let text = |key: &str| plugin[key].as_str().unwrap_or_default().to_owned();
        if text("origin").ends_with(".so") {
            found.push([text("kind"), text("name"), text("version")]);
        }
    }
    found.sort();
    found
}

fn expected(prefix: &str) -> Vec<[String; 3]> {
    let mut expected: Vec<_> =
        KINDS.map(|kind| [kind.to_owned(), format!("{prefix}-{kind}"), "0.1.0".to_owned()]).into();
    expected.sort();
    expected
}

#[test]
fn new_plugins_in_c_build_at_once_and_pass_the_check() {
    let workspace = Workspace::new();
    let libraries = workspace.path().join("libraries");
    std::fs::create_dir(&libraries).unwrap();
    for kind in KINDS {
        let name = format!("c-{kind}");
        let ran = workspace.fovea(&["plugin", "new", &name, "--kind", kind, "--lang", "c"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stdout.contains("make") && ran.stdout.contains(&format!("[{kind}]")), "{}", ran.stdout);
        let (folder, file) = (workspace.path().join(&name), format!("libc_{kind}.so"));
        // As its Makefile does, with warnings as errors.
        let flags =
            ["-O2", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-fPIC", "-fvisibility=hidden"];
        succeeds(
            Command::new("cc")
                .args(flags)
                .arg("-shared")
                .arg(format!("c_{kind}.c"))
                .arg("-o")
                .arg(libraries.join(&file))
                .arg("-lm")
                .current_dir(&folder),
        );
        workspace.fovea(&["plugin", "check", &format!("libraries/{file}")]).ok();
    }
    assert_eq!(found(&workspace, &libraries), expected("c"));
}

#[test]
fn new_plugins_in_rust_build_at_once_and_pass_the_check() {
    let workspace = Workspace::new();
    // Kept between runs of the test, so that serde compiles once.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-plugins");
    let libraries = workspace.path().join("libraries");
    std::fs::create_dir(&libraries).unwrap();
    for kind in KINDS {
        let name = format!("rust-{kind}");
        let ran = workspace.fovea(&["plugin", "new", &name, "--kind", kind]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stdout.contains("cargo build --release"), "{}", ran.stdout);
        let folder = workspace.path().join(&name);
        // The versions that are on this machine anyway: the test needs no network where the build needed none.
        std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock"), folder.join("Cargo.lock")).unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        succeeds(
            cargo
                .args(["test", "--release", "--quiet"])
                .current_dir(&folder)
                .env("CARGO_TARGET_DIR", &target)
                .env_remove("RUSTFLAGS"),
        );
        let mut cargo = Command::new(env!("CARGO"));
        succeeds(
            cargo
                .args(["build", "--release", "--quiet"])
                .current_dir(&folder)
                .env("CARGO_TARGET_DIR", &target)
                .env_remove("RUSTFLAGS"),
        );
        let file = format!("librust_{kind}.so");
        std::fs::copy(target.join("release").join(&file), libraries.join(&file)).unwrap();
        workspace.fovea(&["plugin", "check", &format!("libraries/{file}")]).ok();
    }
    assert_eq!(found(&workspace, &libraries), expected("rust"));
    let ran = workspace.fovea(&["--plugin-path", "libraries", "plugin", "show", "rust-localizer"]);
    assert!(ran.stdout.contains("margin") && ran.stdout.contains("0.25"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn names_that_cannot_be() {
    let workspace = Workspace::new();
    let new = |name: &str| workspace.fovea(&["plugin", "new", name, "--kind", "loss"]);
    for name in ["My-Loss", "2nd", "a/b", "ä", ""] {
        let ran = new(name);
        assert_eq!(ran.code, 2, "{name}");
        assert!(ran.stderr.contains("lower case, digits and hyphens"), "{}", ran.stderr);
    }
    assert_eq!(new("mine").code, 0);
    let again = new("mine");
    assert_eq!(again.code, 3);
    assert!(again.stderr.contains("is there already"), "{}", again.stderr);
}

#[test]
fn the_example_in_c_finds_objects() {
    let workspace = Workspace::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = workspace.path().join("libcolour_contrast.so");
    let flags = [
        "-O2",
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-pedantic",
        "-Werror",
        "-fPIC",
        "-ffp-contract=off",
        "-shared",
    ];
    succeeds(
        Command::new("cc")
            .args(flags)
            .arg("-I")
            .arg(root.join("framework/abi/include"))
            .arg(root.join("plugins/examples/colour-contrast/colour_contrast.c"))
            .arg("-o")
            .arg(&library)
            .arg("-lm"),
    );
    assert_eq!(
        found(&workspace, workspace.path()),
        [["localizer", "colour-contrast", "1.0.0"].map(str::to_owned)]
    );

    let red_on_grey = image::RgbImage::from_fn(60, 40, |x, y| {
        let inside = (20..45).contains(&x) && (10..30).contains(&y);
        image::Rgb(if inside { [220, 30, 30] } else { [110 + (x % 5) as u8, 110, 110] })
    });
    let mut png = std::io::Cursor::new(Vec::new());
    red_on_grey.write_to(&mut png, image::ImageFormat::Png).unwrap();
    workspace.write("pictures/one.png", png.into_inner());
    let library = library.to_str().unwrap();
    let args = ["--localizer", "colour-contrast", "--images", "pictures", "--out", "out", "--device", "cpu"];
    workspace.fovea(&[&["--plugin-path", library, "localize"], &args[..]].concat()).ok();
    let boxes = std::fs::read(workspace.path().join("out/boxes.json")).unwrap();
    let boxes: Value = serde_json::from_slice(&boxes).unwrap();
    let edges: Vec<f64> =
        boxes[0]["box"].as_array().unwrap().iter().map(|edge| edge.as_f64().unwrap()).collect();
    for (edge, expected) in edges.iter().zip([20.0, 10.0, 45.0, 30.0]) {
        assert!((edge - expected).abs() <= 1.0, "{edges:?}");
    }
}
