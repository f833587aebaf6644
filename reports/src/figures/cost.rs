//! Accuracy against time: what does it cost to be more accurate?

use super::axis::Axis;
use super::look::{INK, Look, Marker};
use super::panel::{Panel, Series};
use super::scatter::{Cloud, drawn};
use super::sheet::Sheet;
use super::{Draft, Material};
use crate::format::plural;
use crate::measures::{Measure, MeasureKind};
use fovea_records::Unit;
use std::collections::BTreeSet;

/// More variants than this are not named in the caption.
const MOST_NAMED: usize = 6;

/// The figure, or why there is none.
pub(super) fn draft(material: &Material) -> Result<Draft, String> {
    let run = material.run;
    let accuracies: Vec<&Measure> =
        material.measures.iter().filter(|m| m.kind == MeasureKind::Accuracy).collect();
    let shown: Vec<&Measure> = match accuracies[..] {
        [first, .., last] => vec![first, last],
        _ => accuracies,
    };
    let seconds: Vec<Option<f64>> = run
        .trials
        .iter()
        .map(|t| t.done.as_ref().map(|d| d.train_seconds).filter(|s| *s > 0.0 && s.is_finite()))
        .collect();
    let drawings: Vec<(Panel, Vec<usize>)> =
        shown.into_iter().filter_map(|accuracy| panel(material, &seconds, accuracy)).collect();
    let Some((_, front)) = drawings.last() else {
        return Err("Accuracy against cost is left out: no finished trial has both an accuracy and a time."
            .to_owned());
    };
    let names: Vec<&str> = front.iter().map(|&v| run.variants[v].name.as_str()).collect();
    let named = if names.len() <= MOST_NAMED { names.join("; ") } else { plural(names.len(), "variant") };
    let timed = |t: &&crate::run::Trial| t.done.as_ref().is_some_and(|d| d.train_seconds > 0.0);
    let devices: BTreeSet<&str> =
        run.trials.iter().filter(timed).filter_map(|t| t.done.as_ref().map(|d| d.device.as_str())).collect();
    let devices = match devices.len() {
        0 | 1 => String::new(),
        _ => format!(
            " These trials ran on {}: times compare only between trials on the same.",
            devices.into_iter().collect::<Vec<_>>().join(", ")
        ),
    };
    let shown: Vec<usize> = (0..run.variants.len())
        .filter(|&v| run.variants[v].trials.iter().any(|&t| seconds[t].is_some()))
        .collect();
    let (panels, split) = {
        let split = drawings.last().map_or(String::new(), |(panel, _)| panel.title.clone());
        (drawings.into_iter().map(|(panel, _)| panel).collect::<Vec<_>>(), split)
    };
    let columns = panels.len();
    let sheet = Sheet { legend: material.legend(shown), ..Sheet::filled(panels, columns, 320.0) };
    Ok(Draft {
        name: "accuracy-vs-cost".to_owned(),
        title: "Accuracy against cost".to_owned(),
        caption: format!(
            "Each small point is a trial, each large point the mean of a variant. Cost is the time spent in training, \
             that of a shared warm-up included, without evaluation. The stepped line is the Pareto front of the means: \
             no mean lies above it. On it, for {split}, cheapest first: \
             {named}. Times depend on what else the machine did.{devices}"
        ),
        sheet: sheet.narrowed(),
    })
}

fn panel(material: &Material, seconds: &[Option<f64>], accuracy: &Measure) -> Option<(Panel, Vec<usize>)> {
    let clouds: Vec<Cloud> = (0..material.run.variants.len())
        .filter_map(|variant| {
            let trials = &material.run.variants[variant].trials;
            Cloud::new(variant, trials.iter().filter_map(|&t| seconds[t].zip(accuracy.values[t])).collect())
        })
        .collect();
    if clouds.is_empty() {
        return None;
    }
    let longest = clouds.iter().map(|c| c.x.max).fold(0.0, f64::max);
    let (unit, factor) = match longest {
        l if l < 300.0 => ("s", 1.0),
        l if l < 4.0 * 3600.0 => ("min", 60.0),
        _ => ("h", 3600.0),
    };
    let clouds: Vec<Cloud> = clouds.into_iter().filter_map(|c| c.scaled(1.0 / factor)).collect();
    let xs = clouds.iter().flat_map(|c| [c.x.min, c.x.max]);
    let x = Axis::positive(&format!("training time ({unit})"), Unit::Number, xs);
    let ys = clouds.iter().flat_map(|c| [c.y.min, c.y.max]);
    let y = Axis::round("accuracy (%)", Unit::Fraction, ys, 5);

    let means: Vec<(f64, f64)> = clouds.iter().map(|c| (c.x.mean, c.y.mean)).collect();
    let front = front(&means);
    let look = Look { colour: INK, dash: &[4.0, 3.0], marker: Marker::Disc };
    let steps = Series {
        line: 1.2,
        marker: 0.0,
        opacity: 0.7,
        ..Series::new(look, steps(&front.iter().map(|&p| means[p]).collect::<Vec<_>>(), x.high()))
    };
    let mut series = vec![steps];
    series.extend(drawn(material, &clouds, false));
    let front = front.into_iter().map(|p| clouds[p].variant).collect();
    Some((Panel::new(accuracy.phrase.clone(), x, y, series), front))
}

/// Which of some (cost, worth) no other beats: none is as cheap and worth more, or cheaper and worth as much. By cost.
fn front(points: &[(f64, f64)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&a, &b| {
        points[a].0.total_cmp(&points[b].0).then(points[b].1.total_cmp(&points[a].1)).then(a.cmp(&b))
    });
    let mut best = f64::NEG_INFINITY;
    order.retain(|&p| {
        let better = points[p].1 > best;
        best = best.max(points[p].1);
        better
    });
    order
}

/// The line below and to the right of which everything is beaten: level to the next cost, then up.
fn steps(front: &[(f64, f64)], end: f64) -> Vec<(f64, f64)> {
    let mut line: Vec<(f64, f64)> = Vec::new();
    for &(cost, worth) in front {
        if let Some(&(_, before)) = line.last() {
            line.push((cost, before));
        }
        line.push((cost, worth));
    }
    if let Some(&(_, last)) = line.last() {
        line.push((end, last));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_holds_what_nothing_beats() {
        // The second costs as much as the first and is worth less, the fourth is worth no more than the third.
        let points = [(1.0, 0.5), (1.0, 0.4), (2.0, 0.7), (3.0, 0.7), (4.0, 0.6), (5.0, 0.9)];
        assert_eq!(front(&points), [0, 2, 5]);
        assert_eq!(front(&[(2.0, 0.3), (1.0, 0.3)]), [1]);
        assert!(front(&[]).is_empty());
    }

    #[test]
    fn the_line_goes_level_and_then_up() {
        let line = steps(&[(1.0, 0.5), (2.0, 0.7)], 6.0);
        assert_eq!(line, [(1.0, 0.5), (2.0, 0.5), (2.0, 0.7), (6.0, 0.7)]);
        assert!(steps(&[], 6.0).is_empty());
    }
}
