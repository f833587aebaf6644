//! Saliency alignment against RIVAL10's formulas and scikit-learn's average precision (`tests/golden/saliency.*`).
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use fovea_api::Mask;
use fovea_engine::evaluate::saliency::alignment;
use safetensors::SafeTensors;

#[derive(serde::Deserialize)]
struct Case {
    iou: f64,
    energy_inside: f64,
    delta_density: f64,
    average_precision: f64,
}

#[test]
fn saliency_metrics_agree_with_the_reference() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden");
    let bytes = std::fs::read(format!("{folder}/saliency.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let cases: Vec<Case> =
        serde_json::from_slice(&std::fs::read(format!("{folder}/saliency.json")).unwrap()).unwrap();
    let floats = |name: &str| -> (Vec<f32>, Vec<usize>) {
        let view = tensors.tensor(name).unwrap();
        let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        (values, view.shape().to_vec())
    };
    assert_eq!(cases.len(), 6);
    for (i, case) in cases.iter().enumerate() {
        let (heatmap, shape) = floats(&format!("cam_{i}"));
        let (mask, _) = floats(&format!("mask_{i}"));
        let pixels = mask.iter().map(|v| if *v >= 0.5 { 255 } else { 0 }).collect();
        let found = alignment(&heatmap, &Mask { width: shape[1], height: shape[0], pixels }).unwrap();
        for (name, found, expected) in [
            ("iou", found.mask_iou, case.iou),
            ("energy inside", found.energy_inside, case.energy_inside),
            ("delta density", found.delta_density, case.delta_density),
            ("average precision", found.average_precision, case.average_precision),
        ] {
            assert!((found - expected).abs() < 1e-6, "case {i}, {name}: {found}, reference {expected}");
        }
    }
}
