use super::*;
use burn::tensor::Device;
use fovea_api::{PluginKind, Registry};
use serde_json::{Value, json};

fn registry() -> Registry {
    let mut registry = Registry::new();
    crate::register(&mut registry);
    registry
}

fn extractor(config: Value) -> Box<dyn BoxExtractor> {
    let registry = registry();
    let context = BuildContext { base_dir: ".".into(), device: Device::flex(), registry: registry.clone() };
    registry.build_extractor("threshold", config, &context).unwrap()
}

const GRADIENTS: [&str; 4] = ["straight-through", "soft", "moments", "none"];
const SIZE: [usize; 2] = [6, 7];
const PIXELS: usize = 42;

/// Two blobs, of which the right one has the maximum.
fn map() -> Vec<f32> {
    let mut map: Vec<f32> = (0..PIXELS).map(|i| ((i * 11 + 5) % PIXELS) as f32 / 200.0).collect();
    for i in [8, 9, 15] {
        map[i] = 0.8 + i as f32 / 1000.0;
    }
    for i in [18, 19, 25, 26, 32] {
        map[i] = 0.9 + i as f32 / 1000.0;
    }
    map[25] = 1.0;
    map
}

struct Out {
    hard: Vec<f32>,
    differentiable: Vec<f32>,
    valid: Vec<bool>,
    gradient: Vec<f32>,
}

/// Boxes of maps and the gradient of `x1 + 2 y1 - 3 x2 + 4 y2` summed over the pictures.
fn extract(gradient: &str, maps: &[Vec<f32>]) -> Out {
    let device = Device::flex().autodiff();
    let data = TensorData::new(maps.concat(), [maps.len(), SIZE[0], SIZE[1]]);
    let heatmaps = Tensor::<3>::from_data(data, &device).require_grad();
    let boxes = extractor(json!({"gradient": gradient})).extract(heatmaps.clone()).unwrap();
    let weights = Tensor::<2>::from_floats([[1.0, 2.0, -3.0, 4.0]], &device);
    // The heatmaps take part with weight 0, as with a loss that has no gradient through the boxes.
    let loss = (boxes.differentiable.clone() * weights).sum()
        + heatmaps.clone().slice([0..1, 0..1, 0..1]).sum() * 0.0;
    let gradients = loss.backward();
    let read = |t: Tensor<2>| t.try_into_vec_as().unwrap();
    Out {
        hard: read(boxes.hard),
        differentiable: read(boxes.differentiable),
        valid: boxes.valid,
        gradient: heatmaps.grad(&gradients).unwrap().try_into_vec_as().unwrap(),
    }
}

#[test]
fn configuration() {
    let registry = registry();
    let entry = registry.get(PluginKind::Extractor, "threshold").unwrap();
    let here = Path::new(".");
    let defaults = json!({
        "threshold": 0.5, "gradient": "straight-through", "tau": 0.05, "connectivity": 4, "keep": "contains-max"
    });
    assert_eq!(entry.resolve(json!({}), here).unwrap().config, defaults);
    for (config, path) in [
        (json!({"connectivity": 5}), "connectivity"),
        (json!({"keep": "biggest"}), "keep"),
        (json!({"tau": 0.0}), "tau"),
        (json!({"threshold": -0.5}), "threshold"),
    ] {
        assert_eq!(entry.resolve(config, here).unwrap_err()[0].path, [path]);
    }
    let schema = entry.schema.to_string();
    assert!(schema.contains("straight-through") && schema.contains("[4,8]"), "{schema}");
}

#[test]
fn straight_through_has_the_hard_value_and_the_soft_gradient() {
    let maps = [map(), map().into_iter().rev().collect()];
    let (through, soft) = (extract("straight-through", &maps), extract("soft", &maps));
    assert_eq!(through.hard, [4.0, 2.0, 6.0, 5.0, 1.0, 1.0, 3.0, 4.0]);
    let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&through.differentiable), bits(&through.hard));
    assert_eq!(through.gradient, soft.gradient);
    assert!(soft.gradient.iter().any(|g| g.abs() > 1e-3));
    assert_ne!(soft.differentiable, soft.hard);
    for i in [8, 9, 15] {
        assert_eq!(soft.gradient[i], 0.0, "the other component is masked out");
    }
    for (soft, hard) in soft.differentiable.iter().zip(&soft.hard) {
        assert!((soft - hard).abs() < 0.2, "{soft} {hard}");
    }
}

#[test]
fn none_is_a_constant() {
    let out = extract("none", &[map()]);
    assert_eq!(out.differentiable, out.hard);
    assert_eq!(out.gradient, vec![0.0; PIXELS]);
}

