//! Numbers as people read them, and tables of them.

pub(crate) use fovea_records::date;

use std::time::{SystemTime, UNIX_EPOCH};

/// `7s`, `3m07s`, `2h05m`, `3d04h`; below ten seconds with a decimal.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 9.95 {
        return format!("{:.1}s", seconds.max(0.0));
    }
    let total = seconds.round() as u64;
    match (total / 86400, total / 3600 % 24, total / 60 % 60, total % 60) {
        (0, 0, 0, s) => format!("{s}s"),
        (0, 0, m, s) => format!("{m}m{s:02}s"),
        (0, h, m, _) => format!("{h}h{m:02}m"),
        (d, h, ..) => format!("{d}d{h:02}h"),
    }
}

/// `512 B`, `3.4 kB`, `1.2 GB`: powers of 1000, as `ls --si` and disks count.
pub(crate) fn bytes(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = "B";
    for next in units {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if unit == "B" || value >= 99.5 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// How long ago a time in seconds since the Unix epoch is: `3 minutes ago`.
pub(crate) fn ago(time: f64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64());
    let seconds = (now - time).max(0.0);
    let (count, unit) = match seconds {
        s if s < 60.0 => return "just now".to_owned(),
        s if s < 3600.0 => (s / 60.0, "minute"),
        s if s < 86400.0 => (s / 3600.0, "hour"),
        s => (s / 86400.0, "day"),
    };
    let count = count as u64;
    format!("{} ago", plural(count as usize, unit))
}

/// `1 trial`, `2 trials`.
pub(crate) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// A fraction in per cent.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{:.1} %", 100.0 * fraction)
}

/// Columns as wide as their widest cell, two spaces apart and in front. A heading that begins with `>` stands, with its
/// cells, to the right.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let right: Vec<bool> = headings.iter().map(|heading| heading.starts_with('>')).collect();
    let head: Vec<String> =
        headings.iter().map(|heading| heading.trim_start_matches('>').to_owned()).collect();
    let width = |column: usize| {
        let cells = std::iter::once(&head).chain(rows).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let mut text = String::new();
    for row in std::iter::once(&head).chain(rows) {
        let cells = row.iter().zip(&widths).zip(&right).map(|((cell, &width), &right)| {
            if right { format!("  {cell:>width$}") } else { format!("  {cell:<width$}") }
        });
        text += cells.collect::<String>().trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            [0.26, 9.96, 187.0, 7500.0, 273_600.0].map(duration),
            ["0.3s", "10s", "3m07s", "2h05m", "3d04h"]
        );
        assert_eq!(
            [512, 3400, 1_230_000, 999_600, 250_000_000].map(bytes),
            ["512 B", "3.4 kB", "1.2 MB", "1.0 MB", "250 MB"]
        );
        assert_eq!(
            [0.0, 951_782_400.0, 1_795_448_178.0].map(date),
            ["1970-01-01 00:00:00 UTC", "2000-02-29 00:00:00 UTC", "2026-11-23 15:36:18 UTC"]
        );
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["bcd".to_owned(), "10".to_owned()]];
        assert_eq!(table(&["name", ">n"], &rows), "  name   n\n  a      1\n  bcd   10\n");
    }
}
