//! Lines of text about tasks. The main functions are [`task`], how far one is, and [`event`], what happened to it.

use fovea_records::{Phase, TaskProgress, TrialEvent};

/// From this width on there is room for a long bar.
const WIDE: usize = 100;
/// Columns of what follows the bar: `12345 img/s  loss 0.1234`.
const REST: usize = 24;

/// One line about a task: its name, what it does, how far it is.
pub(crate) fn task(name: &str, progress: &TaskProgress, width: usize) -> String {
    let (phase, count) = match &progress.phase {
        Phase::Starting => ("start", String::new()),
        Phase::Localizing => ("boxes", of(progress.done, progress.total)),
        Phase::Training => ("train", epoch(progress)),
        Phase::Evaluating { .. } => ("eval", of(progress.done, progress.total)),
    };
    let rest = match &progress.phase {
        Phase::Starting => String::new(),
        Phase::Localizing => "pictures".to_owned(),
        Phase::Training => {
            let rate = progress.images_per_second.map_or_else(String::new, |r| format!("{r:.0} img/s"));
            let loss = progress.loss.map_or_else(String::new, |l| format!("loss {l:.4}"));
            format!("{rate:>11}  {loss}")
        }
        Phase::Evaluating { what } => what.clone(),
    };
    let bar = bar(progress.fraction(), if width < WIDE { 12 } else { 22 });
    let tail = format!("{phase:<5} {count:>7} {bar} {:<REST$}", cut(&rest, REST));
    let room = width.saturating_sub(tail.chars().count() + 1).max(8);
    format!("{:<room$} {}", cut(name, room), tail.trim_end()).chars().take(width).collect()
}

/// The epoch in progress, of how many.
pub(crate) fn epoch(progress: &TaskProgress) -> String {
    of((progress.epoch + 1).min(progress.epochs), progress.epochs)
}

fn of(done: usize, total: usize) -> String {
    format!("{done}/{total}")
}

/// What happened, in words; ticks say nothing.
pub(crate) fn event(event: &TrialEvent) -> Option<String> {
    Some(match event {
        TrialEvent::Started { device, from_epoch: 0, epochs, .. } => format!("{epochs} epochs on {device}"),
        TrialEvent::Started { device, from_epoch, epochs, origin } => {
            format!("{epochs} epochs on {device}, from epoch {from_epoch} ({origin})")
        }
        TrialEvent::Epoch(e) => {
            let explanation = e.explanation.map_or_else(String::new, |v| format!("  expl {v:.4}"));
            let skipped = if e.skipped > 0 { format!("  skipped {}", e.skipped) } else { String::new() };
            format!(
                "epoch {:>2}/{}  loss {:.4}  ce {:.4}{explanation}  acc {:.1} %{skipped}  {:.0} img/s",
                e.epoch,
                e.epochs,
                e.loss,
                e.cross_entropy,
                e.accuracy * 100.0,
                e.images_per_second
            )
        }
        TrialEvent::Metric(row) => {
            let level = row.level.map(|level| format!("level {level}"));
            let noise = row.noise.as_ref().map(|noise| format!("under {noise} noise"));
            let parts = [noise, level, row.subset.clone()].into_iter().flatten();
            parts.fold(format!("{} {}", row.split, row.metric), |text, part| text + " " + &part)
                + &format!(" = {:.4}", row.value)
        }
        TrialEvent::Warning { message } => format!("warning: {message}"),
        TrialEvent::Diverged { .. } => format!("DIVERGED: {}", event.divergence()?),
        TrialEvent::Failed { message } => format!("FAILED: {message}"),
        TrialEvent::Panicked { message } => format!("PANICKED: {message}"),
        TrialEvent::Stopped => "interrupted and saved".to_owned(),
        TrialEvent::Finished { train_seconds, eval_seconds, .. } => {
            format!("finished: {} of training, {} of evaluation", clock(*train_seconds), clock(*eval_seconds))
        }
        TrialEvent::Localizing { .. } | TrialEvent::Step { .. } | TrialEvent::Evaluating { .. } => {
            return None;
        }
    })
}

/// `2026-11-23 15:40:02`, of seconds since the Unix epoch, in UTC.
pub(crate) fn date(time: f64) -> String {
    let seconds = time.max(0.0) as u64;
    // Days to a date after Howard Hinnant, "chrono-compatible low-level date algorithms": years begin in March, so
    // that the leap day is their last.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// `[====>   ]`, so many columns wide.
pub(crate) fn bar(fraction: f64, width: usize) -> String {
    let room = width.saturating_sub(2);
    let full = ((fraction.clamp(0.0, 1.0) * room as f64) as usize).min(room);
    let head = if full > 0 && full < room { ">" } else { "" };
    let body = "=".repeat(full.saturating_sub(head.len()));
    format!("[{:<room$}]", body + head)
}

/// The text in at most so many columns. What is cut is the middle: variants differ at the end, too.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let (front, back) = (kept.div_ceil(2), kept / 2);
    text.chars().take(front).chain(['…']).chain(text.chars().skip(length - back)).take(width).collect()
}

/// `7s`, `3m07s`, `2h05m`.
pub(crate) fn clock(seconds: f64) -> String {
    let total = seconds.max(0.0).round() as u64;
    match (total / 3600, total / 60 % 60, total % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, _) => format!("{h}h{m:02}m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training() -> TaskProgress {
        TaskProgress {
            phase: Phase::Training,
            done: 5,
            total: 10,
            epoch: 2,
            epochs: 12,
            loss: Some(0.51234),
            images_per_second: Some(1234.4),
            ..TaskProgress::default()
        }
    }

    #[test]
    fn a_line_fits_and_keeps_both_ends_of_the_name() {
        assert_eq!(
            task("loss=ria, seed 0", &training(), 79),
            "loss=ria, seed 0            train    3/12 [=>        ]  1234 img/s  loss 0.5123"
        );
        let long = "dataset=rival10 localizer=ground-truth extractor=threshold loss=ria, seed 3";
        for width in [20, 60, 79, 119] {
            let line = task(long, &training(), width);
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
        let line = task(long, &training(), 79);
        assert!(line.starts_with("dataset=rival…") && line.contains("=ria, seed 3 train"), "{line}");
        let phase = Phase::Evaluating { what: "test under gaussian noise in the foreground".into() };
        let line = task("a", &TaskProgress { phase, ..training() }, 79);
        assert!(line.contains("eval     5/10 [====>     ] test under g…"), "{line}");
    }

    #[test]
    fn dates() {
        let dates = [0.0, 951_782_400.0, 1_795_448_402.9].map(date);
        assert_eq!(dates, ["1970-01-01 00:00:00", "2000-02-29 00:00:00", "2026-11-23 15:40:02"]);
    }

    #[test]
    fn bars_and_clocks() {
        assert_eq!(
            [0.0, 0.25, 1.0, 7.0].map(|f| bar(f, 10)),
            ["[        ]", "[=>      ]", "[========]", "[========]"]
        );
        assert_eq!([7.4, 187.0, 7500.0].map(clock), ["7s", "3m07s", "2h05m"]);
        assert_eq!(
            (cut("abcdef", 5), cut("abc", 3), cut("abc", 0)),
            ("ab…ef".into(), "abc".into(), "".into())
        );
    }
}
