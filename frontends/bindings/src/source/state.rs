//! How a source of bindings is doing, for metrics to look at.

use hydrant_engine::counters::Block;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

hydrant_engine::counters! {
    /// What a source counts.
    SourceCounter {
        Refreshes = "refreshes", "Times that the cache was asked for apps' bindings.";
        RefreshErrors = "refresh_errors", "Times that it did not answer with bindings: those of before stay.";
        AggregateRefreshes = "aggregate_refreshes", "Times that the cache was asked for aggregate drains.";
        AggregateErrors = "aggregate_errors", "Times that it did not answer with aggregate drains: those of before stay.";
        Changes = "changes", "Times that the set was another one than before.";
    }
}

hydrant_engine::counters! {
    /// What a source found in the last round that had an answer.
    SourceGauge {
        Bindings = "bindings", "Bindings of apps.";
        Aggregates = "aggregates", "Aggregate drains.";
        CutOff = "cut_off", "Bindings that are not used: their apps have more than they may.";
        Invalid = "invalid", "Bindings and credentials that the cache should have rejected, and that are not used.";
        Blacklisted = "blacklisted", "How many of these have an address that is not allowed.";
        AggregatesUnusable = "aggregates_unusable", "Aggregate drains whose URL cannot be used.";
    }
}

/// Counters and gauges of a source. Only its thread writes.
#[derive(Debug, Default)]
pub struct SourceState {
    counts: Block<{ SourceCounter::ALL.len() }>,
    gauges: [AtomicU64; SourceGauge::ALL.len()],
    latency_micros: AtomicU64,
}

impl SourceState {
    /// What a counter stands at.
    pub fn get(&self, counter: SourceCounter) -> u64 {
        self.counts.get(counter as usize)
    }

    /// What a gauge stands at.
    pub fn gauge(&self, gauge: SourceGauge) -> u64 {
        self.gauges[gauge as usize].load(Ordering::Relaxed)
    }

    /// Milliseconds that the cache took for the last list of apps' bindings; 0 before the first.
    #[expect(
        clippy::cast_precision_loss,
        reason = "it is shown with three decimals"
    )]
    pub fn latency_ms(&self) -> f64 {
        self.latency_micros.load(Ordering::Relaxed) as f64 / 1_000.0
    }

    pub(super) fn count(&self, counter: SourceCounter) {
        self.counts.add(counter as usize, 1);
    }

    pub(super) fn set(&self, gauge: SourceGauge, value: usize) {
        let value = u64::try_from(value).unwrap_or(u64::MAX);
        self.gauges[gauge as usize].store(value, Ordering::Relaxed);
    }

    pub(super) fn set_latency(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.latency_micros.store(micros, Ordering::Relaxed);
    }
}
