use super::*;

/// The formula of method.md as it is written there, in f64.
fn direct(map: &[f64], excluded: &[bool], [height, width]: [usize; 2], threshold: f64, tau: f64) -> [f64; 4] {
    let q = |y: usize, x: usize| {
        let i = y * width + x;
        if excluded[i] { 0.0 } else { 1.0 / (1.0 + (-(map[i] - threshold) / tau).exp()) }
    };
    let columns: Vec<f64> = (0..width).map(|x| (0..height).map(|y| q(y, x)).fold(0.0, f64::max)).collect();
    let rows: Vec<f64> = (0..height).map(|y| (0..width).map(|x| q(y, x)).fold(0.0, f64::max)).collect();
    let first = |occupied: &mut dyn Iterator<Item = f64>, length: usize| {
        let (mut expected, mut vacant) = (0.0, 1.0);
        for (i, c) in occupied.enumerate() {
            expected += i as f64 * c * vacant;
            vacant *= 1.0 - c;
        }
        expected + length as f64 * vacant
    };
    let (w, h) = (width as f64, height as f64);
    [
        first(&mut columns.iter().copied(), width),
        first(&mut rows.iter().copied(), height),
        w - first(&mut columns.iter().rev().copied(), width),
        h - first(&mut rows.iter().rev().copied(), height),
    ]
}

struct Case {
    map: Vec<f64>,
    excluded: Vec<bool>,
    size: [usize; 2],
    threshold: f64,
    tau: f64,
}

/// Maps without ties or near ties, so that no step of a difference crosses a kink.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (seed, size, threshold, tau) in
        [(1, [5, 7], 0.5, 0.05), (2, [8, 4], 0.5, 0.2), (3, [1, 6], 0.3, 0.1), (4, [6, 6], 0.95, 0.05)]
    {
        let pixels = size[0] * size[1];
        // Multiples of 1 / pixels in an order that looks random: any two differ by at least that.
        let step = [1, 11, 11, 13][seed % 4];
        let map: Vec<f64> =
            (0..pixels).map(|i| ((i * step + seed) % pixels) as f64 / pixels as f64 + 0.01).collect();
        for masked in [0, 3] {
            let excluded = (0..pixels).map(|i| masked > 0 && i % masked == 0).collect();
            cases.push(Case { map: map.clone(), excluded, size, threshold, tau });
        }
    }
    cases
}

fn evaluate(case: &Case, edge: usize, dtype: DType) -> (Vec<f64>, Vec<f64>) {
    let device = Device::flex().autodiff();
    let shape = [1, case.size[0], case.size[1]];
    let map =
        Tensor::<3>::from_data(TensorData::new(case.map.clone(), shape), (&device, dtype)).require_grad();
    let excluded = Tensor::<3, Bool>::from_data(TensorData::new(case.excluded.clone(), shape), &device);
    let boxes = soft_boxes(map.clone(), excluded, case.threshold, case.tau);
    assert_eq!((boxes.dims(), boxes.dtype()), ([1, 4], dtype));
    let gradients = boxes.clone().narrow(1, edge, 1).sum().backward();
    let gradient = map.grad(&gradients).unwrap();
    (boxes.try_into_vec_as().unwrap(), gradient.try_into_vec_as().unwrap())
}

#[test]
fn the_stable_form_equals_the_stated_formula() {
    for case in cases() {
        let expected = direct(&case.map, &case.excluded, case.size, case.threshold, case.tau);
        for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 2e-6)] {
            let (boxes, _) = evaluate(&case, 0, dtype);
            for i in 0..4 {
                let scale = expected[i].abs().max(1.0);
                assert!((boxes[i] - expected[i]).abs() < tolerance * scale, "{boxes:?} {expected:?}");
            }
        }
    }
}

#[test]
fn gradients_against_central_differences() {
    let step = 1e-5;
    let (mut worst, mut largest) = ([0.0f64; 2], 0.0f64);
    for case in cases() {
        for edge in 0..4 {
            let f64s = evaluate(&case, edge, DType::F64).1;
            let f32s = evaluate(&case, edge, DType::F32).1;
            for i in 0..case.map.len() {
                let at = |d: f64| {
                    let mut map = case.map.clone();
                    map[i] += d;
                    direct(&map, &case.excluded, case.size, case.threshold, case.tau)[edge]
                };
                let difference = (at(step) - at(-step)) / (2.0 * step);
                let scale = difference.abs().max(1.0);
                largest = largest.max(difference.abs());
                worst[0] = worst[0].max((f64s[i] - difference).abs() / scale);
                worst[1] = worst[1].max((f32s[i] - difference).abs() / scale);
                assert!(!case.excluded[i] || f64s[i] == 0.0);
            }
        }
    }
    println!("soft: largest {largest:.1}, worst f64 {:.1e}, f32 {:.1e}", worst[0], worst[1]);
    assert!(worst[0] < 1e-6 && worst[1] < 1e-4, "{worst:?}");
    assert!(largest > 1.0, "the cases have gradients to check");
}

#[test]
fn a_sharp_soft_box_is_the_hard_box() {
    let size = [6, 8];
    let map = (0..48).map(|i| if (2..5).contains(&(i / 8)) && (3..7).contains(&(i % 8)) { 1.0 } else { 0.0 });
    let case = Case { map: map.collect(), excluded: vec![false; 48], size, threshold: 0.5, tau: 0.01 };
    let (boxes, gradient) = evaluate(&case, 0, DType::F32);
    assert_eq!(boxes, [3.0, 2.0, 7.0, 5.0]);
    assert!(gradient.iter().all(|g| g.is_finite()));
}

#[test]
fn without_any_pixel_all_mass_is_left_over() {
    let case = Case { map: vec![0.7; 12], excluded: vec![true; 12], size: [3, 4], threshold: 0.5, tau: 0.05 };
    assert_eq!(evaluate(&case, 1, DType::F32), (vec![4.0, 3.0, 0.0, 0.0], vec![0.0; 12]));
}
