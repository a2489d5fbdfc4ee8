//! What waits for a session: messages that are put together while they wait,
//! bounded in bytes, the oldest lost first.
//!
//! An envelope is copied once, from its lane to the end of the newest message; messages leave as they
//! lie here, many at a time if many wait.

mod frame;

use crate::budget::Budget;
use bytes::{Buf, Bytes, BytesMut};
use frame::{header_bytes, push_header};
use hydrant_rpc::batch::{element_bytes_max, push};
use hydrant_rpc::server::{PREFIX_BYTES, prefix};
use std::collections::VecDeque;
use std::sync::Arc;

/// Envelopes of a message at most, as upstream.
pub const MESSAGE_ENVELOPES_MAX: u32 = 100;
/// Messages that leave together take no more than this, in bytes, unless a single envelope does: far
/// below what any client accepts as a message, and enough that a system call is worth it.
pub const BATCH_BYTES: usize = 64 * 1024;
/// Memory that a batch has at least, in bytes.
const BATCH_BYTES_MIN: usize = 1024;
/// What a batch takes beside its bytes.
const BATCH_OVERHEAD_BYTES: usize = size_of::<Batch>() + 64 + PAGE_BYTES / 2;
const PAGE_BYTES: usize = 4096;

/// How envelopes lie in a call's messages, on a WebSocket, or on their way to a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// At most a hundred: `EnvelopeBatch`, `BatchResponse`.
    Hundred,
    /// One in bytes: `Response`.
    One,
    /// The envelope is the message.
    Plain,
    /// Each is a WebSocket's binary frame; there is nothing around them.
    Frames,
    /// Syslog lines, framed already.
    Lines,
}

impl Packing {
    const fn envelopes_max(self) -> u32 {
        match self {
            Self::Hundred => MESSAGE_ENVELOPES_MAX,
            Self::One | Self::Plain => 1,
            Self::Frames | Self::Lines => u32::MAX,
        }
    }

    /// What an envelope of so many bytes takes at most. For frames it is what they take: a batch of twice
    /// as much then holds two.
    const fn bytes_max(self, envelope_bytes: usize) -> usize {
        match self {
            Self::Hundred | Self::One | Self::Plain => {
                PREFIX_BYTES + element_bytes_max(envelope_bytes)
            }
            Self::Frames => header_bytes(envelope_bytes) + envelope_bytes,
            Self::Lines => envelope_bytes,
        }
    }

    /// Whether messages lie behind prefixes of gRPC.
    fn has_prefixes(self) -> bool {
        !matches!(self, Self::Frames | Self::Lines)
    }
}

/// Messages that leave together.
///
/// **Invariant: up to `message_at` lie whole messages behind their prefixes; there, the prefix and the
/// envelopes of the one that is not closed.** Frames have no prefixes and need no closing.
#[derive(Debug)]
pub struct Batch {
    packing: Packing,
    bytes: BytesMut,
    envelopes: u32,
    message_at: usize,
    message_envelopes: u32,
}

impl Batch {
    fn new(packing: Packing, capacity: usize) -> Self {
        // Memory of some pages begins with a page, and so does that of the TLS record which it will be
        // copied into. Such a copy is slow, because the processor takes a load for one of what was
        // stored just before when the lower twelve bits of both addresses agree.
        let skipped = if capacity > PAGE_BYTES {
            PAGE_BYTES / 2
        } else {
            0
        };
        let mut bytes = BytesMut::with_capacity(skipped + capacity);
        bytes.resize(skipped, 0);
        bytes.advance(skipped);
        if packing.has_prefixes() {
            bytes.extend_from_slice(&prefix(0));
        }
        Self {
            packing,
            bytes,
            envelopes: 0,
            message_at: 0,
            message_envelopes: 0,
        }
    }

    /// How many envelopes, or lines, are in it.
    pub const fn envelopes(&self) -> u32 {
        self.envelopes
    }

    fn size(&self) -> usize {
        // Its capacity in the beginning: it does not grow.
        self.bytes.capacity() + BATCH_OVERHEAD_BYTES
    }

    #[inline]
    fn has_room(&self, envelope_bytes: usize) -> bool {
        self.bytes.capacity() - self.bytes.len() >= self.packing.bytes_max(envelope_bytes)
    }

    #[inline]
    fn append(&mut self, envelope: &[u8], count: u32) {
        if self.message_envelopes == self.packing.envelopes_max() {
            self.close_message();
            self.message_at = self.bytes.len();
            self.message_envelopes = 0;
            self.bytes.extend_from_slice(&prefix(0));
        }
        match self.packing {
            Packing::Hundred | Packing::One => push(&mut self.bytes, envelope),
            Packing::Plain | Packing::Lines => self.bytes.extend_from_slice(envelope),
            Packing::Frames => {
                push_header(&mut self.bytes, envelope.len());
                self.bytes.extend_from_slice(envelope);
            }
        }
        self.message_envelopes += count;
        self.envelopes += count;
    }

    fn close_message(&mut self) {
        if !self.packing.has_prefixes() {
            return;
        }
        let length = self.bytes.len() - self.message_at - PREFIX_BYTES;
        self.bytes[self.message_at..][..PREFIX_BYTES].copy_from_slice(&prefix(length));
    }
}

