//! `fovea data`: what is in a data set is told before it is trained on.

use crate::harness::{SMALL, Workspace};
use std::fs;

/// A demo tree in `demo` and an experiment on it.
fn demo() -> Workspace {
    let workspace = Workspace::new();
    let ran =
        workspace.fovea(&["data", "demo", "demo", "--train", "100", "--test", "20", "--size", "32"]).ok();
    for said in ["100 training and 20 test pictures", "32 x 32", "name = \"rival10\"", "root = \"demo\""] {
        assert!(ran.stdout.contains(said), "{said} in {}", ran.stdout);
    }
    let (head, rest) = SMALL.split_once("[dataset]").unwrap();
    let rest = rest.split_once("[input]").unwrap().1;
    let table = "[dataset]\nname = \"rival10\"\nroot = \"demo\"\n";
    workspace.write("demo.toml", format!("{head}{table}[input]{rest}"));
    workspace
}

/// The columns of a line of the table.
fn row<'a>(stdout: &'a str, split: &str, class: &str) -> Vec<&'a str> {
    let columns = stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut found = columns.filter(|c| c.len() == 7 && (c[0], c[1]) == (split, class));
    found.next().unwrap_or_else(|| panic!("no line for {split} {class} in\n{stdout}"))[2..].to_vec()
}

#[test]
fn a_good_tree_is_counted() {
    let workspace = demo();
    let ran = workspace.fovea(&["data", "check", "demo.toml"]).ok();
    assert_eq!(row(&ran.stdout, "train", "truck"), ["9", "9", "0", "0", "0"]);
    assert_eq!(row(&ran.stdout, "train", "all")[0], "90");
    assert_eq!(row(&ran.stdout, "val", "all")[0], "10");
    assert_eq!(row(&ran.stdout, "test", "all"), ["20", "19", "1", "0", "0"]);
    for said in ["width 32, height 32 pixels", "without mask (6):", "50005.JPEG"] {
        assert!(ran.stdout.contains(said), "{said} in {}", ran.stdout);
    }
    assert!(!workspace.path().join("runs").exists() && ran.stderr.is_empty(), "{}", ran.stderr);
}

#[test]
fn every_data_set_of_a_grid_is_checked_and_json_says_the_same() {
    let workspace = demo();
    let axis =
        "axes.dataset=[{name=\"scenes\",train=20,test=10},{name=\"rival10\",root=\"demo\",val_fraction=0}]";
    let ran = workspace.fovea(&["data", "check", "demo.toml", axis, "axes.seed=[0,1]", "--json"]).ok();
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["datasets"].as_array().unwrap().len(), 2);
    let groups = &found["datasets"][0]["found"]["splits"][0]["groups"];
    assert_eq!(groups[0]["group"], "own background");
    let rival10 = &found["datasets"][1];
    assert_eq!((&rival10["name"], &rival10["config"]["root"]), (&"rival10".into(), &"demo".into()));
    assert_eq!(rival10["found"]["missing_masks"].as_array().unwrap().len(), 6);
    assert_eq!(rival10["found"]["sizes"]["width"], serde_json::json!([32, 32]));
}

#[test]
fn unreadable_files_are_all_listed() {
    let workspace = demo();
    let (empty, torn) = (
        "demo/test/ordinary/n02814533_n02814533_50001.JPEG",
        "demo/test/entire_object_masks/n02690373_n02690373_50002.JPEG",
    );
    workspace.write(empty, "");
    let whole = fs::read(workspace.path().join(torn)).unwrap();
    workspace.write(torn, &whole[..whole.len() / 2]);
    let ran = workspace.fovea(&["data", "check", "demo.toml"]);
    assert_eq!(row(&ran.stdout, "test", "car"), ["2", "1", "0", "0", "1"]);
    for said in ["cannot be read (2):", empty, "0 bytes", torn, "truncated"] {
        assert!(ran.stdout.contains(said), "{said} in {}", ran.stdout);
    }
    ran.fails(3, &["2 pictures cannot be read", "on_bad_image=skip"]);
    let ran = workspace.fovea(&["data", "check", "demo.toml", "dataset.on_bad_image=skip"]).ok();
    assert_eq!(row(&ran.stdout, "test", "all")[0], "18");
    assert!(ran.stdout.contains("skipped") && ran.stdout.contains(empty), "{}", ran.stdout);
}

#[test]
fn an_unknown_root_and_an_unknown_wnid_are_told() {
    let workspace = demo();
    let gone = workspace.path().join("gone");
    let ran = workspace.fovea(&["data", "check", "demo.toml", "dataset.root=gone"]);
    ran.fails(2, &["dataset.root", gone.to_str().unwrap(), "does not exist", "`train`"]);
    workspace.write("demo/train/ordinary/n00000001_1.JPEG", "");
    let ran = workspace.fovea(&["data", "check", "demo.toml"]);
    ran.fails(3, &["n00000001_1.JPEG", "wnid_to_class.json"]);
}

