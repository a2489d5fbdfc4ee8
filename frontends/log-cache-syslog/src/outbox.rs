//! What waits for the node: envelopes as they lie in its batches, bounded in bytes, the oldest lost first.
//!
//! **Invariant: `selected = delivered + each loss + waiting`**, where what is on its way waits too.

use bytes::{Bytes, BytesMut};
use hydrant_feed::batches::{Batches, Packing};
use hydrant_feed::budget::Budget;
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::session::SessionState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// On the server's one thread.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) session: Arc<SessionState>,
    waiting: Mutex<Waiting>,
    wake: Notify,
}

#[derive(Debug)]
struct Waiting {
    batches: Batches,
    is_closed: bool,
}

/// Envelopes that leave together: an `EnvelopeBatch`.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) batch: Bytes,
    pub(crate) envelopes: u64,
}

impl Outbox {
    pub(crate) fn new(session: Arc<SessionState>, bytes_max: usize) -> Self {
        let budget = Budget::new(bytes_max);
        let waiting = Waiting {
            // Elements of a repeated field need nothing around them, as lines do not.
            batches: Batches::within(budget, bytes_max, Packing::Lines),
            is_closed: false,
        };
        Self {
            session,
            waiting: Mutex::new(waiting),
            wake: Notify::new(),
        }
    }

    /// Puts an element of a batch at the end; counts it, and those that are lost for it.
    pub(crate) fn push(&self, element: &BytesMut) {
        let lost = self.waiting().batches.push(element);
        self.count(SessionCounter::Selected, 1);
        self.count(SessionCounter::OutboxFull, lost);
        self.wake.notify_one();
    }

    /// Nothing will be put in any more.
    pub(crate) fn close(&self) {
        self.waiting().is_closed = true;
        self.wake.notify_one();
    }

    /// Waits for the oldest batch. Nothing if none will come.
    pub(crate) async fn next(&self) -> Option<Parcel> {
        loop {
            let (next, is_closed) = {
                let mut waiting = self.waiting();
                (waiting.batches.pop(), waiting.is_closed)
            };
            match next {
                Some(batch) => {
                    return Some(Parcel {
                        envelopes: batch.envelopes().into(),
                        batch: batch.into(),
                    });
                }
                None if is_closed => return None,
                None => self.wake.notified().await,
            }
        }
    }

    /// Gives up on all that waits.
    pub(crate) fn abandon(&self) {
        let left = self.waiting().batches.clear();
        self.count(SessionCounter::Gone, left);
    }

    pub(crate) fn count(&self, counter: SessionCounter, count: u64) {
        if count > 0 {
            self.session.counters.add(counter, count);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
