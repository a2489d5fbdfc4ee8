//! Segments that are full: pressed if that is worth it, and read again.

use super::segment::{Open, Summary};
use std::borrow::Cow;

/// A segment that does not change any more.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) summary: Summary,
    bytes: Kept,
}

#[derive(Debug)]
enum Kept {
    Plain(Box<[u8]>),
    /// As LZ4, and how much that is when it is taken apart.
    Pressed(Box<[u8]>, usize),
}

impl Sealed {
    /// Keeps what was collected, pressed if that saves something. `None` if that was nothing.
    pub(super) fn of(open: Open) -> Option<Self> {
        let summary = open.summary()?;
        let plain = open.into_bytes();
        let pressed = lz4_flex::block::compress(&plain);
        let bytes = if pressed.len() < plain.len() {
            Kept::Pressed(pressed.into(), plain.len())
        } else {
            Kept::Plain(plain.into())
        };
        Some(Self { summary, bytes })
    }

    /// The records.
    pub(super) fn bytes(&self) -> Cow<'_, [u8]> {
        match &self.bytes {
            Kept::Plain(bytes) => Cow::Borrowed(bytes),
            // We have pressed it ourselves: that it cannot be taken apart is a broken memory.
            Kept::Pressed(bytes, plain_bytes) => Cow::Owned(
                lz4_flex::block::decompress(bytes, *plain_bytes)
                    .expect("what was pressed here can be taken apart here"),
            ),
        }
    }

    /// Bytes of memory that it has.
    pub(super) fn memory_bytes(&self) -> usize {
        let (Kept::Plain(bytes) | Kept::Pressed(bytes, _)) = &self.bytes;
        size_of::<Self>() + bytes.len()
    }
}
