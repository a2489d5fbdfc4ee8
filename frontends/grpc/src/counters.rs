//! What the frontend counts of connections and streams.

use hydrant_rpc::listen::{Event, Watch};
use std::sync::atomic::{AtomicU64, Ordering};

hydrant_engine::counters! {
    /// What a worker counts of its connections and streams.
    GrpcCounter {
        Connections = "connections", "TCP connections accepted.";
        TlsFailed = "tls_failed", "Connections closed because the TLS handshake failed or took too long.";
        PrefaceLate = "preface_late", "Connections closed because the client did not begin with HTTP/2 in time.";
        StreamsOpened = "streams_opened", "Streams opened to send envelopes.";
        StreamsEnded = "streams_ended", "Streams of senders that they ended in order.";
        StreamsReset = "streams_reset", "Streams of senders that were reset or whose connection broke.";
        StreamsCut = "streams_cut", "Streams of senders that we ended: after a message over the limit, or because we stop.";
        SessionsOpened = "sessions_opened", "Streams opened to read envelopes.";
        SessionsRejected = "sessions_rejected", "Streams of readers refused because there were too many, or their requests too large together.";
        RequestsInvalid = "requests_invalid", "Streams of readers refused because their request was wrong, too large or too late.";
    }
}

/// Counters of one worker.
#[derive(Debug, Default)]
pub struct GrpcCounters([AtomicU64; GrpcCounter::ALL.len()]);

impl GrpcCounters {
    /// Counts one.
    pub fn count(&self, counter: GrpcCounter) {
        self.0[counter as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// What a counter stands at.
    pub fn get(&self, counter: GrpcCounter) -> u64 {
        self.0[counter as usize].load(Ordering::Relaxed)
    }
}

impl Watch for GrpcCounters {
    fn happened(&self, event: Event) {
        self.count(match event {
            Event::Accepted => GrpcCounter::Connections,
            Event::TlsFailed => GrpcCounter::TlsFailed,
            Event::PrefaceLate => GrpcCounter::PrefaceLate,
        });
    }
}
