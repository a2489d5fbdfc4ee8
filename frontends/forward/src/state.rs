//! What anybody may see of the frontend beside its sessions.

use crate::config::{DestinationConfig, Protocol};
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::session::SessionState;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

hydrant_engine::counters! {
    /// What is counted of a destination's connections.
    DestinationCounter {
        Connects = "connects", "Streams begun.";
        Failures = "failures", "Attempts to connect that failed.";
        Breaks = "breaks", "Streams that the destination ended, or whose connection broke.";
        Recycled = "recycled", "Streams that we ended to begin another.";
        Bytes = "bytes", "Bytes of messages handed to the kernel.";
        Unconfirmed = "unconfirmed", "Envelopes that the kernel had and the destination had not said it had read, in steps as it does, when their stream broke: up to so many of those delivered were lost.";
        Retried = "retried", "Envelopes of which nothing had left when their stream broke: they were given to another.";
    }
}

/// The frontend.
#[derive(Debug)]
pub struct ForwardState {
    /// In the order of the config.
    pub destinations: Vec<Arc<DestinationState>>,
    origin_mappings: AtomicU64,
    totals_forgotten: AtomicU64,
}

/// A destination.
#[derive(Debug)]
pub struct DestinationState {
    /// What was selected for it, delivered, and lost by name.
    pub session: Arc<SessionState>,
    /// What it speaks.
    pub protocol: Protocol,
    counters: [AtomicU64; DestinationCounter::ALL.len()],
    open: AtomicU64,
    average_bytes: AtomicU64,
}

impl ForwardState {
    pub(crate) fn new(destinations: &[DestinationConfig]) -> Self {
        let destination = |config| Arc::new(DestinationState::new(config));
        Self {
            destinations: destinations.iter().map(destination).collect(),
            origin_mappings: AtomicU64::new(0),
            totals_forgotten: AtomicU64::new(0),
        }
    }

    /// v2 envelopes whose source id was their tag `origin` because they had none.
    pub fn origin_mappings(&self) -> u64 {
        self.origin_mappings.load(Ordering::Relaxed)
    }

    /// Counters whose totals were forgotten, because there are too many.
    pub fn totals_forgotten(&self) -> u64 {
        self.totals_forgotten.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, origin_mappings: u64, totals_forgotten: u64) {
        self.origin_mappings
            .store(origin_mappings, Ordering::Relaxed);
        self.totals_forgotten
            .store(totals_forgotten, Ordering::Relaxed);
    }
}

impl DestinationState {
    fn new(config: &DestinationConfig) -> Self {
        let protocol = match config.protocol {
            Protocol::V1 => "v1",
            Protocol::V2 => "v2",
        };
        let session = SessionState::new(format!("forward {protocol}"), config.address.clone());
        session.set_note("not connected yet");
        Self {
            session: Arc::new(session),
            protocol: config.protocol,
            counters: Default::default(),
            open: AtomicU64::new(0),
            average_bytes: AtomicU64::new(0),
        }
    }

    /// What a counter stands at.
    pub fn get(&self, counter: DestinationCounter) -> u64 {
        self.counters[counter as usize].load(Ordering::Relaxed)
    }

    /// Streams that are open, each on a connection of its own.
    pub fn open_streams(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// Bytes of an envelope that was sent, on average over the last whole minute.
    pub fn average_bytes(&self) -> f64 {
        f64::from_bits(self.average_bytes.load(Ordering::Relaxed))
    }

    /// Envelopes that it lost, whatever the reason.
    pub fn lost(&self) -> u64 {
        let losses = SessionCounter::LOSSES.iter();
        losses.map(|loss| self.session.counters.get(*loss)).sum()
    }

    pub(crate) fn count(&self, counter: DestinationCounter, count: u64) {
        self.counters[counter as usize].fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn set_average_bytes(&self, average: f64) {
        self.average_bytes
            .store(average.to_bits(), Ordering::Relaxed);
    }

    /// One more stream is open, until what this gives is dropped.
    pub(crate) fn opened(self: &Arc<Self>) -> OpenStream {
        self.count(DestinationCounter::Connects, 1);
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(self))
    }
}

/// A stream that is open.
#[derive(Debug)]
pub(crate) struct OpenStream(Arc<DestinationState>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}
