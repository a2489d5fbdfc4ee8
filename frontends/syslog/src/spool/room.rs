//! How much of the disk a drain may have.

use crate::limits::{SPOOL_SEGMENT_BYTES, SPOOL_SEGMENT_BYTES_MIN};
use hydrant_feed::budget::Budget;
use std::sync::Arc;

/// A drain's part of what all drains of a worker may have on disk together.
///
/// **Invariant: `bytes` is the sum over its segments**, and the budget's is the sum over its drains.
#[derive(Debug)]
pub(crate) struct Room {
    budget: Arc<Budget>,
    bytes_max: usize,
    bytes: usize,
}

impl Room {
    /// Nothing is used; at most `bytes_max` may be, as far as the budget allows.
    pub(crate) fn new(budget: Arc<Budget>, bytes_max: usize) -> Self {
        budget.open();
        Self {
            budget,
            bytes_max,
            bytes: 0,
        }
    }

    /// Bytes in use.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether so many more may be used.
    pub(super) fn has(&self, more: usize) -> bool {
        self.bytes.saturating_add(more) <= self.bytes_max && self.budget.has_room(self.bytes, more)
    }

    /// Whether the budget is short and this is more than its share.
    pub(super) fn is_over_share(&self) -> bool {
        self.budget.is_over_share(self.bytes)
    }

    /// Takes so many.
    pub(super) fn take(&mut self, bytes: u64) {
        let bytes = in_memory(bytes);
        self.bytes += bytes;
        self.budget.add(bytes);
    }

    /// Gives so many back.
    pub(super) fn give_back(&mut self, bytes: u64) {
        let bytes = in_memory(bytes).min(self.bytes);
        self.bytes -= bytes;
        self.budget.give_back(bytes);
    }

    /// The size at which a segment is closed: some make what may be used, so that dropping the
    /// oldest leaves the greater part.
    pub(super) fn segment_bytes(&self) -> usize {
        let share = self.bytes_max.min(self.budget.share_bytes()) / 4;
        share.clamp(SPOOL_SEGMENT_BYTES_MIN, SPOOL_SEGMENT_BYTES)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
        self.budget.close();
    }
}

fn in_memory(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
