//! What was seen of a run, and the figures that follow from it.

use super::balance::Accounts;
use crate::report::ratio;
use crate::threads::ThreadTime;
use hdrhistogram::Histogram;

/// What was seen of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The window's length.
    pub window_ns: u64,
    /// Envelopes sent in it.
    pub offered: u64,
    /// Envelopes that came to readers in it.
    pub delivered: u64,
    /// What the server's process cost in it.
    pub server_time: ThreadTime,
    /// How long the server's core did other work.
    pub server_away_ns: u64,
    /// Memory of the server's process at its end.
    pub server_bytes: u64,
    /// What the load's thread cost in it.
    pub load_time: ThreadTime,
    /// How long envelopes were under way, in nanoseconds, if that was taken down.
    pub latencies: Histogram<u64>,
    /// How late batches were sent, likewise.
    pub lateness: Histogram<u64>,
    /// The accounts of the whole run.
    pub accounts: Accounts,
}

impl Run {
    /// Envelopes sent a second.
    pub fn offered_per_second(&self) -> f64 {
        self.per_second(self.offered)
    }

    /// Envelopes delivered a second.
    pub fn delivered_per_second(&self) -> f64 {
        self.per_second(self.delivered)
    }

    fn per_second(&self, count: u64) -> f64 {
        count as f64 * 1e9 / self.window_ns.max(1) as f64
    }

    /// Microseconds of the server's CPU for an envelope sent.
    pub fn in_us(&self) -> f64 {
        ratio(self.server_time.cpu_ns as f64 / 1e3, self.offered as f64)
    }

    /// Microseconds of the server's CPU for an envelope delivered; 0 if none is.
    pub fn out_us(&self) -> f64 {
        ratio(self.server_time.cpu_ns as f64 / 1e3, self.delivered as f64)
    }

    /// How much of the window the server ran, of one core.
    pub fn busy(&self) -> f64 {
        self.part(self.server_time.cpu_ns)
    }

    /// How much of the window the server's core did other work.
    pub fn server_away(&self) -> f64 {
        self.part(self.server_away_ns)
    }

    /// How much of the window other work kept the load waiting.
    pub fn load_away(&self) -> f64 {
        self.part(self.load_time.waited_ns)
    }

    fn part(&self, nanos: u64) -> f64 {
        nanos as f64 / self.window_ns.max(1) as f64
    }
}
