//! Segments that are full: pressed if that is worth it, and read again.

use super::segment::{Open, Summary};
use std::borrow::Cow;

/// A segment that does not change any more.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) summary: Summary,
    kept: Kept,
    /// Bytes of it, as it was before it was pressed, that a disk has.
    written: usize,
}

/// The bytes of a segment.
#[derive(Debug)]
pub(super) enum Kept {
    Plain(Box<[u8]>),
    /// As LZ4, and how much that is when it is taken apart.
    Pressed(Box<[u8]>, usize),
}

impl Kept {
    /// Pressed if that saves something.
    pub(super) fn of(plain: Vec<u8>) -> Self {
        let pressed = lz4_flex::block::compress(&plain);
        if pressed.len() < plain.len() {
            Self::Pressed(pressed.into(), plain.len())
        } else {
            Self::Plain(plain.into())
        }
    }

    /// As it was before it was pressed; `None` if it cannot be taken apart.
    pub(super) fn plain(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Plain(bytes) => Some(Cow::Borrowed(bytes)),
            Self::Pressed(bytes, plain_bytes) => {
                let plain = lz4_flex::block::decompress(bytes, *plain_bytes).ok()?;
                (plain.len() == *plain_bytes).then_some(Cow::Owned(plain))
            }
        }
    }

    const fn plain_bytes(&self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Pressed(_, plain_bytes) => *plain_bytes,
        }
    }
}

impl Sealed {
    /// Keeps what was collected. `None` if that was nothing.
    pub(super) fn of(open: Open) -> Option<Self> {
        Some(Self {
            summary: open.summary()?,
            written: open.written(),
            kept: Kept::of(open.into_bytes()),
        })
    }

    /// What a disk has of it, which has been taken apart once.
    pub(super) const fn restored(summary: Summary, kept: Kept) -> Self {
        Self {
            summary,
            written: kept.plain_bytes(),
            kept,
        }
    }

    /// The records.
    pub(super) fn bytes(&self) -> Cow<'_, [u8]> {
        let plain = self.kept.plain();
        // We have pressed it ourselves, or tried it: that it cannot be taken apart is a broken memory.
        plain.expect("what was pressed here can be taken apart here")
    }

    pub(super) const fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Bytes of `bytes` that a disk has.
    pub(super) const fn written(&self) -> usize {
        self.written
    }

    /// Whether a disk has all of it.
    pub(super) const fn is_written(&self) -> bool {
        self.written == self.kept.plain_bytes()
    }

    /// A disk has all of it.
    pub(super) const fn set_written(&mut self) {
        self.written = self.kept.plain_bytes();
    }

    /// Bytes of memory that it has.
    pub(super) fn memory_bytes(&self) -> usize {
        let (Kept::Plain(bytes) | Kept::Pressed(bytes, _)) = &self.kept;
        size_of::<Self>() + bytes.len()
    }
}
