use super::*;
use crate::fourier::{Complex, Direction, transform};

fn locate(rgb: &[u8], width: usize, height: usize) -> Option<Localization> {
    let config = SpectralResidualConfig::default();
    assert!(SpectralResidual::check(&config, Path::new("")).is_empty());
    SpectralResidual::new(config, &Context::default())
        .unwrap()
        .locate(&Image::new(rgb, width, height))
        .unwrap()
}

/// A bright square on a rough background.
fn scene(width: usize, height: usize, [x1, y1, x2, y2]: [usize; 4]) -> Vec<u8> {
    let pixel = |i: usize| {
        let (x, y) = (i % width, i / width);
        let rough = (((x * 31 + y * 17) * (x + 3 * y + 7)) % 13) as u8;
        let inside = (x1..x2).contains(&x) && (y1..y2).contains(&y);
        if inside { [200 + rough, 190, 60 + rough] } else { [60 + rough, 80, 90 + rough] }
    };
    (0..width * height).flat_map(pixel).collect()
}

fn iou(a: [f32; 4], b: [f32; 4]) -> f32 {
    let area = |b: [f32; 4]| (b[2] - b[0]).max(0.0) * (b[3] - b[1]).max(0.0);
    let inter = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    inter / (area(a) + area(b) - inter)
}

#[test]
fn the_transform_is_that_of_the_definition() {
    let n = 8;
    let values: Vec<Complex> =
        (0..n * n).map(|i| [((i * 37) % 64) as f64 / 64.0, ((i * 11) % 7) as f64]).collect();
    let mut fast = values.clone();
    transform(&mut fast, n, Direction::Forward);
    for v in 0..n {
        for u in 0..n {
            let mut sum = [0.0; 2];
            for (i, value) in values.iter().enumerate() {
                let turn = -2.0 * std::f64::consts::PI * ((u * (i % n) + v * (i / n)) as f64) / n as f64;
                sum[0] += value[0] * turn.cos() - value[1] * turn.sin();
                sum[1] += value[0] * turn.sin() + value[1] * turn.cos();
            }
            let found = fast[v * n + u];
            assert!(
                (found[0] - sum[0]).abs() < 1e-9 && (found[1] - sum[1]).abs() < 1e-9,
                "{found:?} {sum:?}"
            );
        }
    }
    transform(&mut fast, n, Direction::Backward);
    assert!(fast.iter().flatten().zip(values.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-12));
}

#[test]
fn averages_cover_every_pixel_once() {
    for (width, height) in [(64, 64), (100, 37), (5, 3), (1, 1), (640, 480)] {
        let rgb: Vec<u8> = (0..3 * width * height).map(|i| (i * 31 % 251) as u8).collect();
        let image = Image::new(&rgb, width, height);
        let cells = saliency::small(&image, 32);
        let mean = cells.iter().sum::<f64>() / cells.len() as f64;
        let whole = saliency::small(&image, 1)[0];
        assert!((mean - whole).abs() < 1e-12, "{width} x {height}: {mean} {whole}");
    }
}

#[test]
fn a_square_that_stands_out() {
    for (width, height, object) in [
        (160, 120, [90, 30, 130, 80]),
        (120, 160, [20, 90, 60, 130]),
        (300, 300, [40, 60, 120, 120]),
        (64, 64, [10, 12, 26, 30]),
    ] {
        let found = locate(&scene(width, height, object), width, height).unwrap();
        let overlap = iou(found.bbox.to_array(), object.map(|v| v as f32));
        assert!(overlap > 0.3, "{:?} for {object:?}: IoU {overlap}", found.bbox);
        assert!(found.bbox.fits(width, height) && (0.0..=1.0).contains(&found.confidence));
    }
}

#[test]
fn pictures_with_nothing_in_them() {
    assert_eq!(locate(&[77; 3 * 40 * 30], 40, 30), None);
    assert_eq!(locate(&[0; 3], 1, 1), None);
    assert_eq!(locate(&[], 0, 5), None);
    // Two pixels: whatever it finds lies in the picture.
    assert!(locate(&[0, 0, 0, 255, 255, 255], 2, 1).is_none_or(|l| l.bbox.fits(2, 1)));
}

#[test]
fn parts_of_a_map() {
    let mut map = vec![0.0; 16];
    for (i, v) in [(0, 2.0), (1, 2.0), (10, 5.0), (15, 1.0)] {
        map[i] = v;
    }
    let part = saliency::most_salient(&map, 4, 1.0).unwrap();
    assert_eq!((part.cells, part.share), ([2, 2, 3, 3], 0.5));
    assert_eq!(saliency::most_salient(&map, 4, 6.0), None);
}

#[test]
fn bad_configurations() {
    let bad = SpectralResidualConfig { size: 48, sigma: f64::NAN, threshold: 0.0 };
    let keys: Vec<_> = SpectralResidual::check(&bad, Path::new("")).into_iter().map(|i| i.path).collect();
    assert_eq!(keys, [["size"], ["sigma"], ["threshold"]]);
}
