//! Gradients against central differences.
//!
//! `(f(x + e d) - f(x - e d)) / 2 e` is the derivative along `d` but for an error of `e^2` and of rounding divided by
//! `e`; hence several steps `e`, one of which must do. Kinks and jumps make single directions fail, so most must do, not
//! all.

use super::ask::{ORDINARY, evaluate, extract, vjp};
use super::input::{Seen, heatmaps, seen};
use super::property::{Found, HOLDS};
use super::random::Random;
use super::subject::Subject;
use fovea_abi::raw::{FOVEA_WANTS_BOXES, FOVEA_WANTS_HEATMAPS};

/// Relative difference of derivatives that counts as none.
const TOLERANCE: f64 = 0.03;
/// Part of the directions that must agree.
const MOST: f64 = 0.75;
/// Directions for each heatmap.
const DIRECTIONS: usize = 6;
/// Steps of heatmap values.
const STEPS: [f32; 4] = [1e-2, 3e-3, 1e-3, 3e-4];
/// Steps of box edges, pixels.
const PIXELS: [f32; 4] = [0.2, 0.05, 0.02, 0.005];

/// Central differences for some steps, and by how much rounding may have changed each.
struct Differences(Vec<(f32, f64, f64)>);

impl Differences {
    fn add(&mut self, step: f32, above: f64, below: f64, terms: f64) {
        let rounding = 4.0 * f64::from(f32::EPSILON) * terms / f64::from(2.0 * step);
        self.0.push((step, (above - below) / f64::from(2.0 * step), rounding));
    }

    fn agree(&self, derivative: f64) -> bool {
        let near = |(_, found, rounding): &(f32, f64, f64)| {
            (found - derivative).abs() <= TOLERANCE * found.abs().max(derivative.abs()) + rounding
        };
        self.0.iter().any(near)
    }

    /// Nothing changes with the smallest step.
    fn flat(&self) -> bool {
        self.0.last().is_some_and(|(_, found, _)| *found == 0.0)
    }

    fn shown(&self) -> String {
        let one = |(step, found, _): &(f32, f64, f64)| format!("{found:.4e} (step {step})");
        self.0.iter().map(one).collect::<Vec<_>>().join(", ")
    }
}

/// How many directions agree, and the first that does not.
#[derive(Default)]
struct Tally {
    asked: usize,
    agreed: usize,
    /// Directions along which nothing changes though the gradient is not zero.
    flat: usize,
    /// Directions along which the gradient is zero.
    zero: usize,
    first: Option<String>,
}

impl Tally {
    fn count(&mut self, name: &str, derivative: f64, differences: &Differences) {
        self.asked += 1;
        self.zero += usize::from(derivative == 0.0);
        self.flat += usize::from(derivative != 0.0 && differences.flat());
        if differences.agree(derivative) {
            self.agreed += 1;
        } else if self.first.is_none() {
            let shown = differences.shown();
            self.first =
                Some(format!("{name}: the gradient says {derivative:.4e}, central differences {shown}"));
        }
    }

    fn verdict(self, seed: u64) -> Result<Found, String> {
        let Self { asked, agreed, .. } = self;
        if agreed as f64 >= MOST * asked as f64 {
            let zero = if self.zero == asked { "; all are zero" } else { "" };
            return Ok(Found::Holds(format!("{agreed} of {asked} derivatives agree{zero}")));
        }
        let first = self.first.unwrap_or_default();
        Err(format!(
            "{agreed} of {asked} derivatives agree, and {MOST} of them should; {first} (seed {seed})"
        ))
    }
}

fn direction(random: &mut Random, length: usize) -> Vec<f32> {
    // Smooth parts and noise: noise alone averages out where an extractor sums over the heatmap.
    let (a, b) = (random.between(0.0, 0.2), random.between(0.0, 6.0));
    (0..length).map(|i| 0.5 * (a * i as f32 + b).sin() + random.between(-0.5, 0.5)).collect()
}

