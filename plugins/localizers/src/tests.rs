//! Every localizer through the registry, as experiments reach it.

use fovea_api::registry::{BuildContext, PluginKind};
use fovea_api::{ImageView, Localizer, Mask, PluginError, Registry, RgbImage};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn registry() -> Registry {
    let mut registry = Registry::new();
    crate::register(&mut registry);
    registry
}

fn build(name: &str, config: Value) -> Result<Box<dyn Localizer>, PluginError> {
    let registry = registry();
    let context =
        BuildContext { base_dir: PathBuf::from("."), device: Default::default(), registry: registry.clone() };
    registry.build_localizer(name, config, &context)
}

fn refusal(name: &str, config: Value) -> String {
    build(name, config).map(|_| ()).unwrap_err().to_string()
}

fn issues(name: &str, config: Value) -> String {
    let registry = registry();
    let issues =
        registry.get(PluginKind::Localizer, name).unwrap().resolve(config, Path::new(".")).unwrap_err();
    issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A 20 x 10 picture and a mask with an object at columns 3..8, rows 2..6.
fn picture() -> (RgbImage, Mask) {
    let inside = |i: usize| (3..8).contains(&(i % 20)) && (2..6).contains(&(i / 20));
    let pixels = (0..200).map(|i| if inside(i) { 255 } else { 0 }).collect();
    (RgbImage { width: 20, height: 10, pixels: vec![0; 600] }, Mask { width: 20, height: 10, pixels })
}

fn boxes(localizer: &dyn Localizer, split: &str, masked: bool, indices: &[usize]) -> Vec<Option<[f32; 4]>> {
    let (image, mask) = picture();
    let view =
        |&index: &usize| ImageView { id: "x", split, index, image: &image, mask: masked.then_some(&mask) };
    let views: Vec<ImageView<'_>> = indices.iter().map(view).collect();
    localizer.localize(&views).unwrap().into_iter().map(|l| l.map(|l| l.bbox.to_array())).collect()
}

#[test]
fn the_truth_is_the_tight_box_and_the_mask() {
    let truth = build("ground-truth", json!({})).unwrap();
    assert_eq!(boxes(&*truth, "train", true, &[0]), [Some([3.0, 2.0, 8.0, 6.0])]);
    assert_eq!(boxes(&*truth, "train", false, &[0]), [None]);
    let (image, mask) = picture();
    let views = [ImageView { id: "x", split: "train", index: 0, image: &image, mask: Some(&mask) }];
    let found = truth.localize(&views).unwrap().remove(0).unwrap();
    assert_eq!((found.mask, found.confidence), (Some(mask), 1.0));
    assert_eq!(truth.permutation("train", 5), None);
}

#[test]
fn fixed_boxes_follow_the_size() {
    let full = build("full-image", json!({})).unwrap();
    assert_eq!(boxes(&*full, "train", false, &[0]), [Some([0.0, 0.0, 20.0, 10.0])]);
    let center = build("center-box", json!({})).unwrap();
    assert_eq!(boxes(&*center, "train", false, &[0]), [Some([5.0, 2.5, 15.0, 7.5])]);
    let random =
        registry().get(PluginKind::Localizer, "random-box").unwrap().resolve(json!({}), Path::new("."));
    assert_eq!(random.unwrap().config, json!({"seed": 0, "min_fraction": 0.2, "max_fraction": 0.8}));
    assert!(issues("center-box", json!({"fraction": 0.0})).starts_with("fraction: 0 is not above 0"));
    assert!(issues("random-box", json!({"min_fraction": 0.9})).starts_with("min_fraction: 0.9 to 0.8"));
}

#[test]
fn random_boxes_are_stable_and_inside() {
    let random = build("random-box", json!({})).unwrap();
    let indices: Vec<usize> = (0..200).collect();
    let together = boxes(&*random, "train", false, &indices);
    let alone: Vec<_> = indices.iter().flat_map(|&i| boxes(&*random, "train", false, &[i])).collect();
    assert_eq!(together, alone);
    assert_ne!(together, boxes(&*random, "test", false, &indices));
    assert_ne!(together, boxes(&*build("random-box", json!({"seed": 1})).unwrap(), "train", false, &indices));
    for [x1, y1, x2, y2] in together.into_iter().flatten() {
        assert!(0.0 <= x1 && x2 <= 20.0 && 0.0 <= y1 && y2 <= 10.0);
        assert!((3.99..=16.01).contains(&(x2 - x1)) && (1.99..=8.01).contains(&(y2 - y1)));
    }
}

#[test]
fn nobody_keeps_their_box() {
    let shuffled = build("shuffled", json!({})).unwrap();
    assert_eq!(boxes(&*shuffled, "train", true, &[0]), [Some([3.0, 2.0, 8.0, 6.0])]);
    for count in [2, 3, 10, 1000] {
        let permutation = shuffled.permutation("train", count).unwrap();
        assert!(permutation.iter().enumerate().all(|(i, &p)| i != p), "{permutation:?}");
        let mut sorted = permutation.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..count).collect::<Vec<_>>());
        assert_eq!(permutation, shuffled.permutation("train", count).unwrap());
    }
    assert_ne!(shuffled.permutation("train", 100), shuffled.permutation("test", 100));
    let other = build("shuffled", json!({"seed": 1})).unwrap();
    assert_ne!(shuffled.permutation("train", 100), other.permutation("train", 100));
    assert_eq!(shuffled.permutation("train", 1), Some(vec![0]));
    assert_eq!(shuffled.permutation("train", 0), Some(vec![]));
}

#[test]
fn shuffled_wraps_any_localizer_and_names_its_mistakes() {
    let center = build("shuffled", json!({"inner": {"name": "center-box", "fraction": 1.0}})).unwrap();
    assert_eq!(boxes(&*center, "train", false, &[0]), [Some([0.0, 0.0, 20.0, 10.0])]);

    let message = issues("shuffled", json!({"inner": {"name": "center-box", "fraction": 2.0}}));
    assert!(message.starts_with("inner.fraction: 2 is not"), "{message}");
    let message = issues("shuffled", json!({"inner": {"name": "center-box", "fractoin": 0.2}}));
    assert!(message.contains("unknown field `fractoin`"), "{message}");
    let message = issues("shuffled", json!({"inner": {}}));
    assert!(message.starts_with("inner.name: missing"), "{message}");
    assert!(issues("shuffled", json!({"inner": {"name": "shuffled"}})).contains("cannot shuffle itself"));
    assert!(issues("shuffled", json!({"inner": {"name": 3}})).contains("name of a localizer"));

    // A name that this crate does not know may be a loaded plugin's, until it is built.
    let message = refusal("shuffled", json!({"inner": {"name": "ground-trut"}}));
    assert!(message.contains("inner.name") && message.contains("did you mean `ground-truth`"), "{message}");
    let message = refusal("shuffled", json!({"inner": {"name": "center-box", "fraction": 2.0}}));
    assert!(message.contains("inner.fraction: 2 is not"), "{message}");
}

#[test]
fn the_inner_version_is_part_of_the_fingerprint() {
    let registry = registry();
    let entry = registry.get(PluginKind::Localizer, "shuffled").unwrap();
    let resolved = entry.resolve(json!({}), Path::new(".")).unwrap();
    assert_eq!(resolved.config, json!({"inner": {"name": "ground-truth"}, "seed": 0}));
    assert_eq!(resolved.fingerprint, "v1 ground-truth v1");
}
