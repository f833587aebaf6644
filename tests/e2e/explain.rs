//! `fovea explain` against torchvision's numbers, and what it says of bad input.

use crate::harness::{SMALL, Tensors, Workspace, folder, png, read_tensors, tensors};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name).display().to_string()
}

/// Fixture, model and settings that make its network (plugins/models/tests/golden.rs).
const NETWORKS: [(&str, &str, &[&str]); 3] = [
    ("resnet_basic", "resnet18", &["layers=[1,1,1,1]", "widths=[8,12,16,24]", "stem_width=8"]),
    ("resnet_bottleneck", "resnet50", &["layers=[1,1,1,1]", "widths=[4,6,8,12]", "stem_width=4"]),
    ("vgg", "vgg16", &["stages=[[8],[12],[16,16]]", "hidden=[32,24]"]),
];

/// Arguments of `fovea explain` for the narrow ResNet-18.
fn explain<'a>(weights: &'a str, images: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let (_, model, settings) = NETWORKS[0];
    let mut args =
        vec!["explain", "--model", model, "--weights", weights, "--images", images, "--out", "out"];
    settings.iter().for_each(|s| args.extend(["--set", s]));
    args.extend(more);
    args
}

fn records(path: PathBuf) -> Vec<Value> {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Row `i` of a tensor.
fn row(tensors: &Tensors, name: &str, i: usize) -> (Vec<usize>, Vec<f32>) {
    let (shape, values) = &tensors[name];
    let size = values.len() / shape[0];
    (shape[1..].to_vec(), values[i * size..(i + 1) * size].to_vec())
}

/// Fails unless the largest difference is below 1e-4 of the largest value.
#[track_caller]
fn close(got: &[f32], expected: &[f32], what: &str) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
    let error = got.iter().zip(expected).fold(0f32, |m, (a, b)| m.max((a - b).abs())) / largest;
    assert!(error < 1e-4, "{what}: {error}");
}

#[test]
fn explanations_agree_with_torchvision() {
    for (fixture, model, settings) in NETWORKS {
        let workspace = Workspace::new();
        let cases = read_tensors(golden(&format!("{fixture}_cases.safetensors")).as_ref());
        let names = ["c", "a.jpg", "d", "b"];
        let images = names.iter().enumerate().map(|(i, name)| ((*name).to_owned(), row(&cases, "images", i)));
        workspace.write("images.safetensors", tensors(&images.collect()));
        for extension in ["pth", "safetensors"] {
            let weights = golden(&format!("{fixture}.{extension}"));
            let mut args = vec!["explain", "--model", model, "--classes", "10", "--weights", &weights];
            args.extend(["--images", "images.safetensors", "--out", extension, "--batch", "3"]);
            settings.iter().for_each(|s| args.extend(["--set", s]));
            let ran = workspace.fovea(&args).ok();
            assert!(!ran.stderr.contains("warning"), "{}", ran.stderr);

            let records = records(workspace.path().join(extension).join("explain.json"));
            let order: Vec<&str> = records.iter().map(|r| r["image"].as_str().unwrap()).collect();
            assert_eq!(order, ["a.jpg", "b", "c", "d"]);
            let maps = read_tensors(&workspace.path().join(extension).join("heatmaps.safetensors"));
            assert_eq!(maps.len(), 8);
            for record in &records {
                let name = record["image"].as_str().unwrap();
                let case = names.iter().position(|n| *n == name).unwrap();
                let what = |part: &str| format!("{fixture}.{extension} {name} {part}");
                let logits: Vec<f32> = serde_json::from_value(record["logits"].clone()).unwrap();
                close(&logits, &row(&cases, "logits", case).1, &what("logits"));
                let alpha = row(&cases, "alpha", case).1.iter().map(|v| v * v).sum::<f32>().sqrt();
                close(&[record["alpha"].as_f64().unwrap() as f32], &[alpha], &what("alpha"));
                let best = (0..10).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap();
                assert_eq!(record["predicted"], best);
                let (shape, heatmap) = row(&cases, "heatmap_max", case);
                assert_eq!(maps[&format!("heatmap_{name}")].0, shape);
                close(&maps[&format!("heatmap_{name}")].1, &heatmap, &what("heatmap"));
                let (shape, cam) = row(&cases, "cam", case);
                assert_eq!(maps[&format!("cam_{name}")].0, shape);
                close(&maps[&format!("cam_{name}")].1, &cam, &what("cam"));
                // The box holds the maximum, and nothing above one half touches it from outside.
                let bbox: [f32; 4] = serde_json::from_value(record["box"].clone()).unwrap();
                let [x1, y1, x2, y2] = bbox.map(|v| v as usize);
                let peak = (0..heatmap.len()).find(|i| heatmap[*i] >= 1.0).unwrap();
                assert!(
                    (x1..x2).contains(&(peak % 96)) && (y1..y2).contains(&(peak / 96)),
                    "{}",
                    what("box")
                );
                assert!(
                    (y1..y2).any(|y| heatmap[y * 96 + x1] > 0.5)
                        && (x1..x2).any(|x| heatmap[y1 * 96 + x] > 0.5)
                );
            }
        }
    }
}

