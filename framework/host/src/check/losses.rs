//! What is true of explanation losses.

use super::ask::{ORDINARY, evaluate};
use super::input::seen;
use super::property::{Found, HOLDS};
use super::subject::Subject;
use crate::library::Functions;
use fovea_abi::raw::{FOVEA_SCALES_GRADIENTS, FOVEA_WANTS_BOXES, FoveaLoss};

impl Subject {
    pub(super) fn loss(&self) -> Result<&'static FoveaLoss, String> {
        match self.plugin.functions {
            Functions::Loss(functions) => Ok(functions),
            _ => Err("it is no loss; this is a mistake of the suite".to_owned()),
        }
    }
}

/// Whether two numbers are the same but for rounding.
fn near(a: f32, b: f32) -> bool {
    (a - b).abs() <= 1e-4 * a.abs().max(b.abs()).max(1e-6)
}

pub(super) fn upstream(subject: &Subject) -> Result<Found, String> {
    let functions = subject.loss()?;
    if functions.flags & FOVEA_SCALES_GRADIENTS == 0 {
        return Ok(Found::Skipped("it leaves that to the host".to_owned()));
    }
    let instance = subject.instance()?;
    let mut seen = seen(&mut subject.random("upstream"), 3, 24, 32);
    let plain = evaluate(&instance, functions, &seen, ORDINARY)?;
    let factors = [0.5, -2.0, 0.0];
    seen.upstream = Some(factors.to_vec());
    let scaled = evaluate(&instance, functions, &seen, ORDINARY)?;
    if let Some(item) = (0..3).find(|&item| plain.values[item] != scaled.values[item]) {
        return Err(format!("with upstream {}, the value of picture {item} is another", factors[item]));
    }
    for (name, plain, scaled) in [
        ("boxes_gradient", &plain.boxes, &scaled.boxes),
        ("heatmaps_gradient", &plain.heatmaps, &scaled.heatmaps),
    ] {
        for (at, (plain, scaled)) in plain.iter().zip(scaled).enumerate() {
            let item = at * 3 / seen_len(name, &seen.shape);
            let expected = plain * factors[item];
            if !near(expected, *scaled) {
                return Err(format!(
                    "picture {item}: `{name}` holds {scaled} with upstream {}, and {expected} is expected ({plain} \
                     without)",
                    factors[item]
                ));
            }
        }
    }
    Ok(HOLDS)
}

fn seen_len(name: &str, [n, h, w]: &[usize; 3]) -> usize {
    if name == "boxes_gradient" { n * 4 } else { n * h * w }
}

pub(super) fn no_gradient(subject: &Subject) -> Result<Found, String> {
    let (instance, functions) = (subject.instance()?, subject.loss()?);
    let mut seen = seen(&mut subject.random("no-gradient"), 3, 24, 32);
    let with = evaluate(&instance, functions, &seen, ORDINARY)?;
    seen.gradients = false;
    let without = evaluate(&instance, functions, &seen, ORDINARY)?;
    if with.values == without.values {
        return Ok(HOLDS);
    }
    Err(format!("the values are {:?}, and {:?} without gradients", with.values, without.values))
}

/// Predicted boxes of a picture of 32x24 that divisions and roots may trip over, the target being [4, 4, 20, 16].
const DEGENERATE: [(&str, [f32; 4]); 9] = [
    ("equal to the target", [4.0, 4.0, 20.0, 16.0]),
    ("a point", [10.0, 10.0, 10.0, 10.0]),
    ("a line", [10.0, 4.0, 10.0, 16.0]),
    ("inverted", [20.0, 16.0, 4.0, 4.0]),
    ("disjoint", [25.0, 20.0, 30.0, 23.0]),
    ("touching the target", [20.0, 4.0, 30.0, 16.0]),
    ("outside of the picture", [-100.0, -100.0, -50.0, -50.0]),
    ("around the picture", [-1000.0, -1000.0, 1000.0, 1000.0]),
    ("all zeros", [0.0; 4]),
];

pub(super) fn degenerate(subject: &Subject) -> Result<Found, String> {
    let (instance, functions) = (subject.instance()?, subject.loss()?);
    let base = seen(&mut subject.random("degenerate"), 1, 24, 32);
    for (name, boxes) in DEGENERATE {
        let mut seen = base.clone();
        (seen.boxes, seen.targets) = (boxes.to_vec(), vec![4.0, 4.0, 20.0, 16.0]);
        evaluate(&instance, functions, &seen, ORDINARY)
            .map_err(|error| format!("predicted box {boxes:?} ({name}), target [4, 4, 20, 16]: {error}"))?;
    }
    for value in [0.0, 1.0] {
        let mut seen = base.clone();
        seen.heatmaps.fill(value);
        evaluate(&instance, functions, &seen, ORDINARY)
            .map_err(|error| format!("a heatmap of {value} only: {error}"))?;
        seen.masks.fill(value);
        evaluate(&instance, functions, &seen, ORDINARY)
            .map_err(|error| format!("heatmap and mask of {value} only: {error}"))?;
    }
    Ok(HOLDS)
}

pub(super) fn not_valid(subject: &Subject) -> Result<Found, String> {
    let (instance, functions) = (subject.instance()?, subject.loss()?);
    let mut seen = seen(&mut subject.random("not-valid"), 3, 24, 32);
    let valid = evaluate(&instance, functions, &seen, ORDINARY)?;
    seen.valid[1] = 0;
    if functions.flags & FOVEA_WANTS_BOXES != 0 {
        seen.boxes[4..8].fill(0.0);
    }
    seen.targets[4..8].fill(0.0);
    let ignored = evaluate(&instance, functions, &seen, ORDINARY)?;
    for item in [0, 2] {
        let edges = item * 4..item * 4 + 4;
        let same = valid.values[item] == ignored.values[item]
            && valid.boxes.get(edges.clone()) == ignored.boxes.get(edges);
        if !same {
            return Err(format!("picture {item} is another when picture 1 of 3 is not valid"));
        }
    }
    Ok(HOLDS)
}
