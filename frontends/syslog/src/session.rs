//! A drain as the worker serves it: what waits for it, and what is counted of it.
//!
//! **Invariant: `selected = delivered + each loss + lines in the outbox and in the batch`**, a
//! message being a line. An envelope that RFC 5424 cannot carry is one selected and one lost.

use crate::format::FormatLoss;
use crate::lines::Lines;
use bytes::Bytes;
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::outbox::Outbox;
use hydrant_feed::session::SessionState;
use std::cell::RefCell;
use std::sync::Arc;
use tokio::sync::Notify;

/// What the pump and a drain's delivery share, both on the worker's thread.
#[derive(Debug)]
pub(crate) struct Session {
    state: Arc<SessionState>,
    outbox: RefCell<Outbox>,
    wake: Notify,
}

impl Session {
    /// A session for which at most `outbox_bytes` wait.
    pub(crate) fn new(state: Arc<SessionState>, outbox_bytes: usize) -> Self {
        Self {
            state,
            outbox: RefCell::new(Outbox::new(outbox_bytes)),
            wake: Notify::new(),
        }
    }

    /// Puts lines into the outbox; counts them, and those that are lost for them.
    pub(crate) fn push(&self, lines: Lines) {
        self.count(SessionCounter::Selected, lines.len() as u64);
        let mut outbox = self.outbox.borrow_mut();
        let was_empty = outbox.is_empty();
        let lost: u64 = lines.map(|line| outbox.push(line)).sum();
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

    /// The oldest line that waits.
    pub(crate) fn pop(&self) -> Option<Bytes> {
        self.outbox.borrow_mut().pop()
    }

    /// Whether no line waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.outbox.borrow().is_empty()
    }

    /// Counts lines that the kernel has.
    pub(crate) fn delivered(&self, line_count: u64) {
        self.count(SessionCounter::Delivered, line_count);
    }

    /// Gives up on all that waits, and on `batch_line_count` lines that were being written.
    pub(crate) fn abandon(&self, batch_line_count: usize) {
        let left = self.outbox.borrow_mut().clear() + batch_line_count as u64;
        self.count(SessionCounter::Gone, left);
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
    use crate::lines::Formats;
    use hydrant_feed::outbox::MESSAGE_OVERHEAD_BYTES;
    use hydrant_proto::v2::envelope::Message;
    use hydrant_proto::v2::{Envelope, Log};

    fn session(outbox_bytes: usize) -> Session {
        let state = SessionState::new("syslog://h:1".to_owned(), "h:1".to_owned());
        Session::new(Arc::new(state), outbox_bytes)
    }

    fn line(payload: &str) -> Lines {
        let mut formats = Formats::default();
        let index = formats.index("", true);
        let envelope = Envelope {
            message: Some(Message::Log(Log {
                payload: payload.to_owned().into(),
                ..Default::default()
            })),
            ..Default::default()
        };
        formats.lines(index, &envelope).unwrap()
    }

    fn counts(session: &Session, counters: [SessionCounter; 3]) -> [u64; 3] {
        counters.map(|counter| session.state.counters.get(counter))
    }

    #[test]
    fn the_oldest_lines_are_lost_and_counted() {
        let size = line("a").next().unwrap().len() + MESSAGE_OVERHEAD_BYTES;
        let session = session(2 * size);
        for payload in ["a", "b", "c"] {
            session.push(line(payload));
        }
        let text = |line: Bytes| String::from_utf8(line.to_vec()).unwrap();
        assert!(text(session.pop().unwrap()).ends_with(" b\n"));
        session.delivered(1);
        session.abandon(0);
        assert!(session.is_empty());
        let [selected, full, gone] = counts(
            &session,
            [
                SessionCounter::Selected,
                SessionCounter::OutboxFull,
                SessionCounter::Gone,
            ],
        );
        assert_eq!((selected, full, gone), (3, 1, 1));
        assert_eq!(session.state.counters.waiting(), 0);
    }

    #[test]
    fn each_loss_of_a_format_has_the_counter_of_its_name() {
        let session = session(0);
        for loss in FormatLoss::ALL {
            assert_eq!(counter(loss).name(), loss.name());
            assert!(SessionCounter::LOSSES.contains(&counter(loss)));
            session.refuse(loss);
            assert_eq!(session.state.counters.get(counter(loss)), 1);
        }
        assert_eq!(session.state.counters.get(SessionCounter::Selected), 5);
        assert_eq!(session.state.counters.waiting(), 0);
    }
}