#[test]
fn pictures_are_explained_and_a_bad_one_does_not_cost_the_others() {
    let workspace = Workspace::new();
    workspace.write("photos/b.png", png(200));
    workspace.write("photos/a.JPG", png(40));
    workspace.write("photos/notes.txt", "no picture");
    let weights = golden("resnet_basic.pth");
    let small = ["--size", "40", "--overlay", "--batch", "2"];
    let ran = workspace.fovea(&explain(&weights, "photos", &small)).ok();
    assert!(ran.stdout.contains("explained 2 pictures: out/explain.json"), "{}", ran.stdout);
    let first = records(workspace.path().join("out/explain.json"));
    assert_eq!(first.iter().map(|r| &r["image"]).collect::<Vec<_>>(), ["a.JPG", "b.png"]);
    let overlay = image::open(workspace.path().join("out/a.png")).unwrap();
    assert_eq!((overlay.width(), overlay.height()), (240, 240));

    // Squashing a picture of one colour keeps the colour: the same as a tensor gives the same.
    let plane = |v: u8| (vec![3, 40, 40], vec![f32::from(v) / 255.0; 3 * 40 * 40]);
    let same: Tensors = [("a".to_owned(), plane(40)), ("b".to_owned(), plane(200))].into();
    workspace.write("same.safetensors", tensors(&same));
    workspace.fovea(&explain(&weights, "same.safetensors", &["--batch", "2"])).ok();
    let second = records(workspace.path().join("out/explain.json"));
    assert!(first.iter().zip(&second).all(|(a, b)| a["logits"] == b["logits"] && a["box"] == b["box"]));

    workspace.write("photos/aa.png", "");
    let ran = workspace.fovea(&explain(&weights, "photos", &small));
    let ran = ran.fails(3, &["photos/aa.png: the file is empty", "1 of 3 pictures could not be explained"]);
    assert!(ran.stdout.contains("explained 2 pictures"), "{}", ran.stdout);
    assert_eq!(records(workspace.path().join("out/explain.json")), first);
    assert_eq!(read_tensors(&workspace.path().join("out/heatmaps.safetensors")).len(), 4);
}

