//! How long to wait before a router is asked again.

use std::time::Duration;

/// Upstream's begins so too, and goes on to 100 s; a router that is back should not wait so long.
const PAUSES_MS: [u64; 5] = [1, 10, 100, 1_000, 10_000];

/// Pauses that grow tenfold from failure to failure, each shortened at random by up to a half, so
/// that the subscriptions of a router that was away do not come back at one moment.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failure_count: usize,
}

impl Backoff {
    /// The pause after one more failure; `random` is any number.
    pub(super) fn failed(&mut self, random: u64) -> Duration {
        let index = self.failure_count.min(PAUSES_MS.len() - 1);
        self.failure_count = index + 1;
        let pause_us = PAUSES_MS[index] * 1000;
        Duration::from_micros(pause_us - random % (pause_us / 2 + 1))
    }

    /// The router gave something.
    pub(super) const fn succeeded(&mut self) {
        self.failure_count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_cap_and_start_over() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..7).map(|_| backoff.failed(0).as_millis()).collect();
        assert_eq!(pauses, [1, 10, 100, 1_000, 10_000, 10_000, 10_000]);
        backoff.succeeded();
        assert_eq!(backoff.failed(0).as_millis(), 1);
        assert_eq!(backoff.failed(0).as_millis(), 10);
    }

    #[test]
    fn chance_takes_up_to_a_half() {
        for random in [0, 1, 500, 501, u64::MAX] {
            let pause = Backoff::default().failed(random).as_micros();
            assert!((500..=1000).contains(&pause), "{random}: {pause}");
        }
    }
}
