use super::*;
use burn::tensor::TensorData;
use safetensors::SafeTensors;

type Loss = fn(Tensor<2>, Tensor<2>) -> Tensor<1>;

const LOSSES: [(&str, Loss); 6] = [
    ("iou", iou),
    ("modified_iou", modified_iou),
    ("giou", giou),
    ("diou", diou),
    ("ciou", ciou),
    ("diagonal_pixels", |pred, _| diagonal(pred, DiagonalUnit::Pixels, 100, 100)),
];

fn device() -> Device {
    Device::flex().autodiff()
}

fn boxes(values: &[f64], dtype: DType) -> Tensor<2> {
    let data = TensorData::new(values.to_vec(), [values.len() / 4, 4]);
    Tensor::from_data(data, (&device(), dtype))
}

/// Values of a loss and gradient of their sum with respect to `pred`.
fn evaluate(loss: Loss, pred: &[f64], target: &[f64], dtype: DType) -> (Vec<f64>, Vec<f64>) {
    let pred = boxes(pred, dtype).require_grad();
    let value = loss(pred.clone(), boxes(target, dtype));
    assert_eq!(value.dtype(), dtype);
    let gradients = value.clone().sum().backward();
    let gradient = pred.grad(&gradients).unwrap();
    (value.try_into_vec_as().unwrap(), gradient.try_into_vec_as().unwrap())
}

fn worst(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f64::max)
}

#[test]
fn golden_values_and_gradients_of_torchvision() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/box_losses.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let read = |name: &str| -> Vec<f64> {
        let view = file.tensor(name).unwrap();
        view.data().as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect()
    };
    let (pred, target) = (read("pred"), read("target"));
    for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 1e-6)] {
        for (name, loss) in LOSSES {
            let (value, gradient) = evaluate(loss, &pred, &target, dtype);
            let value = worst(&value, &read(name));
            let gradient = worst(&gradient, &read(&format!("{name}_grad")));
            println!("{dtype:?} {name}: value {value:.1e}, gradient {gradient:.1e}");
            assert!(value < tolerance && gradient < tolerance, "{dtype:?} {name}: {value:e} {gradient:e}");
        }
    }
}

#[test]
fn degenerate_boxes_are_finite() {
    let degenerate: [[f64; 4]; 9] = [
        [0.0, 0.0, 0.0, 0.0],
        [3.0, 3.0, 3.0, 3.0],
        [3.0, 1.0, 3.0, 8.0],
        [1.0, 3.0, 8.0, 3.0],
        [8.0, 8.0, 1.0, 1.0],
        [8.0, 1.0, 1.0, 8.0],
        [2.0, 2.0, 2.000_000_1, 2.000_000_1],
        [2.0, 2.0, 6.0, 6.0],
        [224.0, 224.0, 0.0, 0.0],
    ];
    for dtype in [DType::F32, DType::F64] {
        for (name, loss) in LOSSES {
            for pred in &degenerate {
                for target in &degenerate {
                    let (value, gradient) = evaluate(loss, pred, target, dtype);
                    let fine = value.iter().chain(&gradient).all(|v| v.is_finite() && v.abs() < 1e8);
                    assert!(fine, "{dtype:?} {name} {pred:?} {target:?}: {value:?} {gradient:?}");
                }
            }
        }
    }
    let (value, gradient) = evaluate(modified_iou, &degenerate[2], &degenerate[7], DType::F32);
    assert_eq!((value, gradient), (vec![1.0], vec![0.0; 4]));
}

#[test]
fn a_box_that_is_right_is_not_moved() {
    let target = [2.0, 2.0, 6.0, 6.0];
    for (name, loss) in [("iou", iou as Loss), ("giou", giou), ("diou", diou), ("ciou", ciou)] {
        let (value, gradient) = evaluate(loss, &target, &target, DType::F64);
        assert_eq!(value, [0.0], "{name}");
        assert!(gradient.iter().all(|g| g.abs() < 1e-12), "{name}: {gradient:?}");
    }
}

