//! How long to wait before the next attempt.

use crate::limits::{RETRY_MS_MAX, RETRY_MS_MIN, STABLE_MS};
use std::time::Duration;

/// Pauses that double from failure to failure, each shortened at random by up to a half, so that
/// the drains of a receiver that was away do not come back at one moment.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failure_count: u32,
}

impl Backoff {
    /// The pause after one more failure; `random` is any number.
    pub(crate) fn failed(&mut self, random: u64) -> Duration {
        let doubled = RETRY_MS_MIN.checked_shl(self.failure_count.min(63));
        let pause_ms = doubled.map_or(RETRY_MS_MAX, |ms| ms.clamp(RETRY_MS_MIN, RETRY_MS_MAX));
        self.failure_count = self.failure_count.saturating_add(1);
        let pause_us = pause_ms * 1000;
        Duration::from_micros(pause_us - random % (pause_us / 2 + 1))
    }

    /// There was a connection, for this long.
    pub(crate) fn stood(&mut self, time: Duration) {
        if time >= Duration::from_millis(STABLE_MS) {
            self.failure_count = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..17).map(|_| backoff.failed(0).as_millis()).collect();
        let mut expected: Vec<_> = (0..14).map(|power| 1_u128 << power).collect();
        expected.extend([15_000; 3]);
        assert_eq!(pauses, expected);
        backoff.failure_count = u32::MAX;
        assert_eq!(backoff.failed(0).as_millis(), 15_000);
    }

    #[test]
    fn chance_takes_up_to_a_half() {
        for random in [0, 1, 500, 501, u64::MAX] {
            let pause = Backoff::default().failed(random).as_micros();
            assert!((500..=1000).contains(&pause), "{random}: {pause}");
        }
        assert_eq!(Backoff::default().failed(500).as_micros(), 500);
    }

    #[test]
    fn only_a_connection_that_lasted_starts_over() {
        let mut backoff = Backoff { failure_count: 5 };
        backoff.stood(Duration::from_millis(STABLE_MS - 1));
        assert_eq!(backoff.failed(0).as_millis(), 32);
        backoff.stood(Duration::from_millis(STABLE_MS));
        assert_eq!(backoff.failed(0).as_millis(), 1);
    }
}
