//! What waits for a gRPC session: messages that are put together while they wait, bounded in bytes,
//! the oldest lost first.
//!
//! An envelope is copied once, from its lane to the end of the newest message; messages leave as they
//! lie here, many at a time if many wait.

use crate::outbox::Budget;
use bytes::{Buf, Bytes, BytesMut};
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

/// How envelopes lie in a call's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// At most a hundred: `EnvelopeBatch`, `BatchResponse`.
    Hundred,
    /// One in bytes: `Response`.
    One,
    /// The envelope is the message.
    Plain,
}

impl Packing {
    const fn envelopes_max(self) -> u32 {
        match self {
            Self::Hundred => MESSAGE_ENVELOPES_MAX,
            Self::One | Self::Plain => 1,
        }
    }
}

/// Messages that leave together.
///
/// **Invariant: up to `message_at` lie whole messages behind their prefixes; there, the prefix and the
/// envelopes of the one that is not closed.**
#[derive(Debug)]
pub struct Batch {
    bytes: BytesMut,
    envelopes: u32,
    message_at: usize,
    message_envelopes: u32,
}

impl Batch {
    fn new(capacity: usize) -> Self {
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
        bytes.extend_from_slice(&prefix(0));
        Self {
            bytes,
            envelopes: 0,
            message_at: 0,
            message_envelopes: 0,
        }
    }

    /// How many envelopes are in it.
    pub const fn envelopes(&self) -> u32 {
        self.envelopes
    }

    fn size(&self) -> usize {
        // Its capacity in the beginning: it does not grow.
        self.bytes.capacity() + BATCH_OVERHEAD_BYTES
    }

    #[inline]
    fn has_room(&self, envelope_bytes: usize) -> bool {
        self.bytes.capacity() - self.bytes.len() >= bytes_max(envelope_bytes)
    }

    #[inline]
    fn append(&mut self, packing: Packing, envelope: &[u8]) {
        if self.message_envelopes == packing.envelopes_max() {
            self.close_message();
            self.message_at = self.bytes.len();
            self.message_envelopes = 0;
            self.bytes.extend_from_slice(&prefix(0));
        }
        match packing {
            Packing::Hundred | Packing::One => push(&mut self.bytes, envelope),
            Packing::Plain => self.bytes.extend_from_slice(envelope),
        }
        self.message_envelopes += 1;
        self.envelopes += 1;
    }

    fn close_message(&mut self) {
        let length = self.bytes.len() - self.message_at - PREFIX_BYTES;
        self.bytes[self.message_at..][..PREFIX_BYTES].copy_from_slice(&prefix(length));
    }
}

/// What an envelope of so many bytes takes at most.
const fn bytes_max(envelope_bytes: usize) -> usize {
    PREFIX_BYTES + element_bytes_max(envelope_bytes)
}

