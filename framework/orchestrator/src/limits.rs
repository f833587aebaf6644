//! How long a worker may take, and what follows when it dies. The main types are [`Limits`] and [`Retries`].

use fovea_plan::RunConfig;
use std::time::Duration;

/// Times that an attempt at a task may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// For all of it.
    pub total: Option<Duration>,
    /// Between two events.
    pub silence: Option<Duration>,
}

impl Limits {
    /// Those of a run.
    #[must_use]
    pub fn of(run: &RunConfig) -> Self {
        Self { total: run.timeout, silence: run.stall_timeout }
    }

    /// Why an attempt has to end that has taken this long and was last heard this long ago.
    #[must_use]
    pub fn exceeded(&self, elapsed: Duration, silent: Duration) -> Option<String> {
        if let Some(total) = self.total.filter(|limit| elapsed >= *limit) {
            return Some(format!("it took longer than run.timeout allows ({})", minutes(total)));
        }
        let silence = self.silence.filter(|limit| silent >= *limit)?;
        Some(format!("it was silent for longer than run.stall_timeout allows ({})", minutes(silence)))
    }
}

fn minutes(duration: Duration) -> String {
    format!("{} min", duration.as_secs_f64() / 60.0)
}

/// How often, and after what time, a task is tried again whose worker died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// How often.
    pub count: usize,
    /// Time before the first; each further time it is twice as long.
    pub delay: Duration,
}

impl Retries {
    /// Those of a run.
    #[must_use]
    pub fn of(run: &RunConfig) -> Self {
        Self { count: run.retries, delay: run.retry_delay }
    }

    /// Time to wait after attempt number `attempt`, from 1, died; `None`: it was the last.
    #[must_use]
    pub fn after(&self, attempt: usize) -> Option<Duration> {
        let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        (attempt <= self.count).then(|| self.delay.saturating_mul(2_u32.saturating_pow(doublings)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_further_retry_waits_twice_as_long() {
        let retries = Retries { count: 3, delay: 2 * SECOND };
        let waits: Vec<_> = (1..=4).map(|attempt| retries.after(attempt)).collect();
        assert_eq!(waits, [Some(2 * SECOND), Some(4 * SECOND), Some(8 * SECOND), None]);
        assert_eq!(Retries { count: 0, delay: SECOND }.after(1), None);
        assert!(Retries { count: 100, delay: SECOND }.after(90).is_some(), "no overflow");
    }

    #[test]
    fn limits_say_which_of_them_was_exceeded() {
        assert_eq!(Limits::default().exceeded(Duration::MAX, Duration::MAX), None);
        let limits = Limits { total: Some(90 * SECOND), silence: Some(30 * SECOND) };
        assert_eq!(limits.exceeded(89 * SECOND, 29 * SECOND), None);
        let total = limits.exceeded(90 * SECOND, SECOND).unwrap();
        assert!(total.contains("run.timeout") && total.contains("1.5 min"), "{total}");
        assert!(limits.exceeded(40 * SECOND, 30 * SECOND).unwrap().contains("run.stall_timeout"));
    }
}
