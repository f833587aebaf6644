//! What a benchmark found. The main type is [`Measurement`].

use serde::Serialize;
use serde_json::{Map, Value};

/// What the values of a [`Measurement`] are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Seconds of wall-clock; less is better.
    Seconds,
    /// A part of a whole, in 0..=1.
    Share,
}

/// What is done in each of the measured times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Items {
    /// How many.
    pub count: usize,
    /// Of what, in the plural: `pictures`, `boxes`.
    pub of: &'static str,
}

/// One thing measured, again and again.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// The benchmark: `step`, `data`.
    pub bench: &'static str,
    /// The part of it: a loss, `first epoch`.
    pub what: String,
    /// Everything that was chosen: model, batch, size.
    pub settings: Map<String, Value>,
    /// Device in words (`cpu (2 threads)`, `cuda:0`).
    pub device: String,
    /// What the values are.
    pub unit: Unit,
    /// What is done in each of the measured times, where that can be counted.
    pub items: Option<Items>,
    /// Every single value, in the order in which they were measured; never empty.
    pub values: Vec<f64>,
}

impl Measurement {
    /// The middle value, or the mean of the two middle values.
    #[must_use]
    pub fn median(&self) -> f64 {
        quantile(&self.values, 0.5)
    }

    /// A quarter of the values is below the first, a quarter above the second.
    #[must_use]
    pub fn quartiles(&self) -> [f64; 2] {
        [0.25, 0.75].map(|share| quantile(&self.values, share))
    }

    /// Items a second, by the median.
    #[must_use]
    pub fn per_second(&self) -> Option<f64> {
        Some(self.items?.count as f64 / self.median())
    }
}

/// The value below which a share of all values lies, linear between two of them, as NumPy has it; NaN of none.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = share * last as f64;
    let low = (at as usize).min(last);
    let high = (low + 1).min(last);
    sorted[low] + (sorted[high] - sorted[low]) * (at - low as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn quantiles_are_those_of_numpy() {
        assert!(close(quantile(&[3.0, 1.0, 2.0], 0.5), 2.0));
        assert!(close(quantile(&[4.0, 1.0, 2.0, 3.0], 0.5), 2.5));
        assert!(close(quantile(&[4.0, 1.0, 2.0, 3.0], 0.25), 1.75));
        assert!(close(quantile(&[4.0, 1.0, 2.0, 3.0], 0.75), 3.25));
        assert!(close(quantile(&[7.0], 0.75), 7.0));
        assert!(quantile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_rate_is_of_the_median() {
        let found = Measurement {
            bench: "step",
            what: "none".into(),
            settings: Map::new(),
            device: "cpu (1 thread)".into(),
            unit: Unit::Seconds,
            items: Some(Items { count: 8, of: "pictures" }),
            values: vec![0.1, 9.0, 2.0],
        };
        assert!(close(found.per_second().unwrap(), 4.0));
        assert_eq!(Measurement { items: None, ..found }.per_second(), None);
    }
}
