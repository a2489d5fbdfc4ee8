//! What waits for a session: bounded in bytes, the oldest lost first.

use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that a waiting message takes beside its own.
pub const MESSAGE_OVERHEAD_BYTES: usize = size_of::<Bytes>();

/// What all outboxes of a worker may hold together: each may be large, not all at once.
///
/// Half of it goes to who comes first. The other half is divided into equal shares, one an outbox,
/// which nobody else can use up: a reader that takes nothing costs only itself.
///
/// **Invariant: `bytes ≤ bytes_max`.** As long as no outbox is added, those over their share hold
/// no more than what is not shared out to others, so that there is room for every share.
///
/// Atomic only so that an outbox can be sent; the worker's one thread adds and takes.
#[derive(Debug)]
pub struct Budget {
    bytes: AtomicUsize,
    bytes_max: usize,
    outbox_count: AtomicUsize,
    share_bytes: AtomicUsize,
    /// All but the shares of the other outboxes.
    unshared_bytes: AtomicUsize,
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(0),
            bytes_max,
            outbox_count: AtomicUsize::new(0),
            share_bytes: AtomicUsize::new(bytes_max / 2),
            unshared_bytes: AtomicUsize::new(bytes_max),
        })
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether so much is in use that an outbox over its share gets nothing more.
    pub fn is_short(&self) -> bool {
        self.bytes() > self.unshared_bytes()
    }

    /// Whether an outbox that holds `own` bytes may take so many more.
    pub(crate) fn has_room(&self, own: usize, more: usize) -> bool {
        let bytes = self.bytes() + more;
        bytes <= self.unshared_bytes()
            || bytes <= self.bytes_max && own + more <= self.share_bytes()
    }

    /// Whether there would be room if the outbox gave up all its own.
    pub(crate) fn could_have_room(&self, own: usize, more: usize) -> bool {
        let bytes = self.bytes() - own + more;
        bytes <= self.unshared_bytes() || bytes <= self.bytes_max && more <= self.share_bytes()
    }

    /// Whether an outbox that holds so much would have to give something up.
    pub(crate) fn is_over_share(&self, own: usize) -> bool {
        self.is_short() && own > self.share_bytes()
    }

    /// One more outbox.
    pub(crate) fn open(&self) {
        self.share_out(self.outbox_count.load(Ordering::Relaxed) + 1);
    }

    /// One outbox less, which has given all back.
    pub(crate) fn close(&self) {
        self.share_out(self.outbox_count.load(Ordering::Relaxed) - 1);
    }

    fn share_out(&self, outbox_count: usize) {
        let share = self.bytes_max / 2 / outbox_count.max(1);
        let unshared = self.bytes_max - share * outbox_count.saturating_sub(1);
        self.outbox_count.store(outbox_count, Ordering::Relaxed);
        self.share_bytes.store(share, Ordering::Relaxed);
        self.unshared_bytes.store(unshared, Ordering::Relaxed);
    }

    /// Takes so much of it.
    pub(crate) fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives so much of it back.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn share_bytes(&self) -> usize {
        self.share_bytes.load(Ordering::Relaxed)
    }

    fn unshared_bytes(&self) -> usize {
        self.unshared_bytes.load(Ordering::Relaxed)
    }
}

/// Messages in order.
///
/// **Invariant: `bytes ≤ bytes_max`**, `bytes` being the sum over the messages and their overhead;
/// and the sum over all outboxes of a budget is the budget's.
#[derive(Debug)]
pub struct Outbox {
    messages: VecDeque<Bytes>,
    bytes: usize,
    bytes_max: usize,
    budget: Arc<Budget>,
}

impl Outbox {
    /// An empty outbox for at most `bytes_max`, with a budget of its own.
    pub fn new(bytes_max: usize) -> Self {
        Self::within(Budget::new(bytes_max), bytes_max)
    }

    /// An empty outbox for at most `bytes_max`, as far as the budget allows.
    pub fn within(budget: Arc<Budget>, bytes_max: usize) -> Self {
        budget.open();
        Self {
            messages: VecDeque::new(),
            bytes: 0,
            bytes_max,
            budget,
        }
    }

    /// Adds a message and makes room for it. Returns how many messages were lost for that, its own
    /// oldest; only the new one if even all of them would not make room.
    #[must_use = "lost messages are counted"]
    pub fn push(&mut self, message: Bytes) -> u64 {
        let size = message.len() + MESSAGE_OVERHEAD_BYTES;
        let lost = if self.has_room(size) {
            0
        } else if size > self.bytes_max || !self.budget.could_have_room(self.bytes, size) {
            return 1;
        } else {
            self.make_room(size)
        };
        self.add(size);
        self.messages.push_back(message);
        lost
    }