#[test]
fn diagonal_units() {
    let read = |unit| -> f64 { diagonal(boxes(&[0.0, 0.0, 6.0, 4.0], DType::F64), unit, 8, 6).into_scalar() };
    assert!((read(DiagonalUnit::Pixels) - 52f64.sqrt()).abs() < 1e-12);
    assert!((read(DiagonalUnit::Fraction) - 52f64.sqrt() / 10.0).abs() < 1e-12);
    assert!((read(DiagonalUnit::UnitSquare) - 1.25f64.sqrt()).abs() < 1e-12);
}

type MapLoss = fn(Tensor<3>, Tensor<2>) -> Tensor<1>;

/// A map of 2 x 3 pixels.
fn map_loss(loss: MapLoss, map: &[f64; 6], target: &[f64; 4]) -> (f64, Vec<f64>) {
    let map = Tensor::<3>::from_data(TensorData::new(map.to_vec(), [1, 2, 3]), (&device(), DType::F64));
    let map = map.require_grad();
    let value = loss(map.clone(), boxes(target, DType::F64));
    let gradients = value.clone().backward();
    (value.into_scalar(), map.grad(&gradients).unwrap().try_into_vec_as().unwrap())
}

const MAP: [f64; 6] = [0.1, 0.5, 0.2, 0.4, 1.0, 0.3];

#[test]
fn energy_and_outside_by_hand() {
    let right = [1.0, 0.0, 3.0, 2.0];
    assert!((map_loss(energy, &MAP, &right).0 - 0.5 / 2.5).abs() < 1e-12);
    assert!((map_loss(outside, &MAP, &right).0 - (0.01 + 0.16) / 2.0).abs() < 1e-12);
    // A pixel belongs to the box that has its centre.
    for same in [[0.5001, 0.0, 3.0, 2.0], [1.5, 0.3, 2.7, 1.9]] {
        assert_eq!(map_loss(energy, &MAP, &same), map_loss(energy, &MAP, &right));
    }
    assert!((map_loss(energy, &MAP, &[0.5, 0.0, 3.0, 2.0]).0).abs() < 1e-12);
    assert_eq!(map_loss(outside, &MAP, &[0.0, 0.0, 3.0, 2.0]), (0.0, vec![0.0; 6]));
    assert!((map_loss(outside, &MAP, &[0.0; 4]).0 - 1.55 / 6.0).abs() < 1e-12);
    assert_eq!(map_loss(energy, &[0.0; 6], &right), (1.0, vec![0.0; 6]));
    assert_eq!(map_loss(outside, &[0.0; 6], &right), (0.0, vec![0.0; 6]));
}

#[test]
fn energy_and_outside_against_central_differences() {
    let step = 1e-6;
    for loss in [energy as MapLoss, outside] {
        for target in [[1.0, 0.0, 3.0, 2.0], [0.2, 0.7, 1.9, 1.8], [0.0, 0.0, 3.0, 2.0]] {
            let (_, gradient) = map_loss(loss, &MAP, &target);
            for (i, gradient) in gradient.iter().enumerate() {
                let at = |d: f64| {
                    let mut map = MAP;
                    map[i] += d;
                    map_loss(loss, &map, &target).0
                };
                let difference = (at(step) - at(-step)) / (2.0 * step);
                assert!((gradient - difference).abs() < 1e-8, "{target:?} {i}: {gradient} {difference}");
            }
        }
    }
}

#[test]
fn a_batch_is_its_pictures() {
    let (a, b) = ([1.0, 2.0, 7.0, 9.0], [3.0, 3.0, 12.0, 8.0]);
    let (c, d) = ([2.0, 1.0, 9.0, 5.0], [0.0; 4]);
    for (name, loss) in LOSSES {
        let (value, gradient) = evaluate(loss, &[a, b].concat(), &[c, d].concat(), DType::F32);
        let (first, second) = (evaluate(loss, &a, &c, DType::F32), evaluate(loss, &b, &d, DType::F32));
        assert_eq!(value, [first.0, second.0].concat(), "{name}");
        assert_eq!(gradient, [first.1, second.1].concat(), "{name}");
    }
}