impl From<Batch> for Bytes {
    /// The messages, each behind its prefix.
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
        let packing = self.packing;
        match self.batches.back_mut() {
            Some(batch) if batch.has_room(envelope.len()) => {
                batch.append(packing, envelope);
                0
            }
            _ => self.push_new(envelope),
        }
    }

    #[cold]
    fn push_new(&mut self, envelope: &[u8]) -> u64 {
        let mut batch = Batch::new(self.capacity_for(envelope.len()));
        let size = batch.size();
        if size > self.bytes_max || !self.budget.could_have_room(self.bytes, size) {
            return 1;
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
        batch.append(self.packing, envelope);
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
        let least = bytes_max(envelope_bytes) + PREFIX_BYTES;
        least.max((2 * before).clamp(BATCH_BYTES_MIN, BATCH_BYTES))
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

    /// Bytes in use.
    pub const fn bytes(&self) -> usize {
        self.bytes
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
mod tests {
    use super::*;
    use hydrant_rpc::batch::elements;
    use proptest::prelude::*;

    /// The messages of a batch.
    fn messages(batch: Batch) -> Vec<Vec<u8>> {
        let bytes = Bytes::from(batch);
        let (mut rest, mut messages) = (&bytes[..], Vec::new());
        while let [0, a, b, c, d, behind @ ..] = rest {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
            messages.push(behind[..length].to_vec());
            rest = &behind[length..];
        }
        assert_eq!(rest, b"");
        messages
    }

    fn taken(batches: &mut Batches) -> Vec<Vec<u8>> {
        let mut taken = Vec::new();
        while let Some(batch) = batches.pop() {
            let (count, before) = (batch.envelopes(), taken.len());
            for message in messages(batch) {
                let envelopes: Vec<_> = elements(&message).collect();
                assert!((1..=MESSAGE_ENVELOPES_MAX as usize).contains(&envelopes.len()));
                taken.extend(envelopes.iter().map(|envelope| envelope.unwrap().to_vec()));
            }
            assert_eq!(taken.len() - before, count as usize);
        }
        taken
    }

    fn hundreds(bytes_max: usize) -> Batches {
        Batches::within(Budget::new(1 << 30), bytes_max, Packing::Hundred)
    }

    proptest! {
        #[test]
        fn what_waits_is_the_newest_in_order_and_within_bounds(
            sizes in proptest::collection::vec(0_usize..3000, 1..600),
            bytes_max in 0_usize..200_000,
        ) {
            let budget = Budget::new(150_000);
            let mut batches = Batches::within(budget.clone(), bytes_max, Packing::Hundred);
            let mut lost = 0;
            let envelope = |number: usize| {
                let mut envelope = vec![0; sizes[number] + 4];
                envelope[..4].copy_from_slice(&u32::try_from(number).unwrap().to_le_bytes());
                envelope
            };
            for number in 0..sizes.len() {
                lost += batches.push(&envelope(number));
                prop_assert!(batches.bytes() <= bytes_max);
                prop_assert_eq!(batches.bytes(), budget.bytes());
            }
            let taken = taken(&mut batches);
            prop_assert_eq!(taken.len() as u64 + lost, sizes.len() as u64);
            let numbers: Vec<_> = taken
                .iter()
                .map(|envelope| u32::from_le_bytes(envelope[..4].try_into().unwrap()))
                .collect();
            prop_assert!(numbers.is_sorted());
            prop_assert_eq!(budget.bytes(), 0);
        }
    }

    #[test]
    fn a_message_ends_at_a_hundred_envelopes_and_a_batch_when_it_is_long() {
        let mut batches = hundreds(1 << 30);
        for _ in 0..1_000 {
            assert_eq!(batches.push(&[1; 100]), 0);
        }
        assert_eq!(taken(&mut batches).len(), 1_000);
        let large = vec![0; 60_000];
        for _ in 0..10 {
            assert_eq!(batches.push(&large), 0);
        }
        while let Some(batch) = batches.pop() {
            assert_eq!(batch.envelopes(), 1);
        }
    }

    #[test]
    fn envelopes_lie_as_their_call_has_them() {
        for (packing, message) in [
            (Packing::Hundred, &b"\x0a\x03one\x0a\x05other"[..]),
            (Packing::One, b"\x0a\x03one"),
            (Packing::Plain, b"one"),
        ] {
            let mut batches = Batches::within(Budget::new(1 << 20), 1 << 20, packing);
            assert_eq!(batches.push(b"one") + batches.push(b"other"), 0);
            let batch = batches.pop().unwrap();
            assert_eq!(batch.envelopes(), 2);
            assert_eq!(messages(batch)[0], message);
        }
    }

    #[test]
    fn what_waits_takes_little_more_memory_than_its_bytes() {
        for size in [20, 250, 2_000] {
            let mut batches = hundreds(1 << 30);
            for _ in 0..10_000 {
                assert_eq!(batches.push(&vec![1; size]), 0);
            }
            let bytes = 10_000 * size;
            assert!(batches.bytes() < bytes + bytes / 2, "{size}");
        }
    }

    #[test]
    fn an_envelope_larger_than_all_is_the_one_lost() {
        let mut batches = hundreds(10_000);
        assert_eq!(batches.push(&[0; 100]), 0);
        assert_eq!(batches.push(&vec![0; 20_000]), 1);
        assert_eq!(taken(&mut batches), [[0; 100]]);
    }

    #[test]
    fn what_is_thrown_away_is_said() {
        let budget = Budget::new(1 << 20);
        let mut batches = Batches::within(budget.clone(), 1 << 20, Packing::Hundred);
        let lost: u64 = (0..1_000).map(|_| batches.push(&[1; 50])).sum();
        assert_eq!(lost + batches.clear(), 1_000);
        assert_eq!((batches.bytes(), budget.bytes()), (0, 0));
        assert!(batches.is_empty());
    }

    /// Five that take nothing, and one that takes everything ten envelopes later.
    #[test]
    fn who_takes_nothing_costs_nobody_else_anything() {
        let budget = Budget::new(6_000_000);
        let outbox = |_| Batches::within(budget.clone(), 2_000_000, Packing::Hundred);
        let mut stalled: Vec<_> = (0..5).map(outbox).collect();
        let mut healthy = outbox(5);
        let mut lost = 0;
        for round in 0..50_000 {
            let outboxes = stalled.iter_mut();
            lost += outboxes.map(|outbox| outbox.push(&[1; 1000])).sum::<u64>();
            assert_eq!(healthy.push(&[1; 1000]), 0);
            assert!(budget.bytes() <= 6_000_000);
            if round % 10 == 0 {
                assert_eq!(healthy.clear(), if round == 0 { 1 } else { 10 });
            }
        }
        assert!(lost > 5 * 40_000);
    }

    /// Each fills its share while it is the newest; then nothing comes for it any more.
    #[test]
    fn who_comes_has_a_share_if_the_others_give_way() {
        let budget = Budget::new(4_000_000);
        let mut outboxes: Vec<Batches> = Vec::new();
        let mut lost = 0;
        for number in 0..20 {
            outboxes.push(Batches::within(budget.clone(), 4_000_000, Packing::Hundred));
            lost += outboxes.iter_mut().map(Batches::give_way).sum::<u64>();
            let newest = &mut outboxes[number];
            let first = newest.push(&[1; 1000]);
            assert_eq!(first, 0, "{number}");
            lost += (0..10_000).map(|_| newest.push(&[1; 1000])).sum::<u64>();
            assert!(budget.bytes() <= 4_000_000);
        }
        let waiting: u64 = outboxes.iter_mut().map(Batches::clear).sum();
        assert_eq!(waiting + lost, 20 * 10_001);
    }
}
