//! What waits for a gRPC session: batches that are put together while they wait, bounded in bytes,
//! the oldest lost first.
//!
//! An envelope is copied once, from its lane to the end of the newest batch; a batch leaves as it
//! lies here.

use crate::outbox::Budget;
use bytes::{Bytes, BytesMut};
use hydrant_rpc::batch::{element_bytes_max, push};
use std::collections::VecDeque;
use std::sync::Arc;

/// Envelopes of a batch at most, as upstream.
pub const BATCH_ENVELOPES_MAX: u32 = 100;
/// A batch takes no more envelopes once it is this long, in bytes: far below what any client accepts
/// as a message, and enough that a system call is worth it.
pub const BATCH_BYTES: usize = 64 * 1024;
/// Memory of the first batch after a pause, in bytes.
const FIRST_BYTES: usize = 4 * 1024;
/// What a batch takes beside its bytes.
const BATCH_OVERHEAD_BYTES: usize = size_of::<Batch>() + 64;

/// Envelopes that leave together.
#[derive(Debug)]
pub struct Batch {
    /// The bytes of an `EnvelopeBatch` or `BatchResponse`.
    pub bytes: BytesMut,
    /// How many envelopes.
    pub count: u32,
}

/// Batches in order.
///
/// **Invariant: `bytes` is the sum over the batches of their capacity and overhead**, and the
/// budget's is the sum over its outboxes. `bytes ≤ bytes_max` but for one envelope's growth.
#[derive(Debug)]
pub struct Batches {
    batches: VecDeque<Batch>,
    bytes: usize,
    bytes_max: usize,
    budget: Arc<Budget>,
}

impl Batches {
    /// Nothing waits; at most `bytes_max` may, as far as the budget allows.
    pub const fn within(budget: Arc<Budget>, bytes_max: usize) -> Self {
        Self {
            batches: VecDeque::new(),
            bytes: 0,
            bytes_max,
            budget,
        }
    }

    /// Adds an envelope and makes room for it. Returns how many envelopes were lost for that, whole
    /// batches from the oldest on; the new one itself if it is larger than the whole outbox or others
    /// use up the budget.
    #[must_use = "lost envelopes are counted"]
    pub fn push(&mut self, envelope: &[u8]) -> u64 {
        if self.open(envelope.len()) {
            self.append(envelope);
            return 0;
        }
        self.push_new(envelope)
    }

    /// Whether the newest batch takes so many bytes more without more memory.
    #[inline]
    fn open(&self, envelope_bytes: usize) -> bool {
        self.batches.back().is_some_and(|batch| {
            let room = batch.bytes.capacity() - batch.bytes.len();
            batch.count < BATCH_ENVELOPES_MAX && room >= element_bytes_max(envelope_bytes)
        })
    }

    #[inline]
    fn append(&mut self, envelope: &[u8]) {
        if let Some(batch) = self.batches.back_mut() {
            push(&mut batch.bytes, envelope);
            batch.count += 1;
        }
    }

    #[cold]
    fn push_new(&mut self, envelope: &[u8]) -> u64 {
        let capacity = self.capacity_for(envelope.len());
        let size = capacity + BATCH_OVERHEAD_BYTES;
        if size > self.bytes_max {
            return 1;
        }
        let mut lost = 0;
        while self.bytes + size > self.bytes_max || !self.budget.has_room(size) {
            match self.pop() {
                Some(batch) => lost += u64::from(batch.count),
                None => return lost + 1,
            }
        }
        self.bytes += size;
        self.budget.add(size);
        self.batches.push_back(Batch {
            bytes: BytesMut::with_capacity(capacity),
            count: 0,
        });
        self.append(envelope);
        lost
    }

    /// The first batch after a pause is given little, since a session that keeps up takes it at once.
    /// One that follows a batch of all the envelopes that it may have will need as many bytes, or
    /// some more; one that follows a batch without room will need more.
    fn capacity_for(&self, envelope_bytes: usize) -> usize {
        let expected = match self.batches.back() {
            None => FIRST_BYTES,
            Some(batch) if batch.count == BATCH_ENVELOPES_MAX => batch.bytes.len() * 9 / 8,
            Some(batch) => 2 * batch.bytes.capacity(),
        };
        let least = element_bytes_max(envelope_bytes);
        least.max(expected.min(BATCH_BYTES))
    }

    /// The oldest batch, whether full or not.
    pub fn pop(&mut self) -> Option<Batch> {
        let batch = self.batches.pop_front()?;
        let size = batch.bytes.capacity() + BATCH_OVERHEAD_BYTES;
        self.bytes -= size;
        self.budget.give_back(size);
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

    /// Throws everything away.
    pub fn clear(&mut self) {
        while self.pop().is_some() {}
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.clear();
    }
}

impl From<Batch> for Bytes {
    fn from(batch: Batch) -> Self {
        batch.bytes.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_rpc::batch::elements;
    use proptest::prelude::*;

    fn taken(batches: &mut Batches) -> Vec<Vec<u8>> {
        let mut taken = Vec::new();
        while let Some(batch) = batches.pop() {
            let count = taken.len();
            taken.extend(elements(&batch.bytes).map(|element| element.unwrap().to_vec()));
            assert_eq!(taken.len() - count, batch.count as usize);
            assert!(batch.count <= BATCH_ENVELOPES_MAX);
        }
        taken
    }

    proptest! {
        #[test]
        fn what_waits_is_the_newest_in_order_and_within_bounds(
            sizes in proptest::collection::vec(0_usize..3000, 1..600),
            bytes_max in 0_usize..200_000,
        ) {
            let budget = Budget::new(150_000);
            let mut batches = Batches::within(budget.clone(), bytes_max);
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
    fn a_batch_ends_at_a_hundred_envelopes_or_when_it_is_long() {
        let mut batches = Batches::within(Budget::new(1 << 30), 1 << 30);
        for _ in 0..1000 {
            assert_eq!(batches.push(&[1; 100]), 0);
        }
        assert_eq!(taken(&mut batches).len(), 1000);
        let large = vec![0; 60_000];
        for _ in 0..10 {
            assert_eq!(batches.push(&large), 0);
        }
        while let Some(batch) = batches.pop() {
            assert_eq!(batch.count, 1);
        }
    }

    #[test]
    fn what_waits_takes_little_more_memory_than_its_bytes() {
        for size in [20, 250, 2_000] {
            let mut batches = Batches::within(Budget::new(1 << 30), 1 << 30);
            for _ in 0..10_000 {
                assert_eq!(batches.push(&vec![1; size]), 0);
            }
            let bytes = 10_000 * size;
            assert!(batches.bytes() < bytes + bytes / 2, "{size}");
        }
    }

    #[test]
    fn an_envelope_larger_than_all_is_the_one_lost() {
        let mut batches = Batches::within(Budget::new(1 << 20), 10_000);
        assert_eq!(batches.push(&[0; 100]), 0);
        assert_eq!(batches.push(&vec![0; 20_000]), 1);
        assert_eq!(taken(&mut batches), [[0; 100]]);
    }
}
