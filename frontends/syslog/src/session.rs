//! A drain as the worker serves it: what waits for it, and what is counted of it.
//!
//! **Invariant: `selected = delivered + each loss + lines in the outbox and in the batch`**, a
//! message being a line. An envelope that RFC 5424 cannot carry is one selected and one lost.

use crate::batch::Batch;
use crate::format::FormatLoss;
use crate::lines::Lines;
use hydrant_feed::batches::{Batches, Packing};
use hydrant_feed::budget::Budget;
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::session::SessionState;
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use tokio::sync::Notify;

/// What the pump and a drain's delivery share, both on the worker's thread.
#[derive(Debug)]
pub(crate) struct Session {
    state: Arc<SessionState>,
    outbox: RefCell<Batches>,
    wake: Notify,
    is_retired: Cell<bool>,
}

impl Session {
    /// A session for which at most `outbox_bytes` wait, as far as the budget allows.
    pub(crate) fn new(state: Arc<SessionState>, outbox_bytes: usize, budget: Arc<Budget>) -> Self {
        let outbox = Batches::within(budget, outbox_bytes, Packing::Lines);
        Self {
            state,
            outbox: RefCell::new(outbox),
            wake: Notify::new(),
            is_retired: Cell::new(false),
        }
    }

    /// Puts lines into the outbox; counts them, and those that are lost for them.
    pub(crate) fn push(&self, lines: Lines<'_>) {
        if lines.count == 0 {
            return;
        }
        self.count(SessionCounter::Selected, u64::from(lines.count));
        let mut outbox = self.outbox.borrow_mut();
        let was_empty = outbox.is_empty();
        let lost = outbox.push_some(lines.bytes, lines.count);
        if lost > 0 {
            self.count(SessionCounter::OutboxFull, lost);
        }
        if was_empty {
            self.wake();
        }
    }

    /// Counts an envelope that the drain should have had.
    pub(crate) fn refuse(&self, loss: FormatLoss) {
        self.count(SessionCounter::Selected, 1);
        self.count(counter(loss), 1);
    }

    /// The oldest lines that wait, as many as go in one write.
    pub(crate) fn pop(&self) -> Option<Batch> {
        let batch = self.outbox.borrow_mut().pop()?;
        let line_count = u64::from(batch.envelopes());
        Some(Batch::new(batch.into(), line_count))
    }

    /// Whether no line waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.outbox.borrow().is_empty()
    }

    /// Bytes that wait, with what they take beside.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.outbox.borrow().bytes()
    }

    /// Gives up its oldest lines as long as the budget is short and it holds more than its share.
    pub(crate) fn give_way(&self) {
        let lost = self.outbox.borrow_mut().give_way();
        self.count(SessionCounter::OutboxFull, lost);
    }

    /// Counts lines that the kernel has.
    pub(crate) fn delivered(&self, line_count: u64) {
        self.count(SessionCounter::Delivered, line_count);
    }

    /// Counts lines that the drain refused for too long.
    pub(crate) fn refused(&self, line_count: u64) {
        self.count(SessionCounter::Refused, line_count);
    }

    /// Gives up on all that waits, and on `batch_line_count` lines that were being written.
    pub(crate) fn abandon(&self, batch_line_count: u64) {
        let left = self.outbox.borrow_mut().clear() + batch_line_count;
        self.count(SessionCounter::Gone, left);
    }

    /// Nobody wants the drain any more: no line comes, and what waits is not waited for long.
    pub(crate) fn retire(&self) {
        self.is_retired.set(true);
        self.wake();
    }

    /// Whether nobody wants it any more.
    pub(crate) fn is_retired(&self) -> bool {
        self.is_retired.get()
    }

    /// Says how it stands.
    pub(crate) fn note(&self, note: impl Into<String>) {
        self.state.set_note(note);
    }

    /// Says what went wrong.
    pub(crate) fn failed(&self, error: impl Into<String>) {
        self.state.set_error(error);
    }

    /// Makes whoever waits in [`woken`](Self::woken) look again; or the next one who does.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits for a line after none, or for another reason to look.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    fn count(&self, counter: SessionCounter, count: u64) {
        self.state.counters.add(counter, count);
    }
}

const fn counter(loss: FormatLoss) -> SessionCounter {
    match loss {
        FormatLoss::HostnameInvalid => SessionCounter::HostnameInvalid,
        FormatLoss::AppNameInvalid => SessionCounter::AppNameInvalid,
        FormatLoss::ProcIdInvalid => SessionCounter::ProcIdInvalid,
        FormatLoss::ParamNameInvalid => SessionCounter::ParamNameInvalid,
        FormatLoss::NoMessage => SessionCounter::NoMessage,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(outbox_bytes: usize) -> Session {
        let state = SessionState::new("syslog://h:1".to_owned(), "h:1".to_owned());
        Session::new(Arc::new(state), outbox_bytes, Budget::new(1 << 20))
    }

    fn get(session: &Session, counter: SessionCounter) -> u64 {
        session.state.counters.get(counter)
    }

    #[test]
    fn the_oldest_lines_are_lost_and_counted() {
        let session = session(200 << 10);
        let line = vec![b'x'; 60_000];
        for count in [1, 2, 3, 4] {
            session.push(Lines {
                bytes: &line,
                count,
            });
        }
        assert_eq!(get(&session, SessionCounter::OutboxFull), 1);
        let batch = session.pop().unwrap();
        assert_eq!((batch.line_count(), batch.bytes().len()), (2, 60_000));
        session.delivered(2);
        session.abandon(0);
        assert!(session.is_empty());
        assert_eq!(get(&session, SessionCounter::Selected), 10);
        assert_eq!(get(&session, SessionCounter::Gone), 7);
        assert_eq!(session.state.counters.waiting(), 0);
    }

    #[test]
    fn each_loss_of_a_format_has_the_counter_of_its_name() {
        let session = session(1 << 16);
        for loss in FormatLoss::ALL {
            assert_eq!(counter(loss).name(), loss.name());
            assert!(SessionCounter::LOSSES.contains(&counter(loss)));
            session.refuse(loss);
            assert_eq!(get(&session, counter(loss)), 1);
        }
        assert_eq!(get(&session, SessionCounter::Selected), 5);
        assert_eq!(session.state.counters.waiting(), 0);
    }
}
