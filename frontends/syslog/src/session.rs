//! A drain as the worker serves it: what waits for it, and what is counted of it.
//!
//! **Invariant: `selected = delivered + each loss + lines in the outbox and in the batch`**, a
//! message being a line. An envelope that RFC 5424 cannot carry is one selected and one lost. With a
//! spool, lines in it wait too, and those found in it are selected once more.

mod spooled;

pub(crate) use spooled::{SpoolTerms, Spooled};

use crate::batch::Batch;
use crate::format::FormatLoss;
use crate::lines::Lines;
use hydrant_feed::batches::{BATCH_BYTES, Batches, Packing};
use hydrant_feed::budget::Budget;
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::session::SessionState;
use std::cell::{Cell, RefCell};
use std::iter;
use std::sync::Arc;
use tokio::sync::Notify;

/// What the pump and a drain's delivery share, both on the worker's thread.
#[derive(Debug)]
pub(crate) struct Session {
    state: Arc<SessionState>,
    outbox: RefCell<Batches>,
    wake: Notify,
    is_retired: Cell<bool>,
    failures: Cell<u64>,
    /// Whether another session waits for our spool.
    is_superseded: Cell<bool>,
    spool: Option<Spooled>,
    over: Cell<bool>,
    ended: Notify,
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
            failures: Cell::new(0),
            is_superseded: Cell::new(false),
            spool: None,
            over: Cell::new(false),
            ended: Notify::new(),
        }
    }

    /// The session with a spool for what the outbox should not hold.
    pub(crate) fn with_spool(mut self, spool: Spooled) -> Self {
        self.spool = Some(spool);
        self
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
        if let Some(spool) = &self.spool {
            spool.pushed(outbox.is_half_full());
        }
    }

    /// Counts an envelope that the drain should have had.
    pub(crate) fn refuse(&self, loss: FormatLoss) {
        self.count(SessionCounter::Selected, 1);
        self.count(counter(loss), 1);
    }

    /// The oldest lines of the outbox, as many as go in one write; or as many as have so many bytes,
    /// if that is more.
    fn pop(&self, bytes_max: usize) -> Option<Batch> {
        let mut outbox = self.outbox.borrow_mut();
        let first = outbox.pop()?;
        let line_count = u64::from(first.envelopes());
        let mut all = Batch::new(first.into(), line_count);
        if bytes_max > BATCH_BYTES {
            all = all.followed_by(iter::from_fn(|| outbox.pop()), bytes_max);
        }
        Some(all)
    }

    /// Whether no line waits.
    pub(crate) fn is_empty(&self) -> bool {
        let is_spool_empty = self.spool.as_ref().is_none_or(Spooled::is_empty);
        is_spool_empty && self.outbox.borrow().is_empty()
    }

    /// Whether lines wait on disk.
    pub(crate) fn has_spooled(&self) -> bool {
        self.spool.as_ref().is_some_and(|spool| !spool.is_empty())
    }

    /// Bytes that wait, with what they take beside.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.outbox.borrow().bytes()
    }

    /// Gives up its oldest lines as long as the budget is short and it holds more than its share.
    pub(crate) fn give_way(&self) {
        let lost = self.outbox.borrow_mut().give_way();
        self.count(SessionCounter::OutboxFull, lost);
        if let Some(spool) = &self.spool {
            spool.give_way();
        }
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
    fn abandon(&self, batch_line_count: u64) {
        let left = self.outbox.borrow_mut().clear() + batch_line_count;
        self.count(SessionCounter::Gone, left);
    }

    /// Nobody wants the drain any more: no line comes, and what waits is not waited for long.
    pub(crate) fn retire(&self) {
        self.is_retired.set(true);
        self.wake();
    }

    /// Another session of the drain waits for the spool: what waits is best put there at once.
    pub(crate) fn supersede(&self) {
        self.is_superseded.set(true);
        self.wake();
    }

    /// Whether another session waits for the spool.
    pub(crate) fn is_superseded(&self) -> bool {
        self.is_superseded.get()
    }

    /// Waits for the end. Only one may.
    pub(crate) async fn ended(&self) {
        if !self.over.get() {
            self.ended.notified().await;
        }
    }

    /// Whether nobody wants it any more.
    pub(crate) fn is_retired(&self) -> bool {
        self.is_retired.get()
    }

    /// Says how it stands.
    pub(crate) fn note(&self, note: impl Into<String>) {
        self.state.set_note(note);
    }

    /// Says what went wrong; with what is wrong with the spool, if anything is.
    ///
    /// A peer that ends a connection over which nothing has to go has not failed anybody:
    /// `has_waiting` says whether something has.
    pub(crate) fn failed(&self, error: impl Into<String>, has_waiting: bool) {
        self.failures.update(|count| count + u64::from(has_waiting));
        let problem = self.spool.as_ref().and_then(Spooled::problem);
        self.state.set_error(match problem {
            Some(problem) => format!("{}; {problem}", error.into()),
            None => error.into(),
        });
    }

    /// How often something went wrong while lines waited.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.get()
    }

    /// What last went wrong.
    pub(crate) fn last_error(&self) -> String {
        self.state.error()
    }

    /// Lines lost so far, for whatever reason.
    pub(crate) fn lost(&self) -> u64 {
        let losses = SessionCounter::LOSSES.iter();
        losses.map(|loss| self.state.counters.get(*loss)).sum()
    }

    /// The drain's URL without what is secret.
    pub(crate) fn shown_url(&self) -> &str {
        &self.state.name
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
        let batch = session.pop(BATCH_BYTES).unwrap();
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
