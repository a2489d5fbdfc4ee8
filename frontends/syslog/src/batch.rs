//! The lines of one write, until whoever they are for has them.

use crate::format::frames::{first_frame_bytes, whole_lines};
use bytes::{Buf, Bytes};
use hydrant_bindings::{Framing, Transport};

/// Lines on their way out of the outbox.
///
/// **Invariant: `bytes` are `line_count` whole lines.**
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    bytes: Bytes,
    line_count: u64,
}

impl Batch {
    /// So many lines.
    pub(crate) const fn new(bytes: Bytes, line_count: u64) -> Self {
        Self { bytes, line_count }
    }

    /// These lines and those of what follows, until they are so many bytes.
    pub(crate) fn followed_by(
        self,
        mut following: impl Iterator<Item = hydrant_feed::batches::Batch>,
        bytes_max: usize,
    ) -> Self {
        let mut bytes = Vec::from(self.bytes);
        let mut line_count = self.line_count;
        while bytes.len() < bytes_max
            && let Some(batch) = following.next()
        {
            line_count += u64::from(batch.envelopes());
            bytes.extend_from_slice(&Bytes::from(batch));
        }
        Self::new(bytes.into(), line_count)
    }

    /// The lines, each as it is framed.
    pub(crate) const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The first `written` bytes are written. Takes out the lines that are whole within them and
    /// gives how many; a line that was cut stays, to be written again from its beginning.
    pub(crate) fn settle(&mut self, written: usize, framing: Framing) -> u64 {
        let (count, end) = if written >= self.bytes.len() {
            (self.line_count, self.bytes.len())
        } else {
            whole_lines(&self.bytes[..written], framing)
        };
        self.bytes.advance(end);
        self.line_count -= count;
        count
    }

    /// Gives up what was refused: the whole of a POST of many lines, or its first line. Gives how
    /// many lines that was.
    pub(crate) fn take_refused(&mut self, transport: Transport) -> u64 {
        let framing = Framing::OctetCounting;
        let end = match transport {
            Transport::HttpsBatch => self.bytes.len(),
            _ => first_frame_bytes(&self.bytes, framing),
        };
        self.settle(end, framing)
    }

    /// Lines in it.
    pub(crate) const fn line_count(&self) -> u64 {
        self.line_count
    }

    /// Whether there is no line.
    pub(crate) const fn is_empty(&self) -> bool {
        self.line_count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batch_of(lines: &[Vec<u8>]) -> Batch {
        Batch::new(lines.concat().into(), lines.len() as u64)
    }

    #[test]
    fn a_line_that_was_cut_is_written_again_whole() {
        let lines = [b"3 ab\n".to_vec(), b"2 c\n".to_vec(), b"1 \n".to_vec()];
        let framing = Framing::OctetCounting;
        let mut batch = batch_of(&lines);
        assert_eq!(batch.settle(8, framing), 1);
        assert_eq!(&batch.bytes()[..], b"2 c\n1 \n");
        assert_eq!(batch.settle(3, framing), 0);
        assert_eq!(&batch.bytes()[..], b"2 c\n1 \n");
        assert_eq!(batch.settle(4, framing), 1);
        assert_eq!(batch.settle(3, framing), 1);
        assert!(batch.is_empty());
    }

    proptest! {
        #[test]
        fn what_is_settled_and_what_stays_is_everything(
            sizes in proptest::collection::vec(1_usize..150, 0..40),
            written in 0_usize..2000,
            is_counted: bool,
        ) {
            let line = |size: &usize| {
                let text = "x".repeat(size - 1) + "\n";
                if is_counted { format!("{size} {text}") } else { text }.into_bytes()
            };
            let lines: Vec<_> = sizes.iter().map(line).collect();
            let framing = if is_counted {
                Framing::OctetCounting
            } else {
                Framing::NonTransparent
            };
            let mut batch = batch_of(&lines);
            let written = written.min(batch.bytes().len());
            let settled = usize::try_from(batch.settle(written, framing)).unwrap();
            prop_assert_eq!(settled as u64 + batch.line_count(), sizes.len() as u64);
            let settled_bytes = lines[..settled].concat().len();
            prop_assert!(settled_bytes <= written);
            prop_assert_eq!(&batch.bytes()[..], &lines[settled..].concat());
            let cut = lines.get(settled).is_none_or(|line| settled_bytes + line.len() > written);
            prop_assert!(cut, "every whole line is settled");
        }
    }
}