#[test]
fn a_demo_is_not_written_over_something_else() {
    let workspace = demo();
    workspace.fovea(&["data", "demo", "demo", "--train", "100", "--test", "20", "--size", "32"]).ok();
    workspace.fovea(&["data", "demo", "demo"]).fails(3, &["demo", "train 100, test 20, size 32"]);
    workspace.write("mine/photo.jpg", "x");
    workspace.fovea(&["data", "demo", "mine"]).fails(3, &["mine", "choose another folder"]);
}

#[test]
fn a_demo_trains_and_waterbirds_have_a_worst_group() {
    let workspace = demo();
    workspace.fovea(&["run", "demo.toml", "training.epochs=1", "training.warmup_epochs=0"]).ok();

    // Some of the demo's pictures as if they were Waterbirds; classes, groups and splits are arbitrary.
    let mut table = "img_filename,y,split,place\n".to_owned();
    let mut names: Vec<String> = fs::read_dir(workspace.path().join("demo/test/entire_object_masks"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for (index, name) in names.iter().enumerate() {
        let split = if index < 9 { 0 } else { 2 };
        table += &format!("test/ordinary/{name},{},{split},{}\n", index % 2, index / 2 % 2);
    }
    workspace.write("demo/metadata.csv", table);
    let args =
        ["run", "demo.toml", "name=birds", "training.epochs=1", "training.warmup_epochs=0", "loss=none"];
    let args = [&args[..], &["dataset=waterbirds", "dataset.root=demo"]].concat();
    workspace.fovea(&args).ok();
    let store = workspace.run("birds");
    let metrics = store.read_metrics(&store.read_plan().unwrap().trials[0].id).unwrap();
    let of = |metric: &str, grouped: bool| -> Vec<f64> {
        let rows = metrics.iter().filter(|m| m.split == "test" && m.metric == metric);
        let group = |name: &String| name.starts_with("group ");
        rows.filter(|m| m.subset.as_ref().is_some_and(group) == grouped && m.epoch.is_none())
            .map(|m| m.value)
            .collect()
    };
    let groups = of("accuracy", true);
    assert_eq!(groups.len(), 4);
    let worst = groups.iter().copied().fold(1.0, f64::min);
    assert_eq!(of("worst-group-accuracy", false), [worst]);
}

/// An experiment on a data set of folders, in `mine`.
fn folders() -> Workspace {
    let workspace = Workspace::new();
    let (head, rest) = SMALL.split_once("[dataset]").unwrap();
    let rest = rest.split_once("[input]").unwrap().1;
    let table = "[dataset]\nname = \"folder\"\nroot = \"mine\"\n";
    workspace.write("mine.toml", format!("{head}{table}[input]{rest}"));
    workspace
}

#[test]
fn shares_of_the_object_are_shown_and_odd_ones_named() {
    let workspace = folders();
    let root = workspace.path().join("mine");
    let grey = |path: &str, level: &dyn Fn(u32, u32) -> u8| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::GrayImage::from_fn(40, 10, |x, y| image::Luma([level(x, y)])).save(path).unwrap();
    };
    for name in ["a", "b", "c", "d"] {
        grey(&format!("train/cat/{name}.png"), &|x, _| x as u8);
        grey(&format!("train/dog/{name}.png"), &|_, y| y as u8);
    }
    grey("valid/cat/e.png", &|x, _| x as u8);
    grey("train_masks/cat/a.png", &|x, _| u8::from(x < 4));
    grey("train_masks/cat/b.png", &|_, _| 0);
    grey("train_masks/cat/c.png", &|_, _| 255);
    grey("train_masks/dog/lost.png", &|_, _| 255);
    let ran = workspace.fovea(&["data", "check", "mine.toml"]).ok();
    assert_eq!(row(&ran.stdout, "train", "all"), ["8", "3", "5", "1", "0"]);
    assert_eq!(row(&ran.stdout, "val", "all")[0], "1");
    for said in [
        "object's share of pictures of train: 0.0 % to 100.0 %, median 10.0 %",
        "masks of train are read: 2 as black and white, at one half, 1 as numbers (0: background)",
        "1 mask is background everywhere (share 0) in `train`: train/cat/b.png",
        "1 mask is object everywhere (share 1) in `train`: train/cat/c.png",
        "train_masks holds 1 mask of no picture, or of one that has another: dog/lost.png",
    ] {
        assert!(ran.stdout.contains(said), "{said} in {}", ran.stdout);
    }
    let ran = workspace.fovea(&["data", "check", "mine.toml", "--json"]).ok();
    let found: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let object = &found["datasets"][0]["found"]["splits"][0]["object"];
    assert_eq!((&object["median"], &object["whole"]), (&0.1.into(), &serde_json::json!(["train/cat/c.png"])));

    grey("train_masks/cat/d.png", &|x, _| 1 + u8::from(x < 4));
    workspace.fovea(&["data", "check", "mine.toml"]).fails(3, &["1 picture cannot be read"]);
}
