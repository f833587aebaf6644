//! Where values lie along a panel's side. The main type is [`Axis`].

use fovea_records::Unit;

/// From a range this many times as wide as its beginning, steps of equal ratios show more than steps of equal size.
const WIDE: f64 = 20.0;

/// An axis: its range and where it is labelled.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// What is measured along it.
    pub(crate) label: String,
    /// Values and their labels.
    pub(crate) ticks: Vec<(f64, String)>,
    /// Whether its places are names, with no lines across the panel.
    pub(crate) names: bool,
    /// Room for the widest label, logical pixels; `None` for a share of the panel.
    pub(crate) room: Option<f64>,
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Axis {
    /// An axis that holds `values` with a little room, labelled at about as many round numbers as `ticks`; fractions in
    /// per cent.
    pub(crate) fn round(
        label: &str,
        unit: Unit,
        values: impl IntoIterator<Item = f64>,
        ticks: usize,
    ) -> Self {
        Self::between(label, unit, range(values), ticks)
    }

    /// The same, beginning at 0: for bars, whose lengths are compared.
    pub(crate) fn from_zero(
        label: &str,
        unit: Unit,
        values: impl IntoIterator<Item = f64>,
        ticks: usize,
    ) -> Self {
        Self::between(
            label,
            unit,
            (0.0, 1.05 * values.into_iter().filter(|v| v.is_finite()).fold(0.01, f64::max)),
            ticks,
        )
    }

    /// An axis of positive values: logarithmic where they differ by more than a factor of 20.
    pub(crate) fn positive(label: &str, unit: Unit, values: impl IntoIterator<Item = f64>) -> Self {
        let values: Vec<f64> = values.into_iter().filter(|v| *v > 0.0 && v.is_finite()).collect();
        let (low, high) = values.iter().fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(*v), h.max(*v)));
        if high <= WIDE * low || values.is_empty() {
            return Self::round(label, unit, values, 5);
        }
        let room = (high / low).powf(0.05);
        let (low, high) = (low / room, high * room);
        let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
        let factors: &[f64] = if high > 1e4 * low { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let ticks = decades
            .flat_map(|power| factors.iter().map(move |f| f * 10_f64.powi(power)))
            .filter(|v| (low..=high).contains(v))
            .map(|v| (v, crate::format::plain(v)))
            .collect();
        Self { label: label.to_owned(), ticks, names: false, room: None, low, high, logarithmic: true }
    }

    /// An axis labelled exactly at `values`.
    pub(crate) fn at(label: &str, values: &[f64]) -> Self {
        let ticks = values.iter().map(|v| (*v, format!("{v}"))).collect();
        Self::linear(label, range(values.iter().copied()), ticks)
    }

    /// A vertical axis of names, the first on top, at 0, -1, -2, ...; `room` is what their widest may take.
    pub(crate) fn names(label: &str, names: &[String], room: f64) -> Self {
        let ticks = names.iter().enumerate().map(|(i, n)| (-(i as f64), n.clone())).collect();
        let range = (0.5 - names.len() as f64, 0.5);
        Self { names: true, room: Some(room), ..Self::linear(label, range, ticks) }
    }

    /// A horizontal axis of names, at 0, 1, 2, ...
    pub(crate) fn columns(label: &str, names: &[String]) -> Self {
        let ticks = names.iter().enumerate().map(|(i, n)| (i as f64, n.clone())).collect();
        Self { names: true, ..Self::linear(label, (-0.5, names.len() as f64 - 0.5), ticks) }
    }

    /// The same places without labels: those of the panel to the left stand for these.
    pub(crate) fn unlabelled(self) -> Self {
        Self { label: String::new(), ticks: Vec::new(), room: Some(0.0), ..self }
    }

    fn linear(label: &str, (low, high): (f64, f64), ticks: Vec<(f64, String)>) -> Self {
        Self { label: label.to_owned(), ticks, names: false, room: None, low, high, logarithmic: false }
    }

    fn between(label: &str, unit: Unit, (low, high): (f64, f64), ticks: usize) -> Self {
        let factor = if unit == Unit::Fraction { 100.0 } else { 1.0 };
        let step = round_step((high - low) * factor / ticks as f64, unit == Unit::Count) / factor;
        let decimals = (-(step * factor).log10().floor()).max(0.0) as usize;
        // 2.5 needs one decimal more than its power of ten says.
        let decimals = decimals + usize::from(!is_whole(step * factor * 10_f64.powi(decimals as i32)));
        let first = (low / step).ceil() as i64;
        let last = (high / step).floor() as i64;
        let ticks = (first..=last)
            .map(|i| {
                let value = i as f64 * step;
                (value, format!("{:.decimals$}", value * factor + 0.0).replace('-', "\u{2212}"))
            })
            .collect();
        Self::linear(label, (low, high), ticks)
    }

    /// Where a value lies: 0 at the beginning, 1 at the end.
    pub(crate) fn place(&self, value: f64) -> f64 {
        if self.logarithmic {
            // What would lie at or below 0 ends at the edge.
            return (value.max(self.low) / self.low).ln() / (self.high / self.low).ln();
        }
        (value - self.low) / (self.high - self.low)
    }

    /// The largest value.
    pub(crate) fn high(&self) -> f64 {
        self.high
    }

    /// Whether 0 lies within.
    pub(crate) fn crosses_zero(&self) -> bool {
        self.low < 0.0 && self.high > 0.0
    }
}

fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.into_iter().filter(|v| v.is_finite()) {
        low = low.min(value);
        high = high.max(value);
    }
    if low > high {
        return (0.0, 1.0);
    }
    let room = if high - low > 1e-9 * low.abs().max(high.abs()).max(1e-9) {
        0.05 * (high - low)
    } else {
        (0.1 * high.abs()).max(0.01)
    };
    (low - room, high + room)
}

fn is_whole(value: f64) -> bool {
    (value - value.round()).abs() < 1e-6
}

fn round_step(raw: f64, whole: bool) -> f64 {
    let power = 10_f64.powf(raw.log10().floor());
    let off = |step: &f64| (step / raw).ln().abs();
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|f| f * power);
    let step = steps.min_by(|a, b| off(a).total_cmp(&off(b))).unwrap_or(raw);
    if whole { step.ceil().max(1.0) } else { step }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: Axis) -> Vec<String> {
        axis.ticks.into_iter().map(|t| t.1).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(labels(Axis::round("", Unit::Fraction, [0.1, 0.9], 4)), ["20", "40", "60", "80"]);
        assert_eq!(
            labels(Axis::round("", Unit::Number, [-0.03, 0.06], 4)),
            ["−0.025", "0.000", "0.025", "0.050"]
        );
        assert_eq!(labels(Axis::round("", Unit::Count, [1.0, 4.0], 5)), ["1", "2", "3", "4"]);
        assert_eq!(labels(Axis::round("", Unit::Number, [0.5, 0.5], 2)), ["0.45", "0.50", "0.55"]);
        assert!(!labels(Axis::round("", Unit::Number, [], 4)).is_empty());
        assert_eq!(
            labels(Axis::from_zero("", Unit::Fraction, [0.5, 0.78], 4)),
            ["0", "20", "40", "60", "80"]
        );
    }

    #[test]
    fn a_wide_range_is_logarithmic_and_a_narrow_one_is_not() {
        let wide = Axis::positive("", Unit::Seconds, [1.0, 100.0]);
        assert!((wide.place(10.0) - 0.5).abs() < 1e-9);
        assert_eq!(labels(wide), ["1", "2", "5", "10", "20", "50", "100"]);
        let narrow = Axis::positive("", Unit::Seconds, [50.0, 100.0]);
        assert!((narrow.place(75.0) - 0.5).abs() < 1e-9);
        assert_eq!(labels(narrow), ["50", "60", "70", "80", "90", "100"]);
        assert_eq!(
            labels(Axis::positive("", Unit::Seconds, [0.5, 2e5])),
            ["1", "10", "100", "1000", "10\u{2009}000", "100\u{2009}000"]
        );
    }
}
