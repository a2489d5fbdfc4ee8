//! The store under its lock: what comes in, what has to go for it.

use crate::recent::apps::{App, Apps};
use crate::recent::config::RecentConfig;
use crate::recent::counts::{RecentCounter, RecentCounts};
use crate::recent::form::{container_metric, names_app};
use crate::recent::logs::{CopiedLogs, LogBounds, Logs};
use crate::recent::metrics::{Metric, Put};
use bytes::Bytes;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::record::{Record, Version, source_hash};

/// What may be held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    logs: LogBounds,
    /// For all container metrics.
    metrics_bytes: usize,
    /// For those of one app.
    app_metrics_bytes: usize,
    metric_ttl_nanos: u64,
    idle_nanos: u64,
}

impl Bounds {
    pub(super) fn of(config: &RecentConfig) -> Self {
        let bytes = usize::try_from(config.bytes.as_u64()).unwrap_or(usize::MAX);
        let idle_nanos = config.idle_ms.saturating_mul(1_000_000);
        let logs = LogBounds {
            count: config.logs_per_app,
            bytes: bytes / 8 * 5,
            table_bytes: bytes / 8,
            idle_nanos,
        };
        Self {
            logs,
            metrics_bytes: bytes / 4,
            app_metrics_bytes: bytes / 8,
            metric_ttl_nanos: config.metric_ttl_ms.saturating_mul(1_000_000),
            idle_nanos,
        }
    }

    /// When the oldest container metric that is shown was measured.
    const fn oldest_metric(&self, now: UnixNanos) -> UnixNanos {
        UnixNanos(now.0.saturating_sub(self.metric_ttl_nanos))
    }
}

/// **Invariant: the apps that have container metrics together take `app_bytes`.**
#[derive(Debug)]
pub(super) struct State {
    bounds: Bounds,
    logs: Logs,
    /// Those that have container metrics.
    apps: Apps,
    app_bytes: usize,
    /// The hash of the id that is no id.
    nobody: u64,
    counts: RecentCounts,
}

