//! What waits for a session: bounded in bytes, the oldest lost first.

use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that a waiting message takes beside its own.
pub const MESSAGE_OVERHEAD_BYTES: usize = size_of::<Bytes>();

/// What all outboxes of a worker may hold together: each may be large, not all at once.
///
/// Atomic only so that an outbox can be sent; the worker's one thread adds and takes.
#[derive(Debug)]
pub struct Budget {
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(0),
            bytes_max,
        })
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether so much more fits.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.bytes() + bytes <= self.bytes_max
    }

    /// Takes so much of it.
    pub fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives so much of it back.
    pub fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
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
        Self {
            messages: VecDeque::new(),
            bytes: 0,
            bytes_max,
            budget,
        }
    }

    /// Adds a message and makes room for it. Returns how many messages were lost for that, the new
    /// one among them if it is larger than the whole outbox.
    #[must_use = "lost messages are counted"]
    pub fn push(&mut self, message: Bytes) -> u64 {
        let size = message.len() + MESSAGE_OVERHEAD_BYTES;
        if size > self.bytes_max {
            return 1;
        }
        let mut lost = 0;
        while !self.has_room(size) {
            lost += 1;
            if self.pop().is_none() {
                return lost; // Others use the whole budget: the new message is the one lost.
            }
        }
        self.add(size);
        self.messages.push_back(message);
        lost
    }

    fn has_room(&self, size: usize) -> bool {
        self.bytes + size <= self.bytes_max && self.budget.has_room(size)
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
        let budget = Budget::new(3 * size);
        let mut first = Outbox::within(budget.clone(), 10 * size);
        let mut second = Outbox::within(budget.clone(), 10 * size);
        assert_eq!((0..3).map(|_| first.push(message.clone())).sum::<u64>(), 0);
        assert_eq!(
            second.push(message.clone()),
            1,
            "nothing of its own to give up"
        );
        assert_eq!(first.push(message.clone()), 1, "its oldest makes room");
        assert_eq!(
            (first.len(), second.len(), budget.bytes()),
            (3, 0, 3 * size)
        );
        first.pop();
        assert_eq!(second.push(message), 0);
        drop(first);
        assert_eq!(budget.bytes(), size);
        assert_eq!(second.clear(), 1);
        assert_eq!(budget.bytes(), 0);
    }
}
