//! What the gateway counts, for metrics to look at.

use hydrant_access::{AccessState, Question};
use hydrant_engine::counters::Block;
use hydrant_http::Watch;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

hydrant_engine::counters! {
    /// What the gateway counts.
    GatewayCounter {
        Connections = "connections", "Connections accepted.";
        TlsFailed = "tls_failed", "Connections without a TLS handshake: it failed or took too long.";
        PlainHttp = "plain_http", "Connections that spoke plain HTTP where HTTPS is spoken.";
        Requests = "requests", "Requests.";
        NoSuchPath = "no_such_path", "Requests answered 404: there is nothing at the path.";
        Denied = "denied", "Requests answered 404: the client may not read what it asks for.";
        Malformed = "malformed_requests", "Requests answered 400 or 405.";
        Unavailable = "unavailable", "Requests answered 503: no provider, or too many streams.";
        Streams = "streams", "Streams opened.";
        ClosedByProvider = "closed_by_provider", "Streams that ended because the provider ended them in order.";
        ProviderFailed = "provider_failed", "Streams that ended because the provider refused or broke.";
        ClosedByTimeout = "closed_by_timeout", "Streams that ended after the stream timeout.";
        ClosedByStop = "closed_by_stop", "Streams that ended because we stop.";
        ClosedByClient = "closed_by_client", "Streams whose client is gone.";
        Batches = "batches", "Batches taken from the provider.";
        Envelopes = "envelopes", "Envelopes written to clients.";
        EnvelopesMalformed = "envelopes_malformed", "Envelopes, or rests of batches, of the provider that could not be decoded.";
        Bytes = "bytes", "Bytes of events handed to HTTP.";
        Heartbeats = "heartbeats", "Heartbeat events.";
    }
}

hydrant_engine::counters! {
    /// How long the last request of a kind took, under upstream's names. The last two have stayed 0
    /// there for years and do so here: nobody asks these questions.
    Latency {
        Uaa = "LastUAALatency", "Last request latency to UAA in nanoseconds.";
        LogAccess = "LastCAPIV4LogAccessLatency", "Last request latency to CAPI v4 logs access endpoint in nanoseconds";
        ServiceInstances = "LastCAPIV2ServiceInstancesLatency", "Last request latency to CAPI v2 service instances endpoint in nanoseconds";
        Apps = "LastCAPIV3AppsLatency", "Last request latency to CAPI v3 apps endpoint in nanoseconds";
        ListServiceInstances = "LastCAPIV2ListServiceInstancesLatency", "Last request latency to CAPI v2 list service instances endpoint in nanoseconds";
    }
}

/// Counters and gauges of the gateway. Only its thread writes.
#[derive(Debug, Default)]
pub struct GatewayState {
    counts: Block<{ GatewayCounter::ALL.len() }>,
    access: Arc<AccessState>,
    streams_open: AtomicU64,
}

impl GatewayState {
    /// What a counter stands at.
    pub fn get(&self, counter: GatewayCounter) -> u64 {
        self.counts.get(counter as usize)
    }

    /// Nanoseconds that the last request of this kind took; 0 before the first.
    pub fn latency_nanos(&self, latency: Latency) -> u64 {
        let question = match latency {
            Latency::Uaa => Question::CheckToken,
            Latency::LogAccess => Question::LogAccess,
            Latency::ServiceInstances => Question::ServiceInstance,
            Latency::Apps | Latency::ListServiceInstances => return 0,
        };
        self.access.latency_nanos(question)
    }

    /// What was asked of UAA and the Cloud Controller.
    pub fn access(&self) -> Arc<AccessState> {
        self.access.clone()
    }

    /// Streams that are open now.
    pub fn streams_open(&self) -> u64 {
        self.streams_open.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, counter: GatewayCounter, count: u64) {
        self.counts.add(counter as usize, count);
    }

    pub(crate) fn count(&self, counter: GatewayCounter) {
        self.add(counter, 1);
    }

    /// Takes one of the places for streams, if one of `streams_max` is free.
    pub(crate) fn stream_opens(&self, streams_max: u64) -> bool {
        let open = self.streams_open();
        if open >= streams_max {
            return false;
        }
        self.streams_open.store(open + 1, Ordering::Relaxed);
        true
    }

    /// Gives a place back.
    pub(crate) fn stream_ends(&self) {
        self.streams_open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Watch for GatewayState {
    fn connection(&self) {
        self.count(GatewayCounter::Connections);
    }

    fn tls_failed(&self) {
        self.count(GatewayCounter::TlsFailed);
    }

    fn plain_http(&self) {
        self.count(GatewayCounter::PlainHttp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_taken_and_given_back() {
        let state = GatewayState::default();
        assert!(state.stream_opens(2));
        assert!(state.stream_opens(2));
        assert!(!state.stream_opens(2));
        state.stream_ends();
        assert_eq!(state.streams_open(), 1);
        assert!(state.stream_opens(2));
    }
}
