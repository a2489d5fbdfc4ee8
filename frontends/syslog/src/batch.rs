//! The lines of one write, until the kernel has them.

use crate::limits::BATCH_BYTES_MAX;
use bytes::Bytes;
use std::collections::VecDeque;

/// Lines on their way out of the outbox.
///
/// **Invariant: `bytes` is the sum of the lines' lengths**, below [`BATCH_BYTES_MAX`] without the
/// last line.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    lines: VecDeque<Bytes>,
    bytes: usize,
}

impl Batch {
    /// Takes lines from `next` until there is enough for one write.
    pub(crate) fn fill(&mut self, mut next: impl FnMut() -> Option<Bytes>) {
        while self.bytes < BATCH_BYTES_MAX {
            let Some(line) = next() else { break };
            self.bytes += line.len();
            self.lines.push_back(line);
        }
    }

    /// The bytes to write.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes);
        for line in &self.lines {
            bytes.extend_from_slice(line);
        }
        bytes
    }

    /// The kernel took the first `written` bytes. Takes out the lines that are whole within them
    /// and gives how many; a line that was cut stays, to be written again from its beginning.
    pub(crate) fn settle(&mut self, mut written: usize) -> u64 {
        let mut count = 0;
        while let Some(line) = self.lines.front() {
            if line.len() > written {
                break;
            }
            written -= line.len();
            self.bytes -= line.len();
            self.lines.pop_front();
            count += 1;
        }
        count
    }

    /// Lines in it.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is no line.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batch_of(lines: &[&'static [u8]]) -> Batch {
        let mut lines = lines.iter().map(|line| Bytes::from_static(line));
        let mut batch = Batch::default();
        batch.fill(|| lines.next());
        batch
    }

    #[test]
    fn a_line_that_was_cut_is_written_again_whole() {
        let mut batch = batch_of(&[b"one", b"two", b"three"]);
        assert_eq!(batch.settle(5), 1);
        assert_eq!(batch.to_bytes(), b"twothree");
        assert_eq!(batch.settle(2), 0);
        assert_eq!(batch.to_bytes(), b"twothree");
        assert_eq!(batch.settle(3), 1);
        assert_eq!(batch.settle(5), 1);
        assert!(batch.is_empty());
        assert_eq!(batch.bytes, 0);
    }

    #[test]
    fn a_write_ends_with_the_line_that_fills_it() {
        let line = Bytes::from(vec![b'x'; 1000]);
        let mut batch = Batch::default();
        batch.fill(|| Some(line.clone()));
        assert_eq!(batch.len(), BATCH_BYTES_MAX.div_ceil(1000));
        let large = Bytes::from(vec![b'x'; 2 * BATCH_BYTES_MAX]);
        let mut batch = Batch::default();
        batch.fill(|| Some(large.clone()));
        assert_eq!(batch.len(), 1);
    }

    proptest! {
        #[test]
        fn what_is_settled_and_what_stays_is_everything(
            sizes in proptest::collection::vec(1_usize..50, 0..40),
            written in 0_usize..2000,
        ) {
            let mut sizes_left = sizes.iter().map(|size| Bytes::from(vec![b'x'; *size]));
            let mut batch = Batch::default();
            batch.fill(|| sizes_left.next());
            let written = written.min(batch.bytes);
            let settled = usize::try_from(batch.settle(written)).unwrap();
            prop_assert_eq!(settled + batch.len(), sizes.len());
            let settled_bytes: usize = sizes[..settled].iter().sum();
            prop_assert!(settled_bytes <= written);
            prop_assert_eq!(batch.to_bytes().len(), sizes[settled..].iter().sum::<usize>());
            let cut = sizes.get(settled).is_none_or(|size| settled_bytes + size > written);
            prop_assert!(cut, "every whole line is settled");
        }
    }
}
