//! How a binding cache is doing, for metrics to look at.

use hydrant_http::Watch;
use std::sync::atomic::{AtomicU64, Ordering};

hydrant_engine::counters! {
    /// What a binding cache counts.
    CacheCounter {
        Refreshes = "refreshes", "Rounds of asking the Cloud Controller.";
        RefreshErrors = "refresh_errors", "Rounds that came to nothing: the bindings of before are served.";
        Told = "problems_told", "Problems given out to be told to apps.";
        Untold = "problems_untold", "Problems that were not given out: the same had been told within a minute.";
        Connections = "connections", "Connections accepted.";
        TlsFailed = "tls_failed", "Connections without a TLS handshake: it failed or took too long.";
        PlainHttp = "plain_http", "Connections that spoke plain HTTP where HTTPS is spoken.";
        Requests = "requests", "Requests.";
        NotReady = "not_ready", "Requests answered 503: the Cloud Controller has not been heard yet.";
        Refused = "refused_requests", "Requests answered 404 or 405.";
    }
}

hydrant_engine::counters! {
    /// What a binding cache found in the last round that had an answer, under upstream's names.
    CacheGauge {
        LastRefreshCount = "last_binding_refresh_count", "Apps with bindings that can be used, in the last answer of the Cloud Controller.";
        Cached = "cached_bindings", "Apps with bindings that are served.";
        Invalid = "invalid_drains", "Bindings and credentials of the last answer that are not served, those with addresses that are not allowed among them.";
        Blacklisted = "blacklisted_drains", "Bindings of the last answer that are not served since their addresses are not allowed.";
    }
}

/// Counters and gauges of a binding cache.
#[derive(Debug)]
pub struct CacheState {
    counts: [AtomicU64; CacheCounter::ALL.len()],
    gauges: [AtomicU64; CacheGauge::ALL.len()],
}

impl Default for CacheState {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; _],
            gauges: [const { AtomicU64::new(0) }; _],
        }
    }
}

impl CacheState {
    /// What a counter stands at.
    pub fn get(&self, counter: CacheCounter) -> u64 {
        self.counts[counter as usize].load(Ordering::Relaxed)
    }

    /// What a gauge stands at.
    pub fn gauge(&self, gauge: CacheGauge) -> u64 {
        self.gauges[gauge as usize].load(Ordering::Relaxed)
    }

    pub(super) fn count(&self, counter: CacheCounter) {
        self.counts[counter as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn set(&self, gauge: CacheGauge, value: usize) {
        let value = u64::try_from(value).unwrap_or(u64::MAX);
        self.gauges[gauge as usize].store(value, Ordering::Relaxed);
    }
}

impl Watch for CacheState {
    fn connection(&self) {
        self.count(CacheCounter::Connections);
    }

    fn tls_failed(&self) {
        self.count(CacheCounter::TlsFailed);
    }

    fn plain_http(&self) {
        self.count(CacheCounter::PlainHttp);
    }
}
