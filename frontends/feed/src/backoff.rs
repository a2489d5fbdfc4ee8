//! How long to wait before a peer is asked again.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// Upstream's routers begin so too, and go on to 100 s; a peer that is back should not wait so long.
const PAUSES_MS: [u64; 5] = [1, 10, 100, 1_000, 10_000];

/// Pauses that grow tenfold from failure to failure, each shortened at random by up to a half, so
/// that all who wait for a peer that was away do not come back at one moment.
#[derive(Debug)]
pub struct Backoff {
    failure_count: usize,
    most: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::up_to(Duration::MAX)
    }
}

impl Backoff {
    /// Pauses that are never longer than `most`.
    pub const fn up_to(most: Duration) -> Self {
        Self {
            failure_count: 0,
            most,
        }
    }

    /// The pause after one more failure; `random` is any number.
    pub fn failed(&mut self, random: u64) -> Duration {
        let index = self.failure_count.min(PAUSES_MS.len() - 1);
        self.failure_count = index + 1;
        let pause_us = PAUSES_MS[index] * 1000;
        Duration::from_micros(pause_us - random % (pause_us / 2 + 1)).min(self.most)
    }

    /// The peer gave something.
    pub const fn succeeded(&mut self) {
        self.failure_count = 0;
    }
}

/// Any number; the standard library's hashers begin with one.
pub fn random() -> u64 {
    RandomState::new().build_hasher().finish()
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
    fn a_most_is_kept_to() {
        let most = Duration::from_millis(50);
        let mut backoff = Backoff::up_to(most);
        let pauses: Vec<_> = (0..4).map(|_| backoff.failed(0)).collect();
        assert_eq!(pauses[1].as_millis(), 10);
        assert_eq!(pauses[2..], [most, most]);
    }

    #[test]
    fn chance_takes_up_to_a_half() {
        for random in [0, 1, 500, 501, u64::MAX] {
            let pause = Backoff::default().failed(random).as_micros();
            assert!((500..=1000).contains(&pause), "{random}: {pause}");
        }
    }
}