    #[cold]
    fn make_room(&mut self, size: usize) -> u64 {
        let mut lost = 0;
        while !self.has_room(size) && self.pop().is_some() {
            lost += 1;
        }
        lost
    }

    fn has_room(&self, size: usize) -> bool {
        self.bytes + size <= self.bytes_max && self.budget.has_room(self.bytes, size)
    }

    fn add(&mut self, size: usize) {
        self.bytes += size;
        self.budget.add(size);
    }

    /// The oldest message.
    pub fn pop(&mut self) -> Option<Bytes> {
        let message = self.messages.pop_front()?;
        let size = message.len() + MESSAGE_OVERHEAD_BYTES;
        self.bytes -= size;
        self.budget.give_back(size);
        Some(message)
    }

    /// Messages that wait.
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Throws everything away; returns how many messages that was.
    #[must_use = "lost messages are counted"]
    pub fn clear(&mut self) -> u64 {
        let count = self.messages.len() as u64;
        self.messages.clear();
        self.budget.give_back(self.bytes);
        self.bytes = 0;
        count
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
        self.budget.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn loses_the_oldest_and_never_grows_beyond_its_bound(
            sizes in proptest::collection::vec(0_usize..300, 1..100),
            bytes_max in 0_usize..1000,
        ) {
            let mut outbox = Outbox::new(bytes_max);
            let mut lost = 0;
            let mut last = None;
            for (number, size) in sizes.iter().enumerate() {
                let message = Bytes::from(vec![u8::try_from(number).unwrap(); *size]);
                if size + MESSAGE_OVERHEAD_BYTES <= bytes_max {
                    last = Some(message.clone());
                }
                lost += outbox.push(message);
                prop_assert!(outbox.bytes <= bytes_max);
            }
            prop_assert_eq!(outbox.len() as u64 + lost, sizes.len() as u64);
            prop_assert_eq!(outbox.messages.back().cloned(), last);
            let mut taken = 0;
            while outbox.pop().is_some() {
                taken += 1;
            }
            prop_assert_eq!(taken + lost, sizes.len() as u64);
            prop_assert_eq!(outbox.bytes, 0);
        }
    }

    #[test]
    fn a_budget_is_shared_and_comes_back() {
        let size = 100 + MESSAGE_OVERHEAD_BYTES;
        let message = Bytes::from(vec![0; 100]);
        let budget = Budget::new(8 * size);
        let mut first = Outbox::within(budget.clone(), 10 * size);
        let push = |outbox: &mut Outbox, count| {
            let lost = (0..count).map(|_| outbox.push(message.clone()));
            lost.sum::<u64>()
        };
        assert_eq!(push(&mut first, 9), 1, "alone it has all");
        let mut second = Outbox::within(budget.clone(), 10 * size);
        assert_eq!(push(&mut second, 1), 1, "nothing of its own to give up");
        assert_eq!(push(&mut first, 1), 3, "it leaves the other's share");
        assert_eq!(push(&mut second, 3), 1, "its share is two");
        assert_eq!((first.len(), second.len()), (6, 2));
        assert_eq!(push(&mut first, 1), 3, "over its share it makes room");
        assert_eq!((first.len(), second.len()), (4, 2));
        drop(first);
        assert_eq!(budget.bytes(), 2 * size);
        assert_eq!(push(&mut second, 6), 0);
        assert_eq!(second.clear(), 8);
        assert_eq!(budget.bytes(), 0);
    }

    #[test]
    fn who_takes_nothing_costs_nobody_else_anything() {
        let message = Bytes::from(vec![0; 1000]);
        let budget = Budget::new(120_000);
        let outbox = |_| Outbox::within(budget.clone(), 60_000);
        let mut stalled: Vec<_> = (0..5).map(outbox).collect();
        let mut healthy = outbox(5);
        let mut lost = 0;
        for _ in 0..1_000 {
            let outboxes = stalled.iter_mut();
            lost += outboxes
                .map(|outbox| outbox.push(message.clone()))
                .sum::<u64>();
            for _ in 0..9 {
                assert_eq!(healthy.push(message.clone()), 0);
            }
            assert!(budget.bytes() <= 120_000);
            while healthy.pop().is_some() {}
        }
        assert!(lost > 4_000);
    }
}
