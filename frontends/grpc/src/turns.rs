//! How far senders may run ahead: what came in leaves before more comes in.
//!
//! Senders and the pump share a thread. Left alone, many senders would fill the lane faster than the
//! pump, who has one turn where they have many, can empty it. So senders together take only so much;
//! then the pump has emptied the lanes and sessions have taken what waits for them before the next
//! turn starts. A slow reader does not slow senders: nobody waits for a session to take anything.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use tokio::sync::Notify;

/// Message bytes that senders together take in a turn: several batches, far less than a lane holds.
const BYTES_MAX: usize = 256 * 1024;
/// Envelopes, however small, likewise; the pump moves as many between two turns.
pub(crate) const ENVELOPES_MAX: usize = 4096;

/// The turns of a worker's senders.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    number: AtomicU64,
    bytes: AtomicUsize,
    envelopes: AtomicUsize,
    is_over: AtomicBool,
    asked: Notify,
    /// For who has taken nothing in the last turn. They are the first in the next one, so that each
    /// has its turn however much the others have.
    hungry: Notify,
    /// For who has.
    served: Notify,
}

/// A sender's place at the turns.
#[derive(Debug)]
pub(crate) struct Seat {
    turns: Arc<Turns>,
    /// The turn in which it took something last.
    served: Option<u64>,
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

impl Seat {
    pub(crate) const fn new(turns: Arc<Turns>) -> Self {
        Self {
            turns,
            served: None,
        }
    }

    /// What is left of the turn, for this sender.
    pub(crate) fn room(&self) -> Room {
        let turns = &self.turns;
        Room {
            bytes: BYTES_MAX.saturating_sub(turns.bytes.load(Relaxed)),
            envelopes: ENVELOPES_MAX.saturating_sub(turns.envelopes.load(Relaxed)),
            taken: 0,
        }
    }

    /// Counts what the sender took.
    pub(crate) fn take(&mut self, room: &Room, bytes: usize) {
        let turns = &self.turns;
        turns.bytes.fetch_add(bytes, Relaxed);
        turns.envelopes.fetch_add(room.taken, Relaxed);
        if room.taken > 0 {
            self.served = Some(turns.number.load(Relaxed));
        }
    }

    /// The sender's wait for a turn that is not used up.
    pub(crate) async fn next(&self) {
        let turns = &self.turns;
        while turns.is_used_up() && !turns.is_over.load(Relaxed) {
            let is_served = self.served == Some(turns.number.load(Relaxed));
            let queue = if is_served {
                &turns.served
            } else {
                &turns.hungry
            };
            let mut started = pin!(queue.notified());
            started.as_mut().enable();
            turns.asked.notify_one();
            started.await;
        }
    }
}

impl Turns {
    fn is_used_up(&self) -> bool {
        self.bytes.load(Relaxed) >= BYTES_MAX || self.envelopes.load(Relaxed) >= ENVELOPES_MAX
    }

    /// The pump's wait for senders who wait.
    pub(crate) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// Starts the next turn.
    pub(crate) fn start(&self) {
        self.bytes.store(0, Relaxed);
        self.envelopes.store(0, Relaxed);
        self.number.fetch_add(1, Relaxed);
        self.hungry.notify_waiters();
        self.served.notify_waiters();
    }

    /// There is no pump any more: nobody waits.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Relaxed);
        self.start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::task::yield_now;

    /// Takes all that it can, as long as there are turns; gives the envelopes that it took.
    async fn saturate(turns: Arc<Turns>) -> usize {
        let (mut seat, mut taken) = (Seat::new(turns.clone()), 0);
        while !turns.is_over.load(Relaxed) {
            let mut room = seat.room();
            let mut bytes = 0;
            while room.has_more(bytes) {
                bytes += 100;
            }
            taken += room.taken;
            seat.take(&room, bytes);
            seat.next().await;
        }
        taken
    }

    #[test]
    fn who_always_has_more_does_not_take_every_turn() {
        for count in [2, 3, 10] {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let taken = runtime.unwrap().block_on(async {
                let turns = Arc::<Turns>::default();
                let senders: Vec<_> = (0..count)
                    .map(|_| tokio::spawn(saturate(turns.clone())))
                    .collect();
                for _ in 0..1_000 {
                    turns.asked().await;
                    yield_now().await;
                    turns.start();
                }
                turns.end();
                let mut taken = Vec::new();
                for sender in senders {
                    taken.push(sender.await.unwrap());
                }
                taken
            });
            let all: usize = taken.iter().sum();
            let least = all * 9 / 10 / count;
            assert!(taken.iter().all(|taken| *taken > least), "{taken:?}");
        }
    }
}