fn moved(values: &[f32], direction: &[f32], step: f32) -> Vec<f32> {
    values.iter().zip(direction).map(|(value, d)| value + step * d).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

const SHAPE: [usize; 3] = [1, 24, 32];

pub(super) fn extractor(subject: &Subject) -> Result<Found, String> {
    let (instance, functions) = (subject.instance()?, subject.extractor()?);
    if functions.vjp.is_none() {
        return Ok(Found::Skipped(
            "it has no `vjp`: its boxes are constants, and nothing is trained through it".to_owned(),
        ));
    }
    let mut random = subject.random("gradient");
    let (mut tally, mut same) = (Tally::default(), true);
    for number in 0..3 {
        let values = heatmaps(&mut random, 1, SHAPE[1], SHAPE[2]);
        let found = extract(&instance, functions, &values, SHAPE, true, ORDINARY)?;
        if !found.valid[0] {
            continue;
        }
        same &= found.hard == found.differentiable;
        for turn in 0..DIRECTIONS {
            let weights: Vec<f32> = (0..4).map(|_| random.between(-1.0, 1.0)).collect();
            let d = direction(&mut random, values.len());
            let back = vjp(&instance, functions, &values, SHAPE, &weights, ORDINARY)?.unwrap_or_default();
            let at = |step: f32| -> Result<Option<Vec<f32>>, String> {
                let found = extract(&instance, functions, &moved(&values, &d, step), SHAPE, true, ORDINARY)?;
                Ok(found.valid[0].then_some(found.differentiable))
            };
            let mut differences = Differences(Vec::new());
            for step in STEPS {
                if let (Some(above), Some(below)) = (at(step)?, at(-step)?) {
                    let terms = weights.iter().zip(&above).map(|(w, v)| f64::from((w * v).abs())).sum();
                    differences.add(step, dot(&weights, &above), dot(&weights, &below), terms);
                }
            }
            tally.count(&format!("heatmap {number}, direction {turn}"), dot(&back, &d), &differences);
        }
    }
    if tally.asked == 0 {
        return Ok(Found::Skipped("it finds no box in the suite's heatmaps".to_owned()));
    }
    if same && tally.flat as f64 >= MOST * tally.asked as f64 {
        let remark = "straight-through: the differentiable boxes are the hard ones, which are piecewise constant, so \
                      differences cannot check the gradient";
        return Ok(Found::Holds(remark.to_owned()));
    }
    tally.verdict(subject.seed)
}

pub(super) fn linear(subject: &Subject) -> Result<Found, String> {
    let (instance, functions) = (subject.instance()?, subject.extractor()?);
    if functions.vjp.is_none() {
        return Ok(Found::Skipped("it has no `vjp`".to_owned()));
    }
    let mut random = subject.random("vjp-linear");
    let values = heatmaps(&mut random, 2, SHAPE[1], SHAPE[2]);
    let back = |gradient: &[f32; 8]| -> Result<Vec<f32>, String> {
        let shape = [2, SHAPE[1], SHAPE[2]];
        let found = extract(&instance, functions, &values, shape, true, ORDINARY)?;
        let masked: Vec<f32> = (0..8).map(|i| if found.valid[i / 4] { gradient[i] } else { 0.0 }).collect();
        vjp(&instance, functions, &values, shape, &masked, ORDINARY).map(Option::unwrap_or_default)
    };
    let a = [0.5, -1.0, 0.25, 2.0, 0.0, 0.0, 0.0, 0.0];
    let b = [1.0, 0.5, -0.5, 0.125, 0.0, 0.0, 0.0, 0.0];
    let sum: [f32; 8] = std::array::from_fn(|i| a[i] + 2.0 * b[i]);
    let (of_a, of_b, of_sum) = (back(&a)?, back(&b)?, back(&sum)?);
    let half = of_a.len() / 2;
    if let Some(value) = of_sum[half..].iter().find(|value| **value != 0.0) {
        return Err(format!("heatmap 1, whose boxes have no gradient, gets {value}"));
    }
    let most = of_sum.iter().fold(1e-12f32, |most, value| most.max(value.abs()));
    let wrong = (0..half).find(|&i| (of_a[i] + 2.0 * of_b[i] - of_sum[i]).abs() > 1e-3 * most);
    match wrong {
        Some(i) => Err(format!(
            "pixel {i} gets {} for one gradient of boxes, {} for another, and {} for the first plus twice the other",
            of_a[i], of_b[i], of_sum[i]
        )),
        None => Ok(HOLDS),
    }
}

pub(super) fn loss(subject: &Subject) -> Result<Found, String> {
    const N: usize = 3;
    let (instance, functions) = (subject.instance()?, subject.loss()?);
    let mut random = subject.random("gradient");
    let mut tally = Tally::default();
    let value = |seen: &Seen| evaluate(&instance, functions, seen, ORDINARY).map(|found| found.values);
    for round in 0..2 {
        let base = seen(&mut random, N, SHAPE[1], SHAPE[2]);
        let exact = evaluate(&instance, functions, &base, ORDINARY)?;
        let shifted = |change: &dyn Fn(&mut Seen, f32), steps: &[f32]| -> Result<Vec<Differences>, String> {
            let mut differences: Vec<Differences> = (0..N).map(|_| Differences(Vec::new())).collect();
            for &step in steps {
                let at = |step: f32| {
                    let mut seen = base.clone();
                    change(&mut seen, step);
                    value(&seen)
                };
                let (above, below) = (at(step)?, at(-step)?);
                for (item, differences) in differences.iter_mut().enumerate() {
                    let (above, below) = (f64::from(above[item]), f64::from(below[item]));
                    differences.add(step, above, below, above.abs());
                }
            }
            Ok(differences)
        };
        if functions.flags & FOVEA_WANTS_BOXES != 0 {
            for edge in 0..4 {
                let change =
                    |seen: &mut Seen, step: f32| (0..N).for_each(|n| seen.boxes[n * 4 + edge] += step);
                for (item, differences) in shifted(&change, &PIXELS)?.iter().enumerate() {
                    let name = format!("round {round}, picture {item}, {}", ["x1", "y1", "x2", "y2"][edge]);
                    tally.count(&name, f64::from(exact.boxes[item * 4 + edge]), differences);
                }
            }
        }
        if functions.flags & FOVEA_WANTS_HEATMAPS != 0 {
            for turn in 0..DIRECTIONS {
                let d = direction(&mut random, base.heatmaps.len());
                let change = |seen: &mut Seen, step: f32| seen.heatmaps = moved(&seen.heatmaps, &d, step);
                let size = SHAPE[1] * SHAPE[2];
                for (item, differences) in shifted(&change, &STEPS)?.iter().enumerate() {
                    let part = item * size..(item + 1) * size;
                    let derivative = dot(&exact.heatmaps[part.clone()], &d[part]);
                    let name = format!("round {round}, picture {item}, heatmap direction {turn}");
                    tally.count(&name, derivative, differences);
                }
            }
        }
    }
    tally.verdict(subject.seed)
}
