//! When batches are due, and how long after that something happens.

use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

/// One beat for all streams, whose batches are due in turn. It is fixed before the first is sent:
/// who is late is late for that batch only, and the next is due when it would have been.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    start: Instant,
    batch: u64,
    streams: u64,
    /// Envelopes a second; nothing is as fast as possible.
    rate: Option<u64>,
}

impl Schedule {
    /// Starts the clock. `batch` is the envelopes of one.
    pub fn new(batch: usize, streams: usize, rate: Option<u64>) -> Self {
        Self {
            start: Instant::now(),
            batch: batch as u64,
            streams: streams as u64,
            rate,
        }
    }

    /// Nanoseconds since the start.
    pub fn now_ns(&self) -> u64 {
        nanos(self.start.elapsed())
    }

    /// Whether nobody waits for anything.
    pub const fn is_unpaced(&self) -> bool {
        self.rate.is_none()
    }

    /// When the batch with this number of this stream is due, in nanoseconds from the start.
    pub fn due_ns(&self, stream: usize, number: u64) -> u64 {
        let Some(rate) = self.rate else {
            return 0;
        };
        let place = u128::from(number) * u128::from(self.streams) + stream as u128;
        let due = place * u128::from(self.batch) * 1_000_000_000 / u128::from(rate.max(1));
        u64::try_from(due).unwrap_or(u64::MAX)
    }
}

/// In whole nanoseconds.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Of times up to a minute, in nanoseconds to three digits.
pub fn histogram() -> Histogram<u64> {
    match Histogram::new_with_bounds(1, 60_000_000_000, 3) {
        Ok(histogram) => histogram,
        Err(error) => unreachable!("these bounds are good: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_holds_a_minute() {
        let mut times = histogram();
        times.record(50_000_000_000).unwrap();
        times.saturating_record(u64::MAX);
        assert_eq!(times.len(), 2);
    }

    #[test]
    fn streams_take_turns_at_an_even_beat() {
        let schedule = Schedule::new(100, 4, Some(1_000_000));
        let due = |stream, number| schedule.due_ns(stream, number);
        assert_eq!([due(0, 0), due(1, 0), due(3, 0)], [0, 100_000, 300_000]);
        assert_eq!([due(0, 1), due(2, 5)], [400_000, 2_200_000]);
        // No gap is a whole number of nanoseconds here, and a minute's batches still take a minute.
        let schedule = Schedule::new(7, 3, Some(999_999));
        let places: u64 = 999_999 * 60 / 7;
        assert_eq!(schedule.due_ns(0, places / 3), 60_000_000_000);
    }

    #[test]
    fn without_a_rate_everything_is_due() {
        let schedule = Schedule::new(100, 4, None);
        assert!(schedule.is_unpaced());
        assert_eq!(schedule.due_ns(3, u64::MAX), 0);
    }
}