#[test]
fn a_head_of_another_number_of_classes_is_told() {
    let workspace = Workspace::new();
    workspace.write("photos/a.png", png(40));
    let weights = golden("resnet_basic.safetensors");
    let ran = workspace.fovea(&explain(&weights, "photos", &["--classes", "4", "--size", "32"])).ok();
    let told = "warning: model resnet18: the weights have 10 classes, not 4: layer `fc`";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    let ran = workspace.fovea(&explain(&weights, "photos", &["--size", "32"])).ok();
    assert_eq!(ran.stderr, "", "without --classes, the weights say how many");
    let record = &records(workspace.path().join("out/explain.json"))[0];
    assert_eq!(record["logits"].as_array().unwrap().len(), 10);

    // The same in a run: whoever trains first from the weights says so, here the warm-up that both trials share.
    folder(&workspace);
    let settings = "layers=[1,1,1,1], widths=[8,12,16,24], stem_width=8";
    let model = format!("model={{name=\"resnet18\", {settings}, weights={weights:?}}}");
    let ran = workspace
        .fovea(&["run", "folder.toml", "axes.loss=[\"none\",\"ria\"]", &model, "localizer=full-image"])
        .ok();
    assert_eq!(ran.stderr.matches("the weights have 10 classes, not 2").count(), 1, "{}", ran.stderr);
    let stages = std::fs::read_dir(workspace.path().join("runs/folder/stages")).unwrap();
    let events: String =
        stages.map(|s| std::fs::read_to_string(s.unwrap().path().join("events.jsonl")).unwrap()).collect();
    assert!(
        events.contains(r#""event":"warning","message":"model resnet18: the weights have 10"#),
        "{events}"
    );
}

#[test]
fn a_trained_trial_explains_pictures() {
    let workspace = Workspace::new();
    workspace.write("small.toml", SMALL);
    workspace.fovea(&["run", "small.toml", "training.epochs=1", "training.warmup_epochs=0"]).ok();
    workspace.write("photos/a.png", png(120));
    let id = workspace.run("small").read_plan().unwrap().trials[0].id.to_string();
    for trial in
        [format!("runs/small/{}", &id[..4]), format!("runs/small/trials/{id}"), "runs/small".to_owned()]
    {
        let args = ["explain", "--trial", &trial, "--images", "photos/a.png", "--out", "out"];
        let ran = workspace.fovea(&args).ok();
        assert_eq!(ran.stderr, "");
        let maps = read_tensors(&workspace.path().join("out/heatmaps.safetensors"));
        assert_eq!(maps["heatmap_a"].0, [32, 32], "the trial's input size");
    }
    let both = ["explain", "--trial", "runs/small", "--model", "vgg16", "--images", "photos", "--out", "out"];
    workspace.fovea(&both).fails(2, &["--trial", "--model"]);
}

#[test]
fn bad_input_is_told_with_the_way_out() {
    let workspace = Workspace::new();
    workspace.write("photos/a.png", png(40));
    workspace.write("twins/a.png", png(40));
    workspace.write("twins/a.jpg", png(40));
    workspace.write("empty/class/a.png", png(40));
    let weights = golden("resnet_basic.pth");
    let run = |args: &[&str]| workspace.fovea(args);
    run(&explain(&weights, "twins", &[])).fails(3, &["twins/a.png", "twins/a.jpg", "heatmap_a", "rename"]);
    run(&explain(&weights, "empty", &[])).fails(3, &["empty holds no .jpg", "not searched"]);
    run(&explain(&weights, "empty", &[]))
        .fails(3, &["empty holds 1 folder with pictures, not looked into: class"]);
    run(&explain(&weights, "nowhere", &[])).fails(3, &["there is no nowhere"]);
    let pipe = |path: &str| {
        let path = workspace.path().join(path);
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    pipe("pipe.safetensors");
    pipe("pipe.png");
    run(&explain(&weights, "pipe.safetensors", &[])).fails(3, &["pipe.safetensors", "not a file"]);
    run(&explain(&weights, "pipe.png", &[])).fails(3, &["pipe.png", "it is a pipe"]);
    run(&explain("no.pth", "photos", &[])).fails(3, &["there is no file no.pth"]);
    run(&explain(&golden("vgg.pth"), "photos", &[]))
        .fails(2, &["vgg.pth", "weights of another network: they are named as a VGG with 4 convolutions"]);
    run(&explain(&weights, "photos", &["--set", "withs=[1]", "--set", "stm=1"]))
        .fails(2, &["withs", "stm", "`widths`"]);
    run(&explain(&weights, "photos", &["--threshold", "-1"])).fails(2, &["threshold"]);
    run(&explain(&weights, "photos", &["--batch", "0"])).fails(2, &["--batch"]);
    run(&explain(&weights, "photos", &["--device", "cuda:0"])).fails(4, &["cuda:0"]);
    let mut own = explain(&weights, "photos", &["--overlay"]);
    own.iter_mut().filter(|a| **a == "out").for_each(|a| *a = "./photos/");
    run(&own).fails(2, &["own folder"]);
    let mut unknown = explain(&weights, "photos", &[]);
    unknown[2] = "resnet81";
    run(&unknown).fails(2, &["resnet81", "resnet18"]);
    run(&["explain", "--images", "photos", "--out", "out"]).fails(2, &["--model", "--weights"]);
    let vgg_weights = golden("vgg.pth");
    let vgg = [
        "explain",
        "--model",
        "vgg16",
        "--weights",
        &vgg_weights,
        "--size",
        "8",
        "--images",
        "photos",
        "--out",
        "out",
    ];
    run(&vgg).fails(2, &["5 stages leave nothing of a picture of 8x8"]);

    let wrong: Tensors = [("a".to_owned(), (vec![1, 4, 4], vec![0.0; 16]))].into();
    workspace.write("wrong.safetensors", tensors(&wrong));
    run(&explain(&weights, "wrong.safetensors", &[]))
        .fails(3, &["wrong.safetensors", "`a`", "[3, height, width]"]);
    let whole = tensors(&[("a".to_owned(), (vec![3, 4, 4], vec![0.0; 48]))].into());
    workspace.write("cut.safetensors", &whole[..whole.len() - 1]);
    run(&explain(&weights, "cut.safetensors", &[])).fails(3, &["cut.safetensors", "cut short"]);
    let nan: Tensors = [("a".to_owned(), (vec![3, 32, 32], vec![f32::NAN; 3072]))].into();
    workspace.write("nan.safetensors", tensors(&nan));
    run(&explain(&weights, "nan.safetensors", &[])).fails(3, &["`a`", "not finite"]);
}

#[test]
fn weights_are_read_by_their_content_whatever_their_name() {
    let workspace = Workspace::new();
    workspace.write("photos/a.png", png(90));
    let settings = ["layers=[1,1,1,1]", "widths=[8,12,16,24]", "stem_width=8"];
    let explain = |weights: &str| {
        let mut args =
            vec!["explain", "--model", "resnet18", "--images", "photos", "--out", "out", "--size", "32"];
        settings.iter().for_each(|setting| args.extend(["--set", setting]));
        args.extend(["--weights", weights]);
        workspace.fovea(&args)
    };
    let (pth, safe) = (golden("resnet_basic.pth"), golden("resnet_basic.safetensors"));
    for (name, from) in [
        ("resnet18-imagenet-100.pth", &pth),
        ("best.pth.tar", &pth),
        ("epoch=3.ckpt", &pth),
        ("pytorch_model.bin", &pth),
        ("weights", &safe),
        ("weights.pth", &safe),
        ("weights.safetensors", &pth),
    ] {
        std::fs::copy(from, workspace.path().join(name)).unwrap();
        explain(name).ok();
    }
    // Under other names than the network's, f32 again.
    let mut own = read_tensors(Path::new(&safe));
    own.retain(|name, _| !name.ends_with("num_batches_tracked"));
    for prefix in ["module.", "model._orig_mod.", "net.", "backbone.", "anything.at.all."] {
        let renamed: Tensors =
            own.iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor.clone())).collect();
        workspace.write("renamed.safetensors", tensors(&renamed));
        explain("renamed.safetensors").ok();
    }
    let mut spoilt = own.clone();
    spoilt.get_mut("layer1.0.conv1.weight").unwrap().1[3] = f32::NAN;
    workspace.write("nan.safetensors", tensors(&spoilt));
    explain("nan.safetensors").fails(3, &["1 of 576 values of tensor `layer1.0.conv1.weight` are NaN"]);
}

