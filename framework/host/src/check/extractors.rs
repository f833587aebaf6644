//! What is true of box extractors.

use super::ask::{ORDINARY, evaluate, extract, vjp};
use super::input::{heatmaps, seen};
use super::property::{Found, HOLDS};
use super::subject::Subject;
use crate::library::Functions;
use fovea_abi::raw::FoveaExtractor;

impl Subject {
    pub(super) fn extractor(&self) -> Result<&'static FoveaExtractor, String> {
        match self.plugin.functions {
            Functions::Extractor(functions) => Ok(functions),
            _ => Err("it is no extractor; this is a mistake of the suite".to_owned()),
        }
    }
}

pub(super) fn zero(subject: &Subject) -> Result<Found, String> {
    let (instance, functions) = (subject.instance()?, subject.extractor()?);
    for (h, w) in [(24, 32), (1, 1)] {
        let zeros = vec![0.0; 2 * h * w];
        let found = extract(&instance, functions, &zeros, [2, h, w], true, ORDINARY)?;
        if found.valid.contains(&true) {
            return Err(format!("{w}x{h} zeros have the box {:?}", &found.hard[..4]));
        }
        vjp(&instance, functions, &zeros, [2, h, w], &[0.0; 8], ORDINARY)?;
    }
    Ok(HOLDS)
}

pub(super) fn hard_only(subject: &Subject) -> Result<Found, String> {
    let (instance, functions) = (subject.instance()?, subject.extractor()?);
    let values = heatmaps(&mut subject.random("hard-only"), 3, 24, 32);
    let [both, hard] =
        [true, false].map(|soft| extract(&instance, functions, &values, [3, 24, 32], soft, ORDINARY));
    let (both, hard) = (both?, hard.map_err(|error| format!("with `differentiable` null: {error}"))?);
    if both.hard == hard.hard && both.valid == hard.valid {
        return Ok(HOLDS);
    }
    Err(format!("the hard boxes are {:?}, and {:?} with `differentiable` null", both.hard, hard.hard))
}

/// Heatmaps with a number in them that is none.
fn odd(values: &[f32]) -> Vec<(&'static str, Vec<f32>)> {
    let with = |at: usize, number: f32| {
        let mut values = values.to_vec();
        values[at] = number;
        values
    };
    vec![
        ("one NaN", with(100, f32::NAN)),
        ("only NaN", vec![f32::NAN; values.len()]),
        ("one infinity", with(100, f32::INFINITY)),
        ("only infinities", vec![f32::INFINITY; values.len()]),
        ("one negative infinity", with(100, f32::NEG_INFINITY)),
        ("numbers of 1e38", vec![1e38; values.len()]),
    ]
}

pub(super) fn not_finite(subject: &Subject) -> Result<Found, String> {
    let mut refused = Vec::new();
    let shape = [1, 24, 32];
    let values = heatmaps(&mut subject.random("not-finite"), 1, 24, 32);
    for (name, values) in odd(&values) {
        // An instance that reported a panic is not asked again.
        let instance = subject.instance()?;
        let outcome = match subject.plugin.functions {
            Functions::Extractor(functions) => extract(&instance, functions, &values, shape, true, ORDINARY)
                .and_then(|found| {
                    let gradient = if found.valid[0] { [1.0; 4] } else { [0.0; 4] };
                    vjp(&instance, functions, &values, shape, &gradient, ORDINARY).map(drop)
                }),
            Functions::Loss(functions) => {
                let mut seen = seen(&mut subject.random("not-finite"), 1, 24, 32);
                seen.heatmaps = values;
                evaluate(&instance, functions, &seen, ORDINARY).map(drop)
            }
            _ => Ok(()),
        };
        match outcome {
            Ok(()) => {}
            // What the plugin itself refuses is well; what it answers must be finite.
            Err(error) if error.contains("expected") => return Err(format!("{name}: {error}")),
            Err(error) if error.contains("panicked") => return Err(format!("{name}: {error}")),
            Err(error) => refused.push(format!("{name}: {error}")),
        }
    }
    Ok(Found::Holds(refused.first().cloned().unwrap_or_default()))
}
