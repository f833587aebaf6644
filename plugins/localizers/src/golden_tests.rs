//! Agreement with the reference implementations; the data are in `tests/golden`.

use crate::lost::{degrees, expand};
use crate::patches::vit::VisionTransformer;
use crate::patches::{Found, Grid, PatchFeatures as _, localization, products, values};
use crate::tokencut::cut;
use burn::tensor::{Device, Tensor, TensorData};
use fovea_api::registry::BuildContext;
use fovea_api::{ImageView, Localizer, Registry, RgbImage, StateDict};
use rayon::prelude::*;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::Deserialize;
use serde_json::json;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(name)
}

fn json<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(golden(name)).unwrap()).unwrap()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

#[derive(Deserialize)]
struct LostCase {
    case: usize,
    rows: usize,
    cols: usize,
    patch: usize,
    k_patches: usize,
    image_h: usize,
    image_w: usize,
    #[serde(rename = "box")]
    bbox: [f32; 4],
    seed: usize,
    degree: Vec<usize>,
}

#[derive(Deserialize)]
struct Answer {
    case: usize,
    #[serde(rename = "box")]
    bbox: [f32; 4],
    seed: usize,
}

impl LostCase {
    fn features(&self) -> Tensor<3> {
        let bytes = std::fs::read(golden("lost_features.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let view = file.tensor(&format!("features_{}", self.case)).unwrap();
        let shape = [1, view.shape()[0], view.shape()[1]];
        Tensor::from_data(TensorData::new(floats(view.data()), shape), &Device::flex())
    }

    fn bbox(&self, found: &Found) -> [f32; 4] {
        let picture = RgbImage { width: self.image_w, height: self.image_h, pixels: Vec::new() };
        let grid = Grid { rows: self.rows, cols: self.cols, patch: [self.patch as f32; 2] };
        localization(found, grid, &picture).unwrap().bbox.to_array()
    }
}

#[test]
fn lost_finds_what_the_official_code_finds() {
    let cases: Vec<LostCase> = json("lost_boxes.json");
    assert_eq!(cases.len(), 24);
    for case in cases {
        let similarity = products(case.features()).remove(0);
        assert_eq!(degrees(&similarity, case.rows * case.cols), case.degree, "case {}", case.case);
        let found = expand(&similarity, case.k_patches).unwrap();
        assert_eq!((found.seed, case.bbox(&found)), (case.seed, case.bbox), "case {}", case.case);
    }
}

#[test]
fn tokencut_finds_what_scipy_finds() {
    let cases: Vec<LostCase> = json("lost_boxes.json");
    let answers: Vec<Answer> = json("tokencut_boxes.json");
    assert_eq!(answers.len(), 13);
    for answer in answers {
        let case = &cases[answer.case];
        let features = case.features();
        let length = features.clone().square().sum_dim(2).sqrt();
        let found = cut(&products(features / length).remove(0), 0.2).unwrap();
        assert_eq!((found.seed, case.bbox(&found)), (answer.seed, answer.bbox), "case {}", answer.case);
    }
}

/// The pictures of DINO's cases.
fn pictures() -> Vec<RgbImage> {
    let bytes = std::fs::read(golden("dino_cases.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let picture = |i: usize| {
        let view = file.tensor(&format!("image_{i}")).unwrap();
        let [_, height, width] = view.shape().try_into().unwrap();
        let plane = height * width;
        let pixels = (0..3 * plane).map(|p| view.data()[p % 3 * plane + p / 3]).collect();
        RgbImage { width, height, pixels }
    };
    (0..4).map(picture).collect()
}

/// The checkpoint as a `.safetensors` file.
fn as_safetensors(directory: &Path) -> PathBuf {
    let dict = StateDict::read(&golden("dino_vit.pth")).unwrap();
    let bytes = |data: &TensorData| data.iter::<f32>().flat_map(f32::to_le_bytes).collect::<Vec<u8>>();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> =
        dict.0.iter().map(|(name, data)| (name.clone(), data.shape().to_vec(), bytes(data))).collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    let path = directory.join("dino.safetensors");
    safetensors::serialize_to_file(views, None, &path).unwrap();
    path
}

#[test]
fn keys_are_those_of_the_official_vision_transformer() {
    let bytes = std::fs::read(golden("dino_cases.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for path in [golden("dino_vit.pth"), as_safetensors(directory.path())] {
        let network =
            VisionTransformer::new(StateDict::read(&path).unwrap(), Some(3), &Device::flex()).unwrap();
        for (i, picture) in pictures().iter().enumerate() {
            let expected = floats(file.tensor(&format!("k_{i}")).unwrap().data());
            let keys = values(network.extract(&[picture]).unwrap().features);
            assert_eq!(keys.len(), expected.len());
            let largest = expected.iter().fold(0f32, |m, v| m.max(v.abs()));
            let error = keys.iter().zip(&expected).fold(0f32, |m, (a, b)| m.max((a - b).abs())) / largest;
            println!("case {i}: {error}");
            assert!(error < 1e-5, "case {i}: {error}");
        }
    }
}

fn localizer(name: &str, config: serde_json::Value) -> Box<dyn Localizer> {
    let mut registry = Registry::new();
    crate::register(&mut registry);
    fovea_models::register(&mut registry);
    let context = BuildContext { base_dir: golden(""), device: Device::flex(), registry: registry.clone() };
    registry.build_localizer(name, config, &context).unwrap()
}

fn views(pictures: &[RgbImage]) -> Vec<ImageView<'_>> {
    let view = |(index, image)| ImageView { id: "x", split: "train", index, image, mask: None };
    pictures.iter().enumerate().map(view).collect()
}

#[test]
fn lost_on_dino_finds_what_the_official_code_finds() {
    let answers: Vec<Answer> = json("dino_boxes.json");
    let lost = localizer("lost", json!({"weights": "dino_vit.pth", "heads": 3}));
    let found = lost.localize(&views(&pictures())).unwrap();
    assert_eq!(found.len(), answers.len());
    for (answer, found) in answers.iter().zip(found) {
        let found = found.unwrap();
        assert_eq!((found.seed, found.bbox.to_array()), (Some(answer.seed), answer.bbox), "{}", answer.case);
        let mask = found.mask.unwrap();
        assert_eq!(mask.tight_box().unwrap(), found.bbox, "the mask fills the box");
    }
}

/// Pictures of two sizes: a textured disc on a plain ground.
fn discs() -> Vec<RgbImage> {
    let disc = |i: usize| {
        let (width, height) = if i.is_multiple_of(2) { (96, 80) } else { (70, 90) };
        let (cx, cy) = (30.0 + 3.0 * i as f32, 45.0);
        let pixel = |p: usize| {
            let (x, y) = ((p % width) as f32, (p / width) as f32);
            let ground = [90, 120, (80 + p % 7) as u8];
            let stripes = if (x as usize / 3).is_multiple_of(2) { 240 } else { 30 };
            if (x - cx).hypot(y - cy) < 18.0 { [stripes, 40, 60] } else { ground }
        };
        RgbImage { width, height, pixels: (0..width * height).flat_map(pixel).collect() }
    };
    (0..5).map(disc).collect()
}

#[test]
fn a_batch_gives_what_its_pictures_give_alone() {
    let directory = tempfile::tempdir().unwrap();
    let dino = as_safetensors(directory.path());
    let narrow = json!({"layers": [1, 1, 1, 1], "widths": [4, 6, 8, 12], "stem_width": 4});
    let (resnet, vgg) = (golden("resnet_bottleneck.pth"), golden("vgg.pth"));
    let stages = json!({"stages": [[8], [12], [16, 16]], "hidden": [32, 24]});
    for (name, config) in [
        ("lost", json!({"weights": dino, "heads": 3})),
        ("tokencut", json!({"weights": dino, "heads": 3})),
        ("dino-seg", json!({"weights": dino, "heads": 3, "head": 1})),
        ("lost", json!({"features": "patch-stats", "patch": 8})),
        ("tokencut", json!({"features": "patch-stats", "patch": 8})),
        ("lost", json!({"features": "resnet50", "weights": resnet, "network": narrow})),
        ("lost", json!({"features": "vgg16", "weights": vgg, "network": stages})),
    ] {
        let localizer = localizer(name, config);
        let pictures = discs();
        let together = localizer.localize(&views(&pictures)).unwrap();
        let alone: Vec<_> =
            views(&pictures).par_iter().flat_map(|view| localizer.localize(&[*view]).unwrap()).collect();
        assert_eq!(together, alone, "{name}");
        assert!(together.iter().all(Option::is_some), "{name}");
        for (found, picture) in together.iter().flatten().zip(&pictures) {
            let [x1, y1, x2, y2] = found.bbox.to_array();
            assert!(0.0 <= x1 && x1 < x2 && x2 <= picture.width as f32, "{name} {found:?}");
            assert!(0.0 <= y1 && y1 < y2 && y2 <= picture.height as f32, "{name} {found:?}");
        }
        assert!(localizer.localize(&[]).unwrap().is_empty());
    }
}

#[test]
fn without_weights_lost_finds_a_disc_on_a_plain_ground() {
    let lost = localizer("lost", json!({"features": "patch-stats", "patch": 8}));
    let pictures = discs();
    for (i, found) in lost.localize(&views(&pictures)).unwrap().into_iter().enumerate() {
        let cx = 30.0 + 3.0 * i as f32;
        let truth = fovea_api::BBox::new(cx - 18.0, 27.0, cx + 18.0, 63.0);
        let iou = found.unwrap().bbox.iou(&truth);
        assert!(iou > 0.5, "picture {i}: {iou}");
    }
}

#[test]
fn the_key_follows_configuration_and_weights_but_not_their_place() {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("copy.pth");
    std::fs::copy(golden("dino_vit.pth"), &copy).unwrap();
    let key = |name, config| localizer(name, config).cache_key().unwrap();
    let here = key("lost", json!({"weights": "dino_vit.pth", "heads": 3}));
    assert_eq!(here, key("lost", json!({"weights": copy, "heads": 3})));
    assert_ne!(here, key("lost", json!({"weights": copy, "heads": 3, "k_patches": 10})));
    assert_ne!(here, key("tokencut", json!({"weights": copy, "heads": 3})));
    assert_ne!(here, key("lost", json!({"weights": as_safetensors(directory.path()), "heads": 3})));
    let inner = json!({"inner": {"name": "lost", "weights": copy, "heads": 3}});
    assert_eq!(here, key("shuffled", inner), "shuffled boxes are the same boxes");
    assert_eq!(localizer("ground-truth", json!({})).cache_key(), None);
}

#[test]
fn what_is_wrong_with_a_checkpoint_is_told_in_full() {
    let read = || StateDict::read(&golden("dino_vit.pth")).unwrap();
    let refusal = |dict, heads| VisionTransformer::new(dict, heads, &Device::flex()).map(|_| ()).unwrap_err();
    let mut dict = read();
    let norm = dict.0.remove("norm.weight").unwrap();
    dict.0.insert("blocks.1.attn.proj.bias".to_owned(), TensorData::zeros::<f32, _>([7]));
    dict.0.insert("extra".to_owned(), norm);
    let message = refusal(dict, Some(3));
    for part in ["missing: norm.weight", "unexpected: extra", "blocks.1.attn.proj.bias [7] instead of [48]"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(refusal(read(), Some(5)).contains("`heads`"));
    let resnet = StateDict::read(&golden("resnet_basic.pth")).unwrap();
    assert!(refusal(resnet, None).contains("no vision transformer"));

    let mut nested = read();
    nested.0 = nested.0.into_iter().map(|(n, d)| (format!("teacher.backbone.{n}"), d)).collect();
    nested.0.insert("student.head.weight".to_owned(), TensorData::zeros::<f32, _>([1]));
    VisionTransformer::new(nested, Some(3), &Device::flex()).map(|_| ()).unwrap();
}
