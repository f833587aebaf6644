//! What good and bad plugins answer, through the traits of `fovea_api`.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod fixtures;

use burn::tensor::{Device, Tensor, TensorData};
use fixtures::compile;
use fovea_api::registry::{BuildContext, Resolved};
use fovea_api::{
    Ahead, BBox, BoxExtractor, Boxes, Explanation, HeatmapView, ImageView, Localizer, ModelContext,
    PluginKind, Precision, Registry, RgbImage,
};
use fovea_host::guard::Limits;
use fovea_host::{Search, load};
use serde_json::{Value, json};
use std::path::Path;
use tempfile::TempDir;

struct Plugins {
    registry: Registry,
    context: BuildContext,
    _dir: TempDir,
}

fn plugins(source: &str) -> Plugins {
    let (dir, file) = compile(source, &[]);
    let mut registry = Registry::new();
    let limits = Limits { memory: Some(100 << 20), ..Limits::default() };
    load(&Search { paths: vec![file], surroundings: false, prober: None, limits }, &mut registry).unwrap();
    let context =
        BuildContext { base_dir: dir.path().to_owned(), device: Device::flex(), registry: registry.clone() };
    Plugins { registry, context, _dir: dir }
}

impl Plugins {
    fn resolve(&self, kind: PluginKind, name: &str, config: Value) -> Result<Resolved, String> {
        let found = self.registry.get(kind, name).unwrap().resolve(config, &self.context.base_dir);
        found.map_err(|issues| issues.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    fn localizer(&self, name: &str, config: Value) -> Box<dyn Localizer> {
        let config = self.resolve(PluginKind::Localizer, name, config).unwrap().config;
        self.registry.build_localizer(name, config, &self.context).unwrap()
    }

    fn extractor(&self) -> Box<dyn BoxExtractor> {
        self.registry.build_extractor("mean-box", json!({}), &self.context).unwrap()
    }
}

/// A picture whose green is 255 in the box and `elsewhere` outside.
fn picture(width: usize, height: usize, green: [usize; 4], elsewhere: u8) -> RgbImage {
    let [x1, y1, x2, y2] = green;
    let inside = |i: usize| (x1..x2).contains(&(i % width)) && (y1..y2).contains(&(i / width));
    let pixels = (0..width * height).flat_map(|i| [0, if inside(i) { 255 } else { elsewhere }, 0]).collect();
    RgbImage { width, height, pixels }
}

fn view(image: &RgbImage, index: usize) -> ImageView<'_> {
    ImageView { id: "a.png", split: "test", index, image, mask: None }
}

#[test]
fn a_localizer_answers_in_batches_and_its_errors_name_the_picture() {
    let plugins = plugins("good");
    let localizer = plugins.localizer("green-box", json!({"margin": 1, "mask": true}));
    let images = [
        picture(6, 4, [1, 1, 4, 3], 0),
        picture(5, 5, [0, 0, 0, 0], 0),
        picture(3, 2, [0, 0, 3, 2], 0),
        picture(3, 2, [0, 0, 1, 1], 7),
    ];
    let views: Vec<_> = images.iter().enumerate().map(|(i, image)| view(image, i)).collect();
    let found = localizer.localize(&views[..3]).unwrap();
    assert_eq!(found[0].as_ref().unwrap().bbox, BBox::new(2.0, 1.0, 4.0, 3.0));
    assert!(found[1].is_none());
    let last = found[2].as_ref().unwrap();
    assert_eq!((last.bbox, last.confidence), (BBox::new(1.0, 0.0, 3.0, 2.0), 0.5));
    assert_eq!(last.mask.as_ref().unwrap().pixels, [255; 6]);
    let mask = found[0].as_ref().unwrap().mask.as_ref().unwrap();
    assert_eq!(mask.tight_box().unwrap(), BBox::new(1.0, 1.0, 4.0, 3.0));
    assert!(localizer.localize(&[]).unwrap().is_empty());
    let error = localizer.localize(&views).unwrap_err().to_string();
    assert_eq!(
        error,
        "localizer green-box (good.so): picture 3 of test (`a.png`): `localize` failed: seven is not a nice green"
    );
}

#[test]
fn configurations_are_checked_by_the_schema_and_files_count_by_contents() {
    let plugins = plugins("good");
    let resolve = |config| plugins.resolve(PluginKind::Localizer, "green-box", config);
    let plain = resolve(json!({})).unwrap();
    assert_eq!(plain.config, json!({"margin": 0, "mask": false, "file": null}));
    assert_eq!(plain.paths, ["file"]);
    let hash = plain.fingerprint.strip_prefix("v1.2.0 so:").unwrap();
    assert_eq!(hash.len(), 64);
    assert_eq!(resolve(json!({"margin": 101})).unwrap_err(), "margin: 101 is not at most 100");
    let with = |name: &str, contents: &str| {
        std::fs::write(plugins.context.base_dir.join(name), contents).unwrap();
        resolve(json!({ "file": name })).unwrap().fingerprint
    };
    assert_eq!(with("a", "1"), with("b", "1"));
    assert_ne!(with("a", "1"), with("a", "2"));
    assert!(resolve(json!({"file": "nowhere"})).unwrap_err().starts_with("file: cannot read `"));
    let key = |config| plugins.localizer("green-box", config).cache_key().unwrap();
    assert!(key(json!({})).contains(hash));
    assert_ne!(key(json!({})), key(json!({"margin": 1})));
}

#[test]
fn an_extractor_can_be_trained_through() {
    let plugins = plugins("good");
    let extractor = plugins.extractor();
    let device = Device::flex().autodiff();
    let heat = vec![1.0f32, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let view = HeatmapView { height: 2, width: 2, values: &heat[..4] };
    let none = HeatmapView { height: 2, width: 2, values: &heat[4..] };
    assert_eq!(extractor.hard(&[view, none]).unwrap(), [Some(BBox::new(0.0, 0.0, 2.0, 2.0)), None]);
    let heat = Tensor::<3>::from_data(TensorData::new(heat, [2, 2, 2]), &device).require_grad();
    let boxes = extractor.extract(heat.clone() * 2.0).unwrap();
    assert_eq!(boxes.valid, [true, false]);
    let values: Vec<f32> = boxes.differentiable.to_data().iter::<f32>().collect();
    assert_eq!(values, [2.0, 4.0, 6.0, 8.0, 0.0, 0.0, 0.0, 0.0]);
    let weights = Tensor::<2>::from_data([[1.0f32, 0.0, 0.0, 1.0], [1.0, 1.0, 1.0, 1.0]], &device);
    let gradients = (boxes.differentiable * weights).sum().backward();
    let gradient: Vec<f32> = heat.grad(&gradients).unwrap().to_data().iter::<f32>().collect();
    assert_eq!(gradient, [2.5, 2.5, 2.5, 2.5, 0.0, 0.0, 0.0, 0.0]);
}

fn explanation(device: &Device) -> (Tensor<3>, Tensor<2>, Explanation) {
    let heatmaps = Tensor::<3>::from_data([[[1.0f32, 2.0], [0.0, 1.0]], [[4.0, 0.0], [0.0, 0.0]]], device)
        .require_grad();
    let boxes =
        Tensor::<2>::from_data([[0.0f32, 0.0, 2.0, 1.0], [0.0, 0.0, 2.0, 2.0]], device).require_grad();
    let explanation = Explanation {
        heatmaps: heatmaps.clone(),
        boxes: Some(Boxes {
            hard: boxes.clone().detach(),
            differentiable: boxes.clone(),
            valid: vec![true, true],
        }),
        targets: Tensor::from_data([[0.0f32, 0.0, 1.0, 2.0], [0.0, 0.0, 0.0, 0.0]], device),
        masks: None,
        valid: vec![true, false],
    };
    (heatmaps, boxes, explanation)
}

#[test]
fn losses_have_the_gradients_that_the_plugin_gives() {
    let plugins = plugins("good");
    let device = Device::flex().autodiff();
    let numbers = |tensor: Tensor<1>| -> Vec<f32> { tensor.to_data().iter::<f32>().collect() };
    let weights = Tensor::<1>::from_data([3.0f32, 1.0], &device);

    let loss = plugins.registry.build_loss("distance", json!({}), &plugins.context).unwrap();
    let (_, boxes, seen) = explanation(&device);
    let value = loss.loss(&seen).unwrap();
    assert_eq!(numbers(value.clone()), [0.25, 0.0]);
    let gradients = (value * weights.clone()).sum().backward();
    let gradient = boxes.grad(&gradients).unwrap().reshape([8]);
    assert_eq!(numbers(gradient), [0.0, 0.0, 0.75, -0.75, 0.0, 0.0, 0.0, 0.0]);

    // This one multiplies by the upstream gradient itself.
    let loss = plugins.registry.build_loss("energy-c", json!({}), &plugins.context).unwrap();
    let (heatmaps, _, seen) = explanation(&device);
    let value = loss.loss(&seen).unwrap();
    assert_eq!(numbers(value.clone()), [1.5, 0.0]);
    let gradients = (value * weights).sum().backward();
    let gradient = numbers(heatmaps.grad(&gradients).unwrap().reshape([8]));
    assert_eq!(gradient[..4], [1.5, 3.0, 0.0, 1.5]);
}

#[test]
fn a_model_is_built_from_its_graph() {
    let plugins = plugins("good");
    let context = ModelContext {
        classes: 3,
        input_size: 16,
        seed: 0,
        device: Device::flex().autodiff(),
        precision: Precision::default(),
        base_dir: Path::new(".").to_owned(),
    };
    let built = plugins.registry.build_model("small-graph", json!({}), &context).unwrap();
    let shapes: Vec<_> = built.model.tensors().iter().map(|tensor| tensor.data.shape().to_vec()).collect();
    assert!(shapes.contains(&vec![8, 3, 3, 3]), "{shapes:?}");
    let trained = built
        .model
        .tensors()
        .iter()
        .filter(|tensor| tensor.trained)
        .map(|t| t.data.num_elements())
        .sum::<usize>();
    let ahead = Ahead { classes: 3, input_size: 16, base_dir: Path::new(".") };
    let forecast = plugins.registry.forecast_model("small-graph", json!({}), &ahead).unwrap().unwrap();
    assert_eq!((forecast.trained, forecast.parameters), (trained as u128, trained as u128));
    assert!(forecast.held >= 3 * 16 * 16 && forecast.widest >= 3 * 16 * 16, "{forecast:?}");
}

#[test]
fn answers_that_cannot_be_right_are_refused() {
    let plugins = plugins("wild");
    let image = picture(4, 4, [0, 0, 1, 1], 0);
    let error = |what: &str| {
        let localizer = plugins.localizer("wild", json!({ "what": what }));
        localizer.localize(&[view(&image, 5)]).unwrap_err().message
    };
    for (what, expected) in [
        (
            "nan",
            "`localize` gave the box [NaN, 0, 4, 4], and a box that is not empty is expected within the picture",
        ),
        ("outside", "`localize` gave the box [0, 0, 5, 4]"),
        ("empty", "`localize` gave the box [4, 0, 4, 4]"),
        ("confident", "`localize` gave the confidence 1.5, and one in 0..=1 is expected"),
        ("twice", "`localize` found two objects"),
        ("mask", "`localize` gave a mask with the value 2"),
        ("panic", "`localize` panicked: index out of bounds"),
    ] {
        let text = error(what);
        assert!(
            text.starts_with("picture 5 of test (`a.png`): ") && text.contains(expected),
            "{what}: {text}"
        );
    }
    assert_eq!(error("status"), "`localize` returned 77, which is no status without a message");
}

#[test]
fn an_instance_that_panicked_is_not_called_again() {
    let plugins = plugins("wild");
    let localizer = plugins.localizer("wild", json!({"what": "panic"}));
    let image = picture(4, 4, [0, 0, 1, 1], 0);
    localizer.localize(&[view(&image, 0)]).unwrap_err();
    let again = localizer.localize(&[view(&image, 0)]).unwrap_err().message;
    assert!(again.contains("not called any more"), "{again}");
}

#[test]
fn growing_memory_is_noticed() {
    let plugins = plugins("wild");
    let localizer = plugins.localizer("wild", json!({"what": "leak"}));
    let image = picture(4, 4, [0, 0, 1, 1], 0);
    let calls = (0..20).find_map(|_| localizer.localize(&[view(&image, 0)]).err()).unwrap();
    assert!(calls.message.contains("memory grew by") && calls.message.contains("plugins.memory"), "{calls}");
}
