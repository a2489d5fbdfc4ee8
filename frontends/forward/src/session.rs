//! What waits for a destination, and what is on its way there.
//!
//! **Invariant: `selected = delivered + each loss + waiting`**, where what is on its way waits too. An
//! envelope is delivered when the kernel has all of its batch. If a stream breaks before,
//!
//! * a batch of which nothing has left is given to the next stream: it cannot have arrived, so it
//!   cannot arrive twice;
//! * a batch of which a part has left is lost, as `stream_broken`: some of its messages may have arrived
//!   whole, and the batch may be why the stream broke.

use crate::limits::FLUSH;
use crate::state::{DestinationCounter, DestinationState};
use bytes::Bytes;
use hydrant_feed::batches::{Batches, Packing};
use hydrant_feed::budget::Budget;
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::ending::Ending;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// A destination as the pump and its streams see it, all on the worker's thread.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) state: Arc<DestinationState>,
    outbox: Mutex<Outbox>,
    wake: Notify,
}

#[derive(Debug)]
struct Outbox {
    /// What streams that broke had not begun with.
    again: VecDeque<Parcel>,
    batches: Batches,
    /// When the oldest batch began to wait.
    since: Option<Instant>,
    /// When a batch was last taken.
    taken: Option<Instant>,
}

/// Messages, ready to leave.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) bytes: Bytes,
    pub(crate) envelopes: u32,
}

/// What there is for a stream.
enum Next {
    Parcel(Parcel),
    /// Something, if nothing comes before.
    At(Instant),
    Nothing,
}

impl Session {
    /// A destination for which at most `outbox_bytes` wait.
    pub(crate) fn new(state: Arc<DestinationState>, packing: Packing, outbox_bytes: usize) -> Self {
        let budget = Budget::new(outbox_bytes);
        let outbox = Outbox {
            again: VecDeque::new(),
            batches: Batches::within(budget, outbox_bytes, packing),
            since: None,
            taken: None,
        };
        Self {
            state,
            outbox: Mutex::new(outbox),
            wake: Notify::new(),
        }
    }

    /// Puts an envelope into the outbox; counts it, and those that are lost for it.
    pub(crate) fn push(&self, envelope: &[u8]) {
        let mut outbox = self.outbox();
        let (was_empty, was_ripe) = (outbox.batches.is_empty(), outbox.batches.is_ripe());
        let lost = outbox.batches.push(envelope);
        let is_ripe = outbox.batches.is_ripe();
        if was_empty && !outbox.batches.is_empty() {
            outbox.since = Some(Instant::now());
        }
        drop(outbox);
        self.count(SessionCounter::Selected, 1);
        if lost > 0 {
            self.count(SessionCounter::OutboxFull, lost);
        }
        if was_empty || is_ripe && !was_ripe {
            self.wake();
        }
    }

    /// Waits for the next parcel: a whole message or more, or what there is when it is time. Nothing if
    /// none will come.
    pub(crate) async fn next(&self, ending: &Ending) -> Option<Parcel> {
        loop {
            let next = self.outbox().next(ending.is_flushing());
            match next {
                Next::Parcel(parcel) => {
                    self.pass_on();
                    return Some(parcel);
                }
                Next::At(instant) => timeout_at(instant, self.wake.notified())
                    .await
                    .unwrap_or_default(),
                Next::Nothing if ending.is_flushing() => return None,
                Next::Nothing => self.wake.notified().await,
            }
        }
    }

    /// What waits after a parcel was taken is for whoever waits for it.
    fn pass_on(&self) {
        if !self.is_empty() {
            self.wake();
        }
    }

    /// Whether nothing waits; what is on its way apart.
    pub(crate) fn is_empty(&self) -> bool {
        let outbox = self.outbox();
        outbox.again.is_empty() && outbox.batches.is_empty()
    }

    /// Has one who waits for a parcel look again; or the next one who does.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Has all look again.
    pub(crate) fn wake_all(&self) {
        self.wake.notify_waiters();
        self.wake();
    }

    /// The kernel has so many envelopes, in so many bytes.
    pub(crate) fn delivered(&self, envelopes: u64, bytes: u64) {
        self.count(SessionCounter::Delivered, envelopes);
        self.state.count(DestinationCounter::Bytes, bytes);
    }

    /// A part of their batch has left.
    pub(crate) fn broken(&self, envelopes: u64) {
        self.count(SessionCounter::Broken, envelopes);
    }

    /// Nothing of these has left: others will take them, before what waits.
    pub(crate) fn take_back(&self, parcels: VecDeque<Parcel>) {
        let envelopes = parcels.iter().map(|parcel| u64::from(parcel.envelopes));
        self.state
            .count(DestinationCounter::Retried, envelopes.sum());
        let mut outbox = self.outbox();
        for parcel in parcels.into_iter().rev() {
            outbox.again.push_front(parcel);
        }
        drop(outbox);
        self.wake();
    }

    /// Gives up on all that waits.
    pub(crate) fn abandon(&self) {
        let mut outbox = self.outbox();
        let again = outbox.again.drain(..);
        let again: u64 = again.map(|parcel| u64::from(parcel.envelopes)).sum();
        let left = again + outbox.batches.clear();
        drop(outbox);
        if left > 0 {
            self.count(SessionCounter::Gone, left);
        }
    }

    fn count(&self, counter: SessionCounter, count: u64) {
        self.state.session.counters.add(counter, count);
    }

    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox {
    fn next(&mut self, is_flushing: bool) -> Next {
        if let Some(parcel) = self.again.pop_front() {
            return Next::Parcel(parcel);
        }
        let now = Instant::now();
        match self.due() {
            None => Next::Nothing,
            Some(due) if due > now && !is_flushing && !self.batches.is_ripe() => Next::At(due),
            Some(_) => self.take(now).map_or(Next::Nothing, Next::Parcel),
        }
    }

    /// When the oldest batch is to leave, full or not: at once if none has left for long, so that an
    /// envelope after silence does not wait for others.
    fn due(&self) -> Option<Instant> {
        let since = self.since.filter(|_| !self.batches.is_empty())?;
        let flush = self.taken.map_or(since, |taken| taken + FLUSH);
        Some(flush.min(since + FLUSH))
    }

    fn take(&mut self, now: Instant) -> Option<Parcel> {
        let batch = self.batches.pop()?;
        self.taken = Some(now);
        // What comes behind it has waited for less long, and is taken for new.
        self.since = Some(now).filter(|_| !self.batches.is_empty());
        Some(Parcel {
            envelopes: batch.envelopes(),
            bytes: batch.into(),
        })
    }
}

#[cfg(test)]
mod tests;
