//! When to send and when to end.

use std::thread;
use std::time::{Duration, Instant};

/// At a rate, this often a second something is sent.
const BATCHES_PER_SECOND: u64 = 1000;

/// Bounds what is sent by count and time, and spreads it over the time at a rate.
#[derive(Debug)]
pub(super) struct Pace {
    start: Instant,
    duration: Duration,
    count: u64,
    rate: u64,
    sent: u64,
}

impl Pace {
    /// Starts the clock. A `rate` of 0 is no limit.
    pub(super) fn new(count: Option<u64>, seconds: u64, rate: u64) -> Self {
        Self {
            start: Instant::now(),
            duration: Duration::from_secs(seconds),
            count: count.unwrap_or(u64::MAX),
            rate,
            sent: 0,
        }
    }

    /// How many to send now, at most `batch_max`; waits until it is time to. Nothing at the end.
    pub(super) fn next(&self, batch_max: usize) -> Option<usize> {
        let elapsed = self.start.elapsed();
        let rest = self.count - self.sent;
        if rest == 0 || elapsed >= self.duration {
            return None;
        }
        let mut batch = batch_max as u64;
        if self.rate > 0 {
            thread::sleep(self.due().saturating_sub(elapsed));
            batch = batch.min(self.rate.div_ceil(BATCHES_PER_SECOND));
        }
        usize::try_from(batch.min(rest)).ok()
    }

    /// Notes what was sent.
    pub(super) fn sent(&mut self, count: usize) {
        self.sent += count as u64;
    }

    /// All that was sent so far.
    pub(super) fn sent_count(&self) -> u64 {
        self.sent
    }

    /// When the next envelope is due, from the start.
    fn due(&self) -> Duration {
        Duration::from_secs_f64(self.sent as f64 / self.rate as f64).min(self.duration)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_at_the_count() {
        let mut pace = Pace::new(Some(100), 60, 0);
        assert_eq!(pace.next(64), Some(64));
        pace.sent(64);
        assert_eq!(pace.next(64), Some(36));
        pace.sent(36);
        assert_eq!(pace.next(64), None);
        assert_eq!(pace.sent_count(), 100);
    }

    #[test]
    fn ends_at_the_time() {
        assert_eq!(Pace::new(None, 0, 0).next(64), None);
    }

    #[test]
    fn a_rate_spreads_the_load() {
        let mut pace = Pace::new(Some(20), 60, 1000);
        let start = Instant::now();
        while let Some(count) = pace.next(64) {
            assert_eq!(count, 1);
            pace.sent(count);
        }
        assert!(start.elapsed() >= Duration::from_millis(19));
    }
}
