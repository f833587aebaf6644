//! The plugin, the built-in `threshold` with `gradient = "moments"`, and central differences.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use burn::tensor::{DType, Device, Tensor, TensorData};
use fovea_abi::{Context, Extractor as _, Heatmap, Plugin as _};
use fovea_api::{BuildContext, Registry};
use fovea_extractors::moments::moment_boxes;
use moments_extractor::{Moments, MomentsConfig};

fn maps() -> Vec<(Vec<f32>, usize, usize)> {
    let blob = |w: usize, h: usize, cx: f32, cy: f32, s: f32| {
        let at = |i: usize| {
            let (x, y) = ((i % w) as f32 - cx, (i / w) as f32 - cy);
            let value = (-(x * x + 2.0 * y * y) / s).exp();
            if value < 1e-3 { 0.0 } else { value }
        };
        ((0..w * h).map(at).collect::<Vec<f32>>(), w, h)
    };
    let mut maps = vec![
        blob(64, 64, 20.0, 40.0, 90.0),
        blob(37, 50, 30.0, 3.0, 200.0),
        blob(224, 224, 100.0, 120.0, 3000.0),
        blob(5, 4, 2.0, 1.0, 3.0),
        (vec![1.0], 1, 1),
        ((0..63).map(|i| ((i * 37) % 64) as f32 / 63.0).collect(), 9, 7),
    ];
    let mut single = vec![0.0; 30];
    single[13] = 1.0;
    maps.push((single, 6, 5));
    maps
}

fn plugin() -> Moments {
    Moments::new(MomentsConfig::default(), &Context::default()).unwrap()
}

#[test]
fn boxes_and_gradients_are_those_of_the_built_in() {
    let device = Device::flex().autodiff();
    let registry = {
        let mut registry = Registry::new();
        fovea_extractors::register(&mut registry);
        registry
    };
    let context = BuildContext { base_dir: ".".into(), device: Device::flex(), registry: registry.clone() };
    let config = serde_json::json!({"gradient": "moments"});
    let twin = registry.build_extractor("threshold", config, &context).unwrap();
    let (mut worst, mut worst_gradient) = (0f64, 0f64);
    for (values, width, height) in maps() {
        let shape = [1, height, width];
        let map = Heatmap::new(&values, width, height);
        let found = plugin().extract(&map).unwrap().unwrap();
        let tensor = Tensor::<3>::from_data(TensorData::new(values.clone(), shape), &device);
        let theirs = twin.extract(tensor).unwrap();
        assert_eq!(found.hard.to_array().to_vec(), theirs.hard.try_into_vec_as::<f32>().unwrap());

        let exact: Vec<f64> = values.iter().copied().map(f64::from).collect();
        let tensor =
            Tensor::<3>::from_data(TensorData::new(exact, shape), (&device, DType::F64)).require_grad();
        let boxes = moment_boxes(tensor.clone());
        let edges: Vec<f64> = boxes.clone().try_into_vec_as().unwrap();
        for (ours, theirs) in found.differentiable.to_array().iter().zip(&edges) {
            worst = worst.max((f64::from(*ours) - theirs).abs() / width.max(height) as f64);
        }
        let upstream = [0.3f32, -1.0, 0.7, 0.25];
        let weights = Tensor::<2>::from_data(
            TensorData::new(upstream.map(f64::from).to_vec(), [1, 4]),
            (&device, DType::F64),
        );
        let gradients = (boxes * weights).sum().backward();
        let theirs: Vec<f64> = tensor.grad(&gradients).unwrap().try_into_vec_as().unwrap();
        let mut ours = vec![0.0; values.len()];
        plugin().vjp(&map, upstream, &mut ours).unwrap();
        let scale = theirs.iter().fold(1e-9f64, |m, g| m.max(g.abs()));
        for (ours, theirs) in ours.iter().zip(&theirs) {
            worst_gradient = worst_gradient.max((f64::from(*ours) - theirs).abs() / scale);
        }
    }
    println!("boxes within {worst:.1e} of a side, gradients within {worst_gradient:.1e} of the largest");
    assert!(worst < 1e-6 && worst_gradient < 1e-6, "{worst} {worst_gradient}");
}

#[test]
fn gradients_against_central_differences() {
    let (values, width, height) = maps().remove(3);
    let upstream = [1.0f32, 2.0, -0.5, 0.25];
    let value = |values: &[f32]| -> f64 {
        let found = plugin().extract(&Heatmap::new(values, width, height)).unwrap().unwrap();
        found.differentiable.to_array().iter().zip(upstream).map(|(b, u)| f64::from(*b) * f64::from(u)).sum()
    };
    let mut gradient = vec![0.0; values.len()];
    plugin().vjp(&Heatmap::new(&values, width, height), upstream, &mut gradient).unwrap();
    for (i, gradient) in gradient.iter().enumerate() {
        let at = |step: f32| {
            let mut values = values.clone();
            values[i] += step;
            value(&values)
        };
        let step = 1.0 / 128.0;
        let difference = (at(step) - at(-step)) / (2.0 * f64::from(step));
        assert!((difference - f64::from(*gradient)).abs() < 1e-3, "{i}: {difference} {gradient}");
    }
}

#[test]
fn heatmaps_without_a_box() {
    for values in
        [vec![0.0; 6], vec![0.5; 6], vec![f32::NAN; 6], vec![0.0, 0.0, 1.0, f32::INFINITY, 0.0, 0.0]]
    {
        assert_eq!(plugin().extract(&Heatmap::new(&values, 3, 2)).unwrap(), None);
    }
    assert_eq!(plugin().extract(&Heatmap::new(&[], 0, 0)).unwrap(), None);
    let mut gradient = vec![1.0; 6];
    plugin().vjp(&Heatmap::new(&[0.0; 6], 3, 2), [1.0; 4], &mut gradient).unwrap();
    assert_eq!(gradient, [0.0; 6]);
}
