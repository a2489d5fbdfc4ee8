//! From memory to the disk: while the peer is away or slow, and at the end.

use super::super::Session;
use super::{Inner, Spooled};
use crate::batch::Batch;
use bytes::Bytes;
use hydrant_feed::batches::BATCH_BYTES;
use hydrant_feed::counters::SessionCounter;
use std::io;

impl Session {
    /// Moves lines to the disk whenever they are to go there, until the spool is closed. `progress`
    /// is called for each move.
    pub(crate) async fn stow_all(&self, progress: impl Fn()) {
        let Some(spool) = &self.spool else { return };
        while !spool.is_closed.get() {
            spool.wake.notified().await;
            if spool.must_give_way.take() {
                let mut inner = spool.inner.lock().await;
                if let Some((store, _)) = &mut inner.store {
                    store.give_way().await;
                }
                self.account(spool, &mut inner);
            }
            while self.wants_disk(spool) {
                let mut inner = spool.inner.lock().await;
                if !self.wants_disk(spool) {
                    break; // The peer has taken it meanwhile.
                }
                if let Err(error) = self.stow_some(spool, &mut inner).await {
                    spool.rest();
                    self.spool_failed(spool, &error);
                }
                self.account(spool, &mut inner);
                progress();
            }
        }
    }

    /// Lets [`stow_all`](Self::stow_all) end.
    pub(crate) fn close_spool(&self) {
        if let Some(spool) = &self.spool {
            spool.is_closed.set(true);
            spool.wake.notify_one();
        }
    }

    /// Puts on disk all that waits, and says that no session has it any more. Of what is at hand, so
    /// many may have arrived. Without a spool it is given up.
    pub(crate) async fn end(&self, in_flight: u64, at_hand: u64) {
        if let Some(spool) = &self.spool {
            let mut inner = spool.inner.lock().await;
            self.keep(spool, &mut inner, in_flight, at_hand).await;
            inner.store = None;
        } else {
            self.abandon(at_hand);
        }
        self.over.set(true);
        self.ended.notify_one();
    }

    async fn keep(&self, spool: &Spooled, inner: &mut Inner, in_flight: u64, at_hand: u64) {
        if inner.store.is_none() {
            return self.abandon(at_hand);
        }
        while self.has_unstored(spool, inner) {
            if let Err(error) = self.stow_some(spool, inner).await {
                self.spool_failed(spool, &error);
                let unstored = if spool.has_unstored_at_hand() {
                    at_hand
                } else {
                    0
                };
                let unwritten = inner.unwritten.take();
                let unwritten = unwritten.map_or(0, |batch| batch.line_count());
                let lost = unstored + unwritten + self.outbox.borrow_mut().clear();
                self.count(SessionCounter::SpoolFailed, lost);
                spool.at_hand.take();
            }
        }
        if let Some((store, _)) = &mut inner.store {
            let kept = store.close(in_flight).await;
            self.count(SessionCounter::Kept, kept);
        }
        self.account(spool, inner);
    }

    fn wants_disk(&self, spool: &Spooled) -> bool {
        let outbox = self.outbox.borrow();
        let waits = !outbox.is_empty() || spool.has_unstored_at_hand();
        let is_due = spool.is_away.get() || !spool.is_empty() || outbox.is_half_full();
        waits && is_due && !spool.is_closed.get() && !spool.rests()
    }

    fn has_unstored(&self, spool: &Spooled, inner: &Inner) -> bool {
        let waits = !self.outbox.borrow().is_empty() || inner.unwritten.is_some();
        waits || spool.has_unstored_at_hand()
    }

    /// Puts the oldest lines that are not on disk there: those at hand, or else a frame of others.
    async fn stow_some(&self, spool: &Spooled, inner: &mut Inner) -> io::Result<()> {
        let Some((store, _)) = &mut inner.store else {
            spool.rest();
            return Ok(());
        };
        if spool.has_unstored_at_hand() {
            let lines = spool.at_hand.borrow().lines.clone();
            store.append_at_hand(&lines).await?;
            spool.at_hand.borrow_mut().is_on_disk = true;
            return Ok(());
        }
        let (parts, line_count) = match inner.unwritten.take() {
            Some(batch) => (vec![batch.bytes().clone()], batch.line_count()),
            None => self.gather(),
        };
        spool.waiting.update(|waiting| waiting + line_count);
        let appended = store.append(&parts, line_count).await;
        match appended {
            Ok(()) => drop(spool.problem.take()),
            Err(_) => inner.unwritten = Some(Batch::new(parts.concat().into(), line_count)),
        }
        appended
    }

    /// The oldest lines of the outbox, for one frame.
    fn gather(&self) -> (Vec<Bytes>, u64) {
        let mut outbox = self.outbox.borrow_mut();
        let (mut parts, mut bytes, mut line_count) = (Vec::new(), 0, 0);
        while bytes < BATCH_BYTES
            && let Some(batch) = outbox.pop()
        {
            line_count += u64::from(batch.envelopes());
            let part = Bytes::from(batch);
            bytes += part.len();
            parts.push(part);
        }
        (parts, line_count)
    }
}
