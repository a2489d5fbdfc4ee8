//! How a router is doing, for whoever asks. Several tasks of several threads count here, so they
//! add up a batch first.
//!
//! **The ledger**, at any moment: `received = decoded + each loss`.

use super::Router;
use super::away::Away;
use hydrant_engine::counters::Loss;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Characters kept of an error: what a router says may be of any length.
const ERROR_CHARS_MAX: usize = 300;

hydrant_engine::counters! {
    /// What is counted of a router, losses of envelopes apart.
    RouterCounter {
        Connects = "connects", "Streams begun: the router was connected and asked.";
        Disconnects = "disconnects", "Streams that the router or the network ended.";
        Failures = "connect_failures", "Times that the router could not be connected.";
        Batches = "batches", "Messages received.";
        BatchesMalformed = "batches_malformed", "Messages that broke off where no further envelope could be made out.";
        Received = "received", "Envelopes received.";
        Decoded = "decoded", "Envelopes that were valid.";
    }
}

/// What one batch, or a few, came to.
#[derive(Debug, Default)]
pub(super) struct Tally {
    counts: [u64; RouterCounter::ALL.len()],
    losses: [u64; Loss::ALL.len()],
}

/// A router, and how it is doing. Any thread may look.
#[derive(Debug)]
pub struct RouterState {
    zone: String,
    address: String,
    wanted_streams: AtomicU64,
    open_streams: AtomicU64,
    away: Away,
    counts: [AtomicU64; RouterCounter::ALL.len()],
    losses: [AtomicU64; Loss::ALL.len()],
    last_error: Mutex<Option<String>>,
}

/// A stream that is open as long as this is.
#[derive(Debug)]
pub(super) struct OpenStream<'s>(&'s RouterState);

/// A stream that is wanted as long as this is.
#[derive(Debug)]
pub(super) struct WantedStream(Arc<Router>);

impl Tally {
    pub(super) const fn count(&mut self, counter: RouterCounter) {
        self.counts[counter as usize] += 1;
    }

    pub(super) const fn lose(&mut self, loss: Loss) {
        self.losses[loss as usize] += 1;
    }
}

impl RouterState {
    pub(super) fn new(zone: &str, address: &str) -> Self {
        Self {
            zone: zone.to_owned(),
            address: address.to_owned(),
            wanted_streams: AtomicU64::new(0),
            open_streams: AtomicU64::new(0),
            away: Away::default(),
            counts: [const { AtomicU64::new(0) }; RouterCounter::ALL.len()],
            losses: [const { AtomicU64::new(0) }; Loss::ALL.len()],
            last_error: Mutex::new(None),
        }
    }

    /// The zone that the config puts it into.
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// Its `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Streams open now: connected, asked, and not ended. A router need not have answered.
    pub fn open_streams(&self) -> u64 {
        self.open_streams.load(Ordering::Relaxed)
    }

    /// How long it has been away: there are subscriptions, and not one has a stream from it. Nothing
    /// if it is there, or nobody asks for it.
    pub fn away(&self) -> Option<Duration> {
        self.away.now()
    }

    /// How long it was away in all, up to now. What the router had for us then is lost, or another
    /// has got it.
    pub fn away_in_all(&self) -> Duration {
        self.away.in_all()
    }

    /// What a counter stands at.
    pub fn get(&self, counter: RouterCounter) -> u64 {
        self.counts[counter as usize].load(Ordering::Relaxed)
    }

    /// Envelopes lost for this reason.
    pub fn lost(&self, loss: Loss) -> u64 {
        self.losses[loss as usize].load(Ordering::Relaxed)
    }

    /// Why a stream ended or could not begin, the last time that happened. Up to 300 characters,
    /// none of them a control character.
    pub fn last_error(&self) -> Option<String> {
        let error = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        error.clone()
    }

    pub(super) fn open(&self) -> OpenStream<'_> {
        self.count(RouterCounter::Connects);
        self.open_streams.fetch_add(1, Ordering::Relaxed);
        self.away.end();
        OpenStream(self)
    }

    pub(super) fn count(&self, counter: RouterCounter) {
        self.counts[counter as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fail(&self, error: &str) {
        let shown = error.chars().filter(|c| !c.is_control());
        let shown: String = shown.take(ERROR_CHARS_MAX).collect();
        let mut last = self
            .last_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *last = Some(shown);
        if self.open_streams() == 0 {
            self.away.begin();
        }
    }

    pub(super) fn add(&self, tally: &Tally) {
        add_all(&self.counts, &tally.counts);
        add_all(&self.losses, &tally.losses);
    }
}

impl Drop for OpenStream<'_> {
    fn drop(&mut self) {
        self.0.open_streams.fetch_sub(1, Ordering::Relaxed);
    }
}

impl WantedStream {
    pub(super) fn of(router: &Arc<Router>) -> Self {
        let state = &router.state;
        state.wanted_streams.fetch_add(1, Ordering::Relaxed);
        Self(router.clone())
    }
}

impl Drop for WantedStream {
    fn drop(&mut self) {
        let state = &self.0.state;
        if state.wanted_streams.fetch_sub(1, Ordering::Relaxed) == 1 {
            state.away.end();
        }
    }
}

fn add_all(counters: &[AtomicU64], counts: &[u64]) {
    for (counter, &count) in counters.iter().zip(counts) {
        // Most are 0, and an addition is a cache line taken from another core.
        if count > 0 {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up() {
        let state = RouterState::new("z1", "localhost:1");
        let mut tally = Tally::default();
        tally.count(RouterCounter::Received);
        tally.count(RouterCounter::Received);
        tally.count(RouterCounter::Decoded);
        tally.lose(Loss::Utf8);
        state.add(&tally);
        state.add(&tally);
        assert_eq!(state.get(RouterCounter::Received), 4);
        assert_eq!(state.get(RouterCounter::Decoded), 2);
        assert_eq!(state.lost(Loss::Utf8), 2);
        assert_eq!(state.lost(Loss::Wire), 0);
    }

    #[test]
    fn a_stream_is_open_until_it_is_not() {
        let state = RouterState::new("z1", "localhost:1");
        let (first, second) = (state.open(), state.open());
        assert_eq!(state.open_streams(), 2);
        drop(first);
        drop(second);
        assert_eq!(state.open_streams(), 0);
        assert_eq!(state.get(RouterCounter::Connects), 2);
    }

    #[test]
    fn errors_are_kept_short_and_printable() {
        let state = RouterState::new("z1", "localhost:1");
        assert_eq!(state.last_error(), None);
        state.fail(&format!("\u{1b}[31mred\n{}", "é".repeat(1000)));
        let error = state.last_error().unwrap();
        assert!(error.starts_with("[31mredéé"), "{error}");
        assert_eq!(error.chars().count(), ERROR_CHARS_MAX);
    }
}