impl State {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            logs: Logs::new(bounds.logs),
            apps: Apps::default(),
            app_bytes: 0,
            nobody: source_hash(b""),
            counts: RecentCounts::default(),
        }
    }

    /// Takes a log.
    #[inline]
    pub(super) fn log(&mut self, record: &Record<'_>) {
        if !self.names_app(record) {
            return self.counts.add(RecentCounter::NoApp, 1);
        }
        let log = (record.header.version, record.envelope);
        let (apps, counts) = (&self.apps, &mut self.counts);
        self.logs.add(record.header.source_hash, log, apps, counts);
    }

    /// Takes a gauge if it is a container metric.
    pub(super) fn gauge(&mut self, record: &Record<'_>, now: UnixNanos) {
        let Some((app, metric)) = container_metric(record, now) else {
            return;
        };
        if app.is_empty() {
            return self.counts.add(RecentCounter::NoApp, 1);
        }
        let hash = record.header.source_hash;
        self.hear(hash, now);
        let (expired, put) = self.put(hash, metric, now);
        self.evict(hash);
        self.count_expired(expired);
        match put {
            Put::First => self.counts.metrics += 1,
            Put::Newer => self.counts.add(RecentCounter::Replaced, 1),
            Put::Late => return self.counts.add(RecentCounter::Late, 1),
            Put::Full => return self.counts.add(RecentCounter::Oversize, 1),
        }
        self.counts.add(RecentCounter::Taken, 1);
    }

    /// Forgets apps that were idle too long.
    pub(super) fn forget_idle(&mut self, now: UnixNanos) {
        while let Some(hash) = self.apps.quiet_for(now, self.bounds.idle_nanos) {
            self.forget(hash, RecentCounter::Expired);
        }
        self.logs.set_now(now, &self.apps, &mut self.counts);
    }

    /// The logs to show of an app.
    pub(super) fn logs(&self, hash: u64) -> CopiedLogs {
        self.logs.copy(hash, &self.apps)
    }

    /// The container metrics to show of an app.
    pub(super) fn metrics(&mut self, hash: u64, now: UnixNanos) -> Vec<Bytes> {
        let oldest = self.bounds.oldest_metric(now);
        let changed = self.change(hash, |app| {
            let expired = app.metrics.expire(oldest);
            let shown = app.metrics.envelopes().map(Bytes::copy_from_slice);
            (expired, shown.collect())
        });
        let (expired, shown) = changed.unwrap_or_default();
        self.count_expired(expired);
        shown
    }

    pub(super) fn counts(&self) -> RecentCounts {
        RecentCounts {
            apps: self.logs.app_count() + self.apps.count(|hash| !self.logs.has(hash)),
            bytes: self.logs.bytes() + self.metrics_bytes(),
            ..self.counts
        }
    }

    #[inline]
    fn names_app(&self, record: &Record<'_>) -> bool {
        match record.header.version {
            Version::V1 => names_app(record.envelope),
            Version::V2 => record.header.source_hash != self.nobody,
        }
    }

    /// Puts a container metric where it belongs. Also returns how many others were too old.
    fn put(&mut self, hash: u64, metric: Metric, now: UnixNanos) -> (usize, Put) {
        let oldest = self.bounds.oldest_metric(now);
        let bytes_max = self.bounds.app_metrics_bytes;
        let changed = self.change(hash, |app| {
            let metrics = &mut app.metrics;
            let expired = match metrics.would_grow(metric.index) {
                true => metrics.expire(oldest),
                false => 0,
            };
            (expired, metrics.put(metric, bytes_max))
        });
        changed.unwrap_or((0, Put::Full))
    }

    /// Makes sure that an app is there, and that it stands where it belongs in the order.
    fn hear(&mut self, hash: u64, now: UnixNanos) {
        match self.apps.get(hash).map(|app| app.is_heard(now)) {
            Some(true) => {}
            Some(false) => self.apps.hear(hash, now),
            None => {
                self.logs.end_if_idle(hash, &self.apps);
                self.apps.insert(hash, now);
                self.app_bytes += self.apps.get(hash).map_or(0, App::bytes);
            }
        }
    }

    /// Changes an app, and what all apps take by what it takes more or less.
    fn change<T>(&mut self, hash: u64, change: impl FnOnce(&mut App) -> T) -> Option<T> {
        let app = self.apps.get_mut(hash)?;
        let before = app.bytes();
        let outcome = change(app);
        self.app_bytes = self.app_bytes - before + app.bytes();
        Some(outcome)
    }

    /// Forgets the container metrics of the quietest apps but this one until memory suffices.
    fn evict(&mut self, kept: u64) {
        while self.metrics_bytes() > self.bounds.metrics_bytes
            && let Some(hash) = self.apps.quietest_but(kept)
        {
            self.forget(hash, RecentCounter::Evicted);
        }
    }

    fn forget(&mut self, hash: u64, reason: RecentCounter) {
        let Some(app) = self.apps.remove(hash) else {
            return;
        };
        let metrics = app.metrics.count();
        self.app_bytes -= app.bytes();
        self.counts.metrics -= metrics;
        self.counts.add(reason, metrics);
    }

    fn count_expired(&mut self, count: usize) {
        self.counts.metrics -= count;
        self.counts.add(RecentCounter::Expired, count);
    }

    fn metrics_bytes(&self) -> usize {
        self.app_bytes + self.apps.table_bytes()
    }

    /// The hashes of all apps with container metrics, quietest first, having added up anew what they take.
    #[cfg(test)]
    pub(super) fn checked_order(&self) -> Vec<u64> {
        let order = self.apps.in_order();
        let apps = || order.iter().filter_map(|hash| self.apps.get(*hash));
        assert_eq!(apps().map(App::bytes).sum::<usize>(), self.app_bytes);
        assert_eq!(self.logs.checked_count(), self.counts.logs);
        let metrics: usize = apps().map(|app| app.metrics.count()).sum();
        assert_eq!(metrics, self.counts.metrics);
        order
    }
}
