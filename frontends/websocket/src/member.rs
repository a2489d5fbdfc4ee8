//! What a session and the pump share: the outbox between them.

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::outbox::Outbox;
use hydrant_feed::session::SessionState;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::task::{Context, Poll};

/// A session as its group sees it. The pump gives, the session's task takes; both run on the
/// worker's one thread.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) state: Arc<SessionState>,
    outbox: RefCell<Outbox>,
    task: AtomicWaker,
    is_to_wake: Cell<bool>,
    is_stopping: Cell<bool>,
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
    pub(crate) fn new(state: Arc<SessionState>, outbox: Outbox) -> Self {
        Self {
            state,
            outbox: RefCell::new(outbox),
            task: AtomicWaker::new(),
            is_to_wake: Cell::new(false),
            is_stopping: Cell::new(false),
        }
    }

    /// Puts a message into the outbox. True for the first since the last [`wake`](Self::wake).
    pub(crate) fn give(&self, message: Bytes) -> bool {
        self.count(SessionCounter::Selected, 1);
        let lost = self.outbox.borrow_mut().push(message);
        if lost > 0 {
            self.count(SessionCounter::OutboxFull, lost);
        }
        !self.is_to_wake.replace(true)
    }

    /// Lets the session's task look at what it was given.
    pub(crate) fn wake(&self) {
        self.is_to_wake.set(false);
        self.task.wake();
    }

    /// Nothing will be given any more.
    pub(crate) fn stop(&self) {
        self.is_stopping.set(true);
        self.task.wake();
    }

    /// The oldest message.
    pub(crate) fn take(&self) -> Option<Bytes> {
        self.outbox.borrow_mut().pop()
    }

    /// Waits, on behalf of the session's task, for something to do.
    pub(crate) fn poll_work(&self, context: &Context<'_>) -> Poll<Work> {
        self.task.register(context.waker());
        if !self.outbox.borrow().is_empty() {
            Poll::Ready(Work::Write)
        } else if self.is_stopping.get() {
            Poll::Ready(Work::Stop)
        } else {
            Poll::Pending
        }
    }

    /// Counts on behalf of the session.
    pub(crate) fn count(&self, counter: SessionCounter, count: u64) {
        self.state.counters.add(counter, count);
    }

    /// Gives all up that was selected and not delivered, and counts it as this loss.
    pub(crate) fn lose_all(&self, loss: SessionCounter) {
        // What waits here is part of what waits in all: the rest is in a write.
        while self.take().is_some() {}
        self.count(loss, self.state.counters.waiting());
    }
}