impl From<Batch> for Bytes {
    /// The messages, each behind its prefix; or the frames or lines.
    fn from(mut batch: Batch) -> Self {
        batch.close_message();
        batch.bytes.freeze()
    }
}

/// Batches in order.
///
/// **Invariant: `bytes` is the sum over the batches of their capacity and overhead**, and the
/// budget's is the sum over its outboxes. `bytes ≤ bytes_max`.
#[derive(Debug)]
pub struct Batches {
    packing: Packing,
    batches: VecDeque<Batch>,
    bytes: usize,
    bytes_max: usize,
    budget: Arc<Budget>,
    /// Bytes of the batch that was taken last.
    taken_bytes: usize,
}

impl Batches {
    /// Nothing waits; at most `bytes_max` may, as far as the budget allows.
    pub fn within(budget: Arc<Budget>, bytes_max: usize, packing: Packing) -> Self {
        budget.open();
        Self {
            packing,
            batches: VecDeque::new(),
            bytes: 0,
            bytes_max,
            budget,
            taken_bytes: 0,
        }
    }

    /// Adds an envelope and makes room for it. Returns how many envelopes were lost for that, whole
    /// batches from its own oldest on; only the new one if even all of them would not make room.
    #[must_use = "lost envelopes are counted"]
    #[inline]
    pub fn push(&mut self, envelope: &[u8]) -> u64 {
        self.push_some(envelope, 1)
    }

    /// Adds the lines of one envelope, so many, as [`push`](Self::push) adds an envelope. They stay
    /// together and are lost together.
    #[must_use = "lost lines are counted"]
    #[inline]
    pub fn push_some(&mut self, lines: &[u8], count: u32) -> u64 {
        match self.batches.back_mut() {
            Some(batch) if batch.has_room(lines.len()) => {
                batch.append(lines, count);
                0
            }
            _ => self.push_new(lines, count),
        }
    }

    #[cold]
    fn push_new(&mut self, envelope: &[u8], count: u32) -> u64 {
        let mut batch = Batch::new(self.packing, self.capacity_for(envelope.len()));
        let size = batch.size();
        if size > self.bytes_max || !self.budget.could_have_room(self.bytes, size) {
            return u64::from(count);
        }
        let mut lost = 0;
        while !self.has_room(size) {
            let Some(batch) = self.pop() else {
                break; // There is room once nothing waits.
            };
            lost += u64::from(batch.envelopes);
        }
        self.bytes += size;
        self.budget.add(size);
        batch.append(envelope, count);
        self.batches.push_back(batch);
        lost
    }

    fn has_room(&self, size: usize) -> bool {
        self.bytes + size <= self.bytes_max && self.budget.has_room(self.bytes, size)
    }

    /// As much comes between two takes as came before, or some more; and who has not taken one batch
    /// when the next begins will soon have to wait for more.
    fn capacity_for(&self, envelope_bytes: usize) -> usize {
        let before = match self.batches.back() {
            None => self.taken_bytes,
            Some(batch) => batch.bytes.capacity(),
        };
        let least = self.packing.bytes_max(envelope_bytes) + PREFIX_BYTES;
        // Twice as much, if the envelopes are a little larger than those before.
        let twice = 2 * before + before / 8;
        least.max(twice.clamp(BATCH_BYTES_MIN, BATCH_BYTES))
    }

    /// The oldest batch, whether full or not.
    pub fn pop(&mut self) -> Option<Batch> {
        let batch = self.batches.pop_front()?;
        let size = batch.size();
        self.bytes -= size;
        self.budget.give_back(size);
        self.taken_bytes = batch.bytes.len();
        Some(batch)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Whether it is of no use to wait for more before the oldest batch is taken: it has a whole
    /// message, or no room.
    pub fn is_ripe(&self) -> bool {
        let is_whole = |batch: &Batch| batch.envelopes >= MESSAGE_ENVELOPES_MAX;
        self.batches.len() > 1 || self.batches.front().is_some_and(is_whole)
    }

    /// Bytes in use.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether more than half of what it may hold is in use, or of its share while others use much.
    pub fn is_half_full(&self) -> bool {
        let is_over = |bytes_max: usize| self.bytes > bytes_max / 2;
        is_over(self.bytes_max) || self.budget.is_half_short() && is_over(self.budget.share_bytes())
    }

    /// Gives up its oldest as long as the budget is short and it holds more than its share: shares
    /// become smaller with every outbox that is added. Returns how many envelopes were lost.
    #[must_use = "lost envelopes are counted"]
    pub fn give_way(&mut self) -> u64 {
        let mut lost = 0;
        while self.budget.is_over_share(self.bytes) {
            let Some(batch) = self.pop() else { break };
            lost += u64::from(batch.envelopes);
        }
        lost
    }

    /// Throws everything away; returns how many envelopes that was.
    #[must_use = "lost envelopes are counted"]
    pub fn clear(&mut self) -> u64 {
        let envelopes = self.batches.iter().map(|batch| u64::from(batch.envelopes));
        let count = envelopes.sum();
        self.batches.clear();
        self.budget.give_back(self.bytes);
        self.bytes = 0;
        count
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
        self.budget.close();
    }
}

#[cfg(test)]
mod tests;
