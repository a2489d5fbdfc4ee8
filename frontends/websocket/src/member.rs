//! What a session and the pump share: the outbox between them.

use futures_util::task::AtomicWaker;
use hydrant_feed::batches::{Batch, Batches};
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::session::SessionState;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// A session as its group sees it. The pump, or the routers' streams, give; the session's task
/// takes. All run on the worker's one thread, so that nobody waits for a lock; there are locks
/// because the streams' tasks could run anywhere.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) state: Arc<SessionState>,
    outbox: Mutex<Batches>,
    task: AtomicWaker,
    is_to_wake: AtomicBool,
    is_stopping: AtomicBool,
}

/// What a session has to do with its outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Messages wait.
    Write,
    /// None wait and none will come.
    Stop,
}

impl Member {
    pub(crate) fn new(state: Arc<SessionState>, outbox: Batches) -> Self {
        Self {
            state,
            outbox: Mutex::new(outbox),
            task: AtomicWaker::new(),
            is_to_wake: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Puts a message into the outbox. True for the first since the last [`wake`](Self::wake).
    pub(crate) fn give(&self, message: &[u8]) -> bool {
        self.count(SessionCounter::Selected, 1);
        let lost = self.outbox().push(message);
        if lost > 0 {
            self.count(SessionCounter::OutboxFull, lost);
        }
        let is_to_wake = self.is_to_wake.load(Relaxed);
        self.is_to_wake.store(true, Relaxed);
        !is_to_wake
    }

    /// Lets the session's task look at what it was given.
    pub(crate) fn wake(&self) {
        self.is_to_wake.store(false, Relaxed);
        self.task.wake();
    }

    /// Nothing will be given any more.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Relaxed);
        self.task.wake();
    }

    /// The oldest messages.
    pub(crate) fn take(&self) -> Option<Batch> {
        self.outbox().pop()
    }

    /// Waits, on behalf of the session's task, for something to do.
    pub(crate) fn poll_work(&self, context: &Context<'_>) -> Poll<Work> {
        self.task.register(context.waker());
        if !self.outbox().is_empty() {
            Poll::Ready(Work::Write)
        } else if self.is_stopping.load(Relaxed) {
            Poll::Ready(Work::Stop)
        } else {
            Poll::Pending
        }
    }

    /// Counts on behalf of the session.
    pub(crate) fn count(&self, counter: SessionCounter, count: u64) {
        self.state.counters.add(counter, count);
    }

    /// Gives its oldest up if it holds more than its share of what is short.
    pub(crate) fn give_way(&self) {
        let lost = self.outbox().give_way();
        self.count(SessionCounter::OutboxFull, lost);
    }

    /// Gives all up that was selected and not delivered, and counts it as this loss.
    pub(crate) fn lose_all(&self, loss: SessionCounter) {
        // What waits here is part of what waits in all: the rest is in a write.
        let _part = self.outbox().clear();
        self.count(loss, self.state.counters.waiting());
    }

    fn outbox(&self) -> MutexGuard<'_, Batches> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