#[test]
fn what_is_no_checkpoint_is_told_when_the_plan_is_made() {
    let workspace = Workspace::new();
    workspace
        .write("lfs.pth", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 46830571\n");
    workspace.write("page.pth", "<!DOCTYPE html><html>404</html>");
    workspace.write("empty.pth", "");
    let whole = std::fs::read(golden("resnet_basic.pth")).unwrap();
    workspace.write("cut.pth", &whole[..whole.len() / 2]);
    let resnet = golden("resnet_basic.pth");
    for (model, said) in [
        ("{name=\"resnet18\", weights=\"lfs.pth\"}", "git lfs pull"),
        ("{name=\"resnet18\", weights=\"page.pth\"}", "web page"),
        ("{name=\"vgg16\", weights=\"empty.pth\"}", "empty (0 bytes)"),
        ("{name=\"resnet18\", weights=\"cut.pth\"}", "damaged or cut short"),
        ("{name=\"resnet18\", weights=\"nowhere.pth\"}", "there is no file"),
        (
            &format!("{{name=\"vgg16\", weights=\"{resnet}\"}}"),
            "these are weights of another network: they are named as a ResNet",
        ),
        (&format!("{{name=\"resnet50\", weights=\"{resnet}\"}}"), "there is no `layer1.1.conv1.weight`"),
    ] {
        workspace.write(
            "x.toml",
            format!("{SMALL}\n").replace(
                "[model]\nname = \"resnet-tiny\"\nstem_width = 4\nwidths = [4, 4, 8, 8]\n",
                &format!("[model]\n{}\n", table(model)),
            ),
        );
        let planned = workspace.fovea(&["plan", "x.toml"]).fails(2, &[said]);
        assert!(planned.stderr.contains("x.toml:"), "a place: {}", planned.stderr);
    }
    // Of a localizer, too.
    let localizer = format!("localizer={{name=\"lost\", weights=\"{resnet}\"}}");
    workspace.write("small.toml", SMALL);
    workspace
        .fovea(&["plan", "small.toml", &localizer])
        .fails(2, &["these are weights of another network", "there is no `cls_token`"]);
}

/// An inline table as lines.
fn table(inline: &str) -> String {
    inline.trim_matches(['{', '}']).split(", ").map(|entry| format!("{entry}\n")).collect()
}
