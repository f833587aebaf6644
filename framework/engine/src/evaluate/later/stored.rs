//! Metrics of stored predictions. The main function is [`rows`].

use super::Part;
use fovea_records::{MetricRow, PredictionRecord, Region};
use std::collections::BTreeMap;

/// What a part gives; nothing for parts that need the network, and where the trial kept no such predictions.
#[must_use]
pub fn rows(part: Part, records: &[PredictionRecord]) -> Vec<MetricRow> {
    match part {
        Part::Likelihood => likelihood(records),
        Part::Stability => stability(records),
        _ => Vec::new(),
    }
}

/// `nll = mean(-ln p)`, p the probability of the true class, at least the smallest positive `f32`.
fn likelihood(records: &[PredictionRecord]) -> Vec<MetricRow> {
    let row = |record: &PredictionRecord| match record {
        PredictionRecord::Clean { split, confidence, .. } if !confidence.is_empty() => {
            let sum: f64 = confidence.iter().map(|p| -f64::from(p.max(f32::MIN_POSITIVE)).ln()).sum();
            Some(MetricRow::new(split, "nll", sum / confidence.len() as f64, confidence.len()))
        }
        _ => None,
    };
    records.iter().filter_map(row).collect()
}

/// Predictions at one noise level.
struct Same {
    level: f64,
    /// Those that are as without noise.
    same: usize,
    all: usize,
    draws: usize,
}

impl Same {
    fn fraction(&self) -> f64 {
        self.same as f64 / self.all as f64
    }

    /// Pictures, each of which is counted once a draw.
    fn pictures(&self) -> usize {
        self.all / self.draws
    }
}

/// Fraction of predictions that noise leaves as they are: per noise, level and region, over all draws, and the mean
/// over levels.
fn stability(records: &[PredictionRecord]) -> Vec<MetricRow> {
    let clean: BTreeMap<&str, &[usize]> = records
        .iter()
        .filter_map(|record| match record {
            PredictionRecord::Clean { split, predicted, .. } => Some((split.as_str(), predicted.as_slice())),
            _ => None,
        })
        .collect();
    let mut found: BTreeMap<(&str, &str, &str), Vec<Same>> = BTreeMap::new();
    for record in records {
        let PredictionRecord::Noisy { split, noise, region, level, predicted, .. } = record else { continue };
        let Some(clean) = clean.get(split.as_str()) else { continue };
        let metric = match region {
            Region::Foreground => "stability-fg",
            Region::Background => "stability-bg",
        };
        let levels = found.entry((split, noise, metric)).or_default();
        let known = levels.iter().position(|known| known.level == *level);
        let place = known.unwrap_or_else(|| {
            levels.push(Same { level: *level, same: 0, all: 0, draws: 0 });
            levels.len() - 1
        });
        let sums = &mut levels[place];
        sums.draws += 1;
        for is_same in predicted.iter().zip(*clean).filter_map(|(noisy, clean)| noisy.map(|n| n == *clean)) {
            sums.same += usize::from(is_same);
            sums.all += 1;
        }
    }
    let mut rows = Vec::new();
    for ((split, noise, metric), mut levels) in found {
        levels.retain(|level| level.all > 0);
        for level in &levels {
            let row = MetricRow::new(split, metric, level.fraction(), level.pictures());
            rows.push(row.noise(noise, Some(level.level)));
        }
        if let Some(count) = levels.iter().map(Same::pictures).max() {
            let mean = levels.iter().map(Same::fraction).sum::<f64>() / levels.len() as f64;
            rows.push(MetricRow::new(split, metric, mean, count).noise(noise, None));
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(level: f64, draw: usize, predicted: [Option<usize>; 3]) -> PredictionRecord {
        PredictionRecord::Noisy {
            split: "test".to_owned(),
            noise: "gaussian".to_owned(),
            region: Region::Background,
            level,
            draw,
            predicted: predicted.to_vec(),
        }
    }

    #[test]
    fn likelihood_and_stability_by_hand() {
        let records = [
            PredictionRecord::Clean {
                split: "test".to_owned(),
                predicted: vec![0, 1, 2],
                confidence: vec![1.0, 0.5, 0.0],
            },
            noisy(30.0, 0, [Some(0), Some(1), None]),
            noisy(30.0, 1, [Some(0), Some(0), None]),
            noisy(60.0, 0, [Some(1), Some(0), None]),
        ];
        let found = rows(Part::Likelihood, &records);
        let by_hand = (std::f64::consts::LN_2 - f64::from(f32::MIN_POSITIVE).ln()) / 3.0;
        assert_eq!(found.len(), 1);
        assert!((found[0].value - by_hand).abs() < 1e-9 && found[0].count == 3);

        let found: Vec<_> = rows(Part::Stability, &records)
            .into_iter()
            .map(|r| (r.metric, r.level, r.value, r.count))
            .collect();
        let name = || "stability-bg".to_owned();
        assert_eq!(
            found,
            [(name(), Some(30.0), 0.75, 2), (name(), Some(60.0), 0.0, 2), (name(), None, 0.375, 2)]
        );
        assert!(rows(Part::Noise, &records).is_empty());
    }
}