#[test]
fn pictures_without_a_box_are_finite_without_gradient_and_do_not_touch_others() {
    let mut nan = map();
    nan[3] = f32::NAN;
    let mut infinite = map();
    infinite[40] = f32::INFINITY;
    let faint: Vec<f32> = map().iter().map(|v| v * 0.4).collect();
    for gradient in GRADIENTS {
        let alone = extract(gradient, &[map()]);
        let out =
            extract(gradient, &[vec![0.0; PIXELS], map(), nan.clone(), infinite.clone(), faint.clone()]);
        assert_eq!(out.valid, [false, true, false, false, false], "{gradient}");
        for picture in [0, 2, 3, 4] {
            assert_eq!(out.hard[picture * 4..][..4], [0.0; 4], "{gradient}");
            assert_eq!(out.differentiable[picture * 4..][..4], [0.0; 4], "{gradient}");
            assert_eq!(out.gradient[picture * PIXELS..][..PIXELS], [0.0; PIXELS], "{gradient} {picture}");
        }
        assert_eq!(out.differentiable[4..8], alone.differentiable[..], "{gradient}");
        assert_eq!(out.gradient[PIXELS..2 * PIXELS], alone.gradient[..], "{gradient}");
    }
}

#[test]
fn a_single_pixel() {
    let mut map = vec![0.0; PIXELS];
    map[17] = 1.0;
    for gradient in GRADIENTS {
        let out = extract(gradient, &[map.clone()]);
        assert_eq!(out.hard, [3.0, 2.0, 4.0, 3.0], "{gradient}");
        for (soft, hard) in out.differentiable.iter().zip(&out.hard) {
            assert!((soft - hard).abs() < 0.01, "{gradient}: {:?}", out.differentiable);
        }
        assert!(out.gradient.iter().all(|g| g.is_finite()), "{gradient}");
    }
}

#[test]
fn host_and_tensor_agree_and_f64_maps_keep_their_dtype() {
    let values = [map(), vec![0.0; PIXELS]];
    let views: Vec<HeatmapView<'_>> =
        values.iter().map(|values| HeatmapView { height: SIZE[0], width: SIZE[1], values }).collect();
    let extractor = extractor(json!({}));
    let hard = extractor.hard(&views).unwrap();
    assert_eq!(hard, [Some(BBox::new(4.0, 2.0, 6.0, 5.0)), None]);
    assert!(extractor.hard(&[HeatmapView { height: 2, ..views[0] }]).is_err());
    assert!(extractor.hard(&[]).unwrap().is_empty());

    let data = TensorData::new(values.concat(), [2, SIZE[0], SIZE[1]]);
    let options = (&Device::flex(), burn::tensor::DType::F64);
    let boxes = extractor.extract(Tensor::from_data(data, options)).unwrap();
    assert_eq!(boxes.differentiable.dtype(), burn::tensor::DType::F64);
    let boxes: Vec<f32> = boxes.differentiable.try_into_vec_as().unwrap();
    assert_eq!(boxes, [4.0, 2.0, 6.0, 5.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn an_empty_batch_has_no_boxes() {
    for gradient in GRADIENTS {
        let heatmaps = Tensor::<3>::zeros([0, 6, 7], &Device::flex());
        let boxes = extractor(json!({"gradient": gradient})).extract(heatmaps).unwrap();
        assert_eq!((boxes.hard.dims(), boxes.valid.len()), ([0, 4], 0));
    }
}

/// `/work/c test -p fovea-extractors -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn time_of_32_maps() {
    let (side, n) = (224, 32);
    let maps: Vec<Vec<f32>> = (0..n)
        .map(|k| {
            let wave = |v: usize, p: f32| (v as f32 / side as f32 * p + k as f32).sin();
            let mut map: Vec<f32> = (0..side * side)
                .map(|i| (wave(i % side, 9.0) * wave(i / side, 7.0) + 0.3 * wave(i, 40.0)).max(0.0))
                .collect();
            let max = map.iter().copied().fold(0.0, f32::max);
            map.iter_mut().for_each(|v| *v /= max);
            map
        })
        .collect();
    let views: Vec<HeatmapView<'_>> =
        maps.iter().map(|values| HeatmapView { height: side, width: side, values }).collect();
    for keep in ["contains-max", "largest", "highest-sum"] {
        let extractor = extractor(json!({"keep": keep}));
        let mut best = f64::MAX;
        for _ in 0..20 {
            let start = std::time::Instant::now();
            assert!(extractor.hard(&views).unwrap().iter().all(Option::is_some));
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!("hard, {keep}: {:.2} ms", best * 1e3);
    }
    let device = Device::flex().autodiff();
    for gradient in GRADIENTS {
        let extractor = extractor(json!({"gradient": gradient}));
        let mut best = f64::MAX;
        for _ in 0..5 {
            let data = TensorData::new(maps.concat(), [n, side, side]);
            let heatmaps = Tensor::<3>::from_data(data, &device).require_grad();
            let start = std::time::Instant::now();
            let boxes = extractor.extract(heatmaps.clone()).unwrap();
            let loss = boxes.differentiable.sum() + heatmaps.sum() * 0.0;
            drop(loss.backward());
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!("extract and backward, {gradient}: {:.1} ms", best * 1e3);
    }
}
