//! Numbers as people read them: per cent with one decimal for fractions, three decimals for numbers.

use crate::stats::Stats;
use fovea_records::Unit;
pub(crate) use fovea_records::date;

/// A value without its unit, but for bytes, whose unit depends on how many they are.
pub(crate) fn value(unit: Unit, value: f64) -> String {
    let text = match unit {
        Unit::Fraction => format!("{:.1}", 100.0 * value),
        Unit::Number => format!("{value:.3}"),
        Unit::PerSecond | Unit::Seconds => format!("{value:.1}"),
        Unit::Count => format!("{value:.0}"),
        Unit::Bytes => bytes(value),
    };
    // A rounded negative zero would look like a finding.
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        _ => text,
    }
}

/// `512.0 MiB`, `1.5 GiB`.
fn bytes(bytes: f64) -> String {
    let mebibytes = bytes / 1_048_576.0;
    if mebibytes.abs() < 1023.95 {
        format!("{mebibytes:.1} MiB")
    } else {
        format!("{:.1} GiB", mebibytes / 1024.0)
    }
}

/// A difference, with its sign and without its unit.
pub(crate) fn difference(unit: Unit, difference: f64) -> String {
    let text = value(unit, difference);
    if text.starts_with('-') || text.chars().all(|c| matches!(c, '0' | '.')) {
        text
    } else {
        format!("+{text}")
    }
}

/// `mean ± sd`, or the mean alone when there is a single value.
pub(crate) fn mean_sd(unit: Unit, stats: &Stats) -> String {
    match stats.sd {
        Some(sd) => format!("{} ± {}", value(unit, stats.mean), value(unit, sd)),
        None => value(unit, stats.mean),
    }
}

/// `p = 0.012`, with two digits; `p < 0.001` below that.
pub(crate) fn p_value(p: f64) -> String {
    match p {
        p if p < 0.001 => "p < 0.001".to_owned(),
        p if p < 0.00995 => format!("p = {p:.4}"),
        p if p < 0.0995 => format!("p = {p:.3}"),
        p if p < 0.995 => format!("p = {p:.2}"),
        _ => "p = 1".to_owned(),
    }
}

/// A positive number as it is, with thin spaces where it is long.
pub(crate) fn plain(value: f64) -> String {
    let text = format!("{value}");
    match text.find('.').unwrap_or(text.len()) {
        whole @ 5.. => {
            let digits = text[..whole].bytes().enumerate().map(|(i, digit)| {
                let space = if i > 0 && (whole - i) % 3 == 0 { "\u{2009}" } else { "" };
                format!("{space}{}", char::from(digit))
            });
            digits.collect::<String>() + &text[whole..]
        }
        _ => text,
    }
}

/// Typographic minus signs, for the page.
pub(crate) fn minus(text: &str) -> String {
    text.replace('-', "\u{2212}")
}

/// `1 trial`, `2 trials`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A duration in words.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else if seconds < 3600.0 {
        format!("{:.1} min", seconds / 60.0)
    } else {
        format!("{:.1} h", seconds / 3600.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_decimals() {
        assert_eq!(value(Unit::Fraction, 0.8125), "81.2");
        assert_eq!(difference(Unit::Number, 0.0312), "+0.031");
        assert_eq!(difference(Unit::Number, -0.0002), "0.000");
        assert_eq!(value(Unit::Bytes, f64::from(300 << 20)), "300.0 MiB");
        assert_eq!(difference(Unit::Bytes, 1536.0 * 1_048_576.0), "+1.5 GiB");
        assert_eq!(minus(&difference(Unit::Fraction, -0.01)), "\u{2212}1.0");
        assert_eq!([0.0004, 0.0123, 0.5, 1.0].map(p_value), ["p < 0.001", "p = 0.012", "p = 0.50", "p = 1"]);
        assert_eq!(plural(1, "seed") + " " + &plural(2, "seed"), "1 seed 2 seeds");
    }
}
