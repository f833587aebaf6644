use super::*;
use burn::tensor::TensorData;

fn direct(map: &[f64], [height, width]: [usize; 2]) -> [f64; 4] {
    let total: f64 = map.iter().sum();
    let mean = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
        let at = |i: usize| f((i % width) as f64 + 0.5, (i / width) as f64 + 0.5);
        (0..height * width).map(|i| map[i] * at(i)).sum::<f64>() / total
    };
    let (cx, cy) = (mean(&|x, _| x), mean(&|_, y| y));
    let half = |variance: f64| (3.0 * (variance + 1.0 / 12.0)).sqrt();
    let (dx, dy) = (half(mean(&|x, _| (x - cx).powi(2))), half(mean(&|_, y| (y - cy).powi(2))));
    [cx - dx, cy - dy, cx + dx, cy + dy]
}

fn evaluate(map: &[f64], size: [usize; 2], edge: usize, dtype: DType) -> (Vec<f64>, Vec<f64>) {
    let device = Device::flex().autodiff();
    let data = TensorData::new(map.to_vec(), [1, size[0], size[1]]);
    let map = Tensor::<3>::from_data(data, (&device, dtype)).require_grad();
    let boxes = moment_boxes(map.clone());
    assert_eq!((boxes.dims(), boxes.dtype()), ([1, 4], dtype));
    let gradients = boxes.clone().narrow(1, edge, 1).sum().backward();
    let gradient = map.grad(&gradients).unwrap();
    (boxes.try_into_vec_as().unwrap(), gradient.try_into_vec_as().unwrap())
}

#[test]
fn a_filled_rectangle_is_its_own_box() {
    let map: Vec<f64> =
        (0..48).map(|i| f64::from((2..5).contains(&(i / 8)) && (3..7).contains(&(i % 8)))).collect();
    let (boxes, _) = evaluate(&map, [6, 8], 0, DType::F64);
    for (edge, expected) in boxes.iter().zip([3.0, 2.0, 7.0, 5.0]) {
        assert!((edge - expected).abs() < 1e-12, "{boxes:?}");
    }
}

#[test]
fn gradients_against_central_differences() {
    let step = 1e-6;
    let mut worst = [0.0f64; 2];
    let mut single = vec![0.0; 20];
    single[7] = 1.0;
    let mixed: Vec<f64> = (0..20).map(|i| f64::from((i * 7 + 3) % 20) / 20.0).collect();
    for map in [single, mixed] {
        for edge in 0..4 {
            let (value, f64s) = evaluate(&map, [4, 5], edge, DType::F64);
            let f32s = evaluate(&map, [4, 5], edge, DType::F32).1;
            assert!((value[edge] - direct(&map, [4, 5])[edge]).abs() < 1e-12);
            for i in 0..map.len() {
                let at = |d: f64| {
                    let mut map = map.clone();
                    map[i] += d;
                    direct(&map, [4, 5])[edge]
                };
                let difference = (at(step) - at(-step)) / (2.0 * step);
                let scale = difference.abs().max(1.0);
                worst[0] = worst[0].max((f64s[i] - difference).abs() / scale);
                worst[1] = worst[1].max((f32s[i] - difference).abs() / scale);
            }
        }
    }
    println!("moments: worst f64 {:.1e}, f32 {:.1e}", worst[0], worst[1]);
    assert!(worst[0] < 1e-6 && worst[1] < 1e-5, "{worst:?}");
}

#[test]
fn a_zero_map_has_a_finite_box_and_no_gradient() {
    let (boxes, gradient) = evaluate(&[0.0; 12], [3, 4], 0, DType::F32);
    assert!(boxes.iter().all(|b| b.is_finite()));
    assert_eq!(gradient, [0.0; 12]);
}
