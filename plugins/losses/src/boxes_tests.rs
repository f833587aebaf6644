use super::*;
use burn::tensor::Device;
use fovea_api::{Boxes, PluginKind, Registry};
use serde_json::{Value, json};

fn registry() -> Registry {
    let mut registry = Registry::new();
    crate::register(&mut registry);
    registry
}

fn context(registry: &Registry) -> BuildContext {
    BuildContext { base_dir: ".".into(), device: Device::flex(), registry: registry.clone() }
}

fn explanation() -> Explanation {
    let device = Device::flex();
    let boxes = Tensor::<2>::from_floats([[1.0, 2.0, 5.0, 6.0], [0.0, 0.0, 8.0, 6.0]], &device);
    Explanation {
        heatmaps: Tensor::full([2, 6, 8], 0.5, &device),
        boxes: Some(Boxes { hard: boxes.clone(), differentiable: boxes, valid: vec![true; 2] }),
        targets: Tensor::from_floats([[2.0, 2.0, 8.0, 6.0], [1.0, 1.0, 3.0, 3.0]], &device),
        masks: None,
        valid: vec![true; 2],
    }
}

fn evaluate(name: &str, config: Value) -> Vec<f32> {
    let registry = registry();
    let loss = registry.build_loss(name, config, &context(&registry)).unwrap();
    loss.loss(&explanation()).unwrap().try_into_vec_as().unwrap()
}

#[test]
fn every_loss_resolves_its_defaults() {
    let registry = registry();
    assert_eq!(registry.names(PluginKind::Loss).len(), 9);
    for entry in registry.entries() {
        let resolved = entry.resolve(json!({}), Path::new(".")).unwrap();
        let expected = match entry.name.as_str() {
            "none" | "energy" | "outside" => json!({}),
            "ria" => json!({"lambda": 0.1, "diagonal": "fraction"}),
            _ => json!({"lambda": 0.0, "diagonal": "fraction"}),
        };
        assert_eq!(resolved.config, expected, "{}", entry.name);
        assert!(entry.resolve(json!({"lamda": 0.1}), Path::new(".")).is_err(), "{}", entry.name);
        assert_eq!(evaluate(&entry.name, json!({})).len(), 2);
    }
    let ria = registry.get(PluginKind::Loss, "ria").unwrap();
    let issues = ria.resolve(json!({"lambda": -1.0}), Path::new(".")).unwrap_err();
    assert_eq!(issues[0].path, ["lambda"]);
}

#[test]
fn ria_is_modified_iou_and_a_tenth_of_the_diagonal() {
    let ria = evaluate("ria", json!({}));
    let plain = evaluate("modified-iou", json!({}));
    assert_eq!(plain, [0.25, 1.0 - 4.0 / 48.0]);
    let diagonals = [32f32.sqrt() / 10.0, 1.0];
    for i in 0..2 {
        assert!((ria[i] - (plain[i] + 0.1 * diagonals[i])).abs() < 1e-6);
    }
    assert_eq!(ria, evaluate("modified-iou", json!({"lambda": 0.1})));
    let pixels = evaluate("giou", json!({"lambda": 0.5, "diagonal": "pixels"}));
    assert!((pixels[1] - evaluate("giou", json!({}))[1] - 5.0).abs() < 1e-5);
}

#[test]
fn a_box_loss_without_boxes_says_so() {
    let registry = registry();
    let loss = registry.build_loss("iou", json!({}), &context(&registry)).unwrap();
    let error = loss.loss(&Explanation { boxes: None, ..explanation() }).unwrap_err().to_string();
    assert!(error.starts_with("loss iou: "), "{error}");
}
