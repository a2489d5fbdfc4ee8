//! How far senders may run ahead: what came in leaves before more comes in.
//!
//! Senders and the pump share a thread. Left alone, many senders would fill the lane faster than the
//! pump, who has one turn where they have many, can empty it. So senders together take only so much;
//! then the pump has emptied the lanes and sessions have taken what waits for them before the next
//! turn starts. A slow reader does not slow senders: nobody waits for a session to take anything.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use tokio::sync::Notify;

/// Message bytes that senders together take in a turn: several batches, far less than a lane holds.
const BYTES_MAX: usize = 256 * 1024;
/// Envelopes, however small, likewise; the pump moves as many between two turns.
pub(crate) const ENVELOPES_MAX: usize = 4096;

/// The turns of a worker's senders.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    bytes: AtomicUsize,
    envelopes: AtomicUsize,
    is_over: AtomicBool,
    asked: Notify,
    started: Notify,
}

/// What a sender may take.
#[derive(Debug)]
pub(crate) struct Room {
    bytes: usize,
    envelopes: usize,
    taken: usize,
}

impl Room {
    /// Whether there is room for an envelope after so many bytes; it is counted then.
    #[inline]
    pub(crate) const fn has_more(&mut self, bytes: usize) -> bool {
        let has_more = bytes < self.bytes && self.taken < self.envelopes;
        self.taken += has_more as usize;
        has_more
    }
}

impl Turns {
    /// What is left of the turn, for one sender.
    pub(crate) fn room(&self) -> Room {
        Room {
            bytes: BYTES_MAX.saturating_sub(self.bytes.load(Relaxed)),
            envelopes: ENVELOPES_MAX.saturating_sub(self.envelopes.load(Relaxed)),
            taken: 0,
        }
    }

    /// Counts what a sender took.
    pub(crate) fn take(&self, room: &Room, bytes: usize) {
        self.bytes.fetch_add(bytes, Relaxed);
        self.envelopes.fetch_add(room.taken, Relaxed);
    }

    fn is_used_up(&self) -> bool {
        self.bytes.load(Relaxed) >= BYTES_MAX || self.envelopes.load(Relaxed) >= ENVELOPES_MAX
    }

    /// A sender's wait for a turn that is not used up.
    pub(crate) async fn next(&self) {
        while self.is_used_up() && !self.is_over.load(Relaxed) {
            let mut started = pin!(self.started.notified());
            started.as_mut().enable();
            self.asked.notify_one();
            started.await;
        }
    }

    /// The pump's wait for senders who wait.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Starts the next turn.
    pub(crate) fn start(&self) {
        self.bytes.store(0, Relaxed);
        self.envelopes.store(0, Relaxed);
        self.started.notify_waiters();
    }

    /// There is no pump any more: nobody waits.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Relaxed);
        self.start();
    }
}
