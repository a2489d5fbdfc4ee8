//! What a session's stream and those who fill it share: the outbox between them.

use crate::forms::Form;
use futures_util::task::AtomicWaker;
use hydrant_feed::batches::{Batch, Batches};
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::membership::MemberNumber;
use hydrant_feed::session::SessionState;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

/// A session as its groups see it. All of it happens on the worker's one thread; tonic demands what
/// could be sent to another, hence the lock, which is never waited for.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) state: Arc<SessionState>,
    pub(crate) number: MemberNumber,
    pub(crate) form: Form,
    batches: Mutex<Batches>,
    task: AtomicWaker,
    is_to_wake: AtomicBool,
    is_stopping: AtomicBool,
}

impl Member {
    pub(crate) fn new(
        state: Arc<SessionState>,
        number: MemberNumber,
        form: Form,
        batches: Batches,
    ) -> Self {
        Self {
            state,
            number,
            form,
            batches: Mutex::new(batches),
            task: AtomicWaker::new(),
            is_to_wake: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
        }
    }

    /// Puts an envelope into the outbox. True for the first since the last [`wake`](Self::wake).
    #[inline]
    pub(crate) fn give(&self, envelope: &[u8]) -> bool {
        self.count(SessionCounter::Selected, 1);
        let lost = self.batches().push(envelope);
        if lost > 0 {
            self.count(SessionCounter::OutboxFull, lost);
        }
        let was_to_wake = self.is_to_wake.load(Relaxed);
        self.is_to_wake.store(true, Relaxed);
        !was_to_wake
    }

    /// Lets the session's stream look at what it was given.
    pub(crate) fn wake(&self) {
        self.is_to_wake.store(false, Relaxed);
        self.task.wake();
    }

    /// Nothing will be given any more: the stream ends when all is taken.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Relaxed);
        self.task.wake();
    }

    /// Whether [`stop`](Self::stop) was called.
    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Relaxed)
    }

    /// Waits, on behalf of the session's stream, for the oldest batch; nothing is the end.
    pub(crate) fn poll_take(&self, context: &Context<'_>) -> Poll<Option<Batch>> {
        if let Some(batch) = self.batches().pop() {
            return Poll::Ready(Some(batch));
        }
        if self.is_stopping() {
            return Poll::Ready(None);
        }
        self.task.register(context.waker());
        Poll::Pending
    }

    /// Counts on behalf of the session.
    #[inline]
    pub(crate) fn count(&self, counter: SessionCounter, count: u64) {
        self.state.counters.add(counter, count);
    }

    /// Gives its oldest up if it holds more than its share of what is short.
    pub(crate) fn give_way(&self) {
        let lost = self.batches().give_way();
        self.count(SessionCounter::OutboxFull, lost);
    }

    /// Gives all up that was selected and not delivered.
    pub(crate) fn lose_all(&self) {
        let lost = self.batches().clear();
        self.count(SessionCounter::Gone, lost);
    }

    #[inline]
    fn batches(&self) -> MutexGuard<'_, Batches> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
