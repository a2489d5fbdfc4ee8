//! Bytes that grow at their end and are not moved for it.
//!
//! What is written in one go lies in one block. All blocks but the first of what stays small have the
//! same size, so that the memory of those that are given up is that of the next.

use std::mem;

/// Bytes of a block, unless what is written in one go is more. Half a block is empty in the mean.
const BLOCK_BYTES: usize = 4096;

/// What an allocator takes for so much of a block. Mimalloc's pages of 64 KiB begin with what it has to
/// know of them, so that they hold fifteen blocks and not sixteen.
const fn taken(capacity: usize) -> usize {
    match capacity {
        BLOCK_BYTES => BLOCK_BYTES + BLOCK_BYTES / 15,
        _ => capacity,
    }
}

/// Blocks, one after the other.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    full: Vec<Vec<u8>>,
    last: Vec<u8>,
    /// Bytes of those that are full, and of the memory that they have.
    full_bytes: usize,
    full_memory_bytes: usize,
}

impl Blocks {
    /// The block to be written to, with room for so much; what is written beyond that moves it.
    pub(super) fn with_room(&mut self, bytes: usize) -> &mut Vec<u8> {
        let length = self.last.len();
        if self.last.capacity() - length < bytes {
            if length + bytes <= BLOCK_BYTES {
                // Many have a few envelopes and never more: the first block grows.
                let doubled = length.min(BLOCK_BYTES - length);
                self.last.reserve_exact(bytes.max(doubled));
            } else {
                self.begin_block(bytes);
            }
        }
        &mut self.last
    }

    fn begin_block(&mut self, bytes: usize) {
        let next = Vec::with_capacity(bytes.max(BLOCK_BYTES));
        let full = mem::replace(&mut self.last, next);
        if full.is_empty() {
            return;
        }
        self.full_memory_bytes += taken(full.capacity());
        self.full_bytes += full.len();
        self.full.push(full);
    }

    /// The block to be written to, with what room it has.
    pub(super) const fn last(&mut self) -> &mut Vec<u8> {
        &mut self.last
    }

    /// How many bytes there are.
    pub(super) const fn length(&self) -> usize {
        self.full_bytes + self.last.len()
    }

    /// The last byte, or 0: to have it in a cache.
    #[inline]
    pub(super) fn fetch(&self) -> u8 {
        self.last.last().copied().unwrap_or(0)
    }

    /// Appends all from this place on to `out`.
    pub(super) fn copy_from(&self, place: usize, out: &mut Vec<u8>) {
        let mut before = place;
        for block in self.full.iter().chain([&self.last]) {
            let skipped = before.min(block.len());
            out.extend_from_slice(&block[skipped..]);
            before -= skipped;
        }
    }

    /// Bytes of memory that they have, without this one.
    pub(super) fn memory_bytes(&self) -> usize {
        let headers = self.full.capacity() * size_of::<Vec<u8>>();
        headers + self.full_memory_bytes + taken(self.last.capacity())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_lies_there(sizes in vec(0_usize..3 * BLOCK_BYTES, 0..20), from in 0_usize..9000) {
            let (mut blocks, mut model) = (Blocks::default(), Vec::new());
            for (number, size) in (0_u8..).zip(sizes) {
                let block = blocks.with_room(size);
                let (before, capacity) = (block.len(), block.capacity());
                block.extend((0..size).map(|_| number));
                prop_assert_eq!(block.capacity(), capacity);
                prop_assert_eq!(blocks.full_bytes + before, model.len());
                model.extend((0..size).map(|_| number));
                prop_assert_eq!(blocks.length(), model.len());
            }
            let mut copy = Vec::new();
            blocks.copy_from(from, &mut copy);
            prop_assert_eq!(&copy, model.get(from..).unwrap_or_default());
            let memory: usize = blocks.full.iter().map(|block| taken(block.capacity())).sum();
            let headers = blocks.full.capacity() * size_of::<Vec<u8>>();
            prop_assert_eq!(blocks.memory_bytes(), memory + headers + taken(blocks.last.capacity()));
        }
    }

    #[test]
    fn little_takes_little() {
        let mut blocks = Blocks::default();
        blocks.with_room(100).extend([1; 100]);
        assert_eq!(blocks.memory_bytes(), 100);
        blocks.with_room(10).extend([1; 10]);
        assert_eq!(blocks.memory_bytes(), 200);
        for _ in 0..200 {
            blocks.with_room(100).extend([1; 100]);
        }
        assert!(blocks.memory_bytes() < blocks.length() / 14 * 15 + 2 * BLOCK_BYTES);
    }
}
