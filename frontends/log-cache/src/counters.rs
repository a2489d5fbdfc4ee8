//! What a node counts.

use hydrant_engine::counters::Loss;
use hydrant_rpc::listen::{Event, Watch};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

hydrant_engine::counters! {
    /// What a node counts of its connections and calls.
    NodeCounter {
        Connections = "connections", "TCP connections accepted.";
        TlsFailed = "tls_failed", "Connections closed because the TLS handshake failed or took too long.";
        PrefaceLate = "preface_late", "Connections closed because the client did not begin with HTTP/2 in time.";
        Ingress = "ingress", "Envelopes kept.";
        Egress = "egress", "Envelopes given to readers.";
        SendFailures = "send_failures", "Attempts to send a batch of envelopes to another node that failed; most are made again.";
        ReadsForwarded = "reads_forwarded", "Reads of sources of other nodes, passed on to them.";
        ReadsAway = "reads_away", "Reads answered with nothing because the node that keeps the source could not be reached.";
        MetaAway = "meta_away", "Answers of other nodes about their sources that did not come, or could not be read: what was told lacks them.";
        QueriesAway = "queries_away", "Queries refused because a node that keeps their data could not be read.";
        RequestsInvalid = "requests_invalid", "Calls refused because their request was wrong, too large or cut off.";
        Restored = "restored", "Envelopes that the disk had at the start.";
        DiskCutOff = "disk_cut_off", "Files that were not whole at the start, as after a crash: what came last is not there.";
        DiskDamaged = "disk_damaged", "Records on the disk that could not be used at the start.";
        DiskErrors = "disk_errors", "Times that the disk could not be written; then everything is written anew.";
    }
}

/// Counters of a node.
#[derive(Debug)]
pub struct NodeCounters {
    counters: [AtomicU64; NodeCounter::ALL.len()],
    losses: [AtomicU64; Loss::ALL.len()],
    query_nanos: [AtomicU64; 2],
}

/// The kinds of queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryKind {
    /// At one time.
    Instant,
    /// At several times.
    Range,
}

impl Default for NodeCounters {
    fn default() -> Self {
        Self {
            counters: Default::default(),
            losses: std::array::from_fn(|_| AtomicU64::new(0)),
            query_nanos: Default::default(),
        }
    }
}

impl NodeCounters {
    /// Counts so many.
    pub fn add(&self, counter: NodeCounter, count: u64) {
        self.counters[counter as usize].fetch_add(count, Ordering::Relaxed);
    }

    /// What a counter stands at.
    pub fn get(&self, counter: NodeCounter) -> u64 {
        self.counters[counter as usize].load(Ordering::Relaxed)
    }

    /// Remembers how long a query took.
    pub fn took(&self, kind: QueryKind, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.query_nanos[kind as usize].store(nanos, Ordering::Relaxed);
    }

    /// How long the last query of this kind took.
    pub fn last_took(&self, kind: QueryKind) -> Duration {
        Duration::from_nanos(self.query_nanos[kind as usize].load(Ordering::Relaxed))
    }

    /// Counts an envelope that was not kept.
    pub fn lose(&self, loss: Loss) {
        self.losses[loss as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Envelopes that were not kept for this reason.
    pub fn lost(&self, loss: Loss) -> u64 {
        self.losses[loss as usize].load(Ordering::Relaxed)
    }
}

impl Watch for NodeCounters {
    fn happened(&self, event: Event) {
        let counter = match event {
            Event::Accepted => NodeCounter::Connections,
            Event::TlsFailed => NodeCounter::TlsFailed,
            Event::PrefaceLate => NodeCounter::PrefaceLate,
        };
        self.add(counter, 1);
    }
}
