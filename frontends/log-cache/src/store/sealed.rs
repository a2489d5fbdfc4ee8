//! Segments that are full: pressed if that is worth it, and read again.

use super::segment::{Open, Records, Summary};
use super::timers::Names;
use hydrant_feed::wire::fields::TIMER;
use lz4_flex::block::{compress_into, get_maximum_output_size};
use std::borrow::Cow;
use std::mem;
use std::sync::Arc;

/// A segment that does not change any more.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) summary: Summary,
    names: Names,
    kept: Kept,
    /// Bytes of it, as it was before it was pressed, that a disk has.
    written: usize,
}

/// The bytes of a segment, which a query may read while the store goes on without them.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    Plain(Arc<[u8]>),
    /// As LZ4, and how much that is when it is taken apart.
    Pressed(Arc<[u8]>, usize),
}

/// Presses segments, one after the other in the same memory.
#[derive(Debug, Default)]
pub(super) struct Press {
    plain: Vec<u8>,
    pressed: Vec<u8>,
}

impl Press {
    /// Pressed if that saves something.
    pub(super) fn press(&mut self, plain: &[u8]) -> Kept {
        let bytes_max = get_maximum_output_size(plain.len());
        if self.pressed.len() < bytes_max {
            self.pressed.resize(bytes_max, 0);
        }
        match compress_into(plain, &mut self.pressed) {
            Ok(bytes) if bytes < plain.len() => {
                Kept::Pressed(self.pressed[..bytes].into(), plain.len())
            }
            _ => Kept::Plain(plain.into()),
        }
    }

    /// The same of a segment that has grown.
    fn press_open(&mut self, open: &Open) -> Kept {
        let mut plain = mem::take(&mut self.plain);
        plain.clear();
        open.copy_from(0, &mut plain);
        let kept = self.press(&plain);
        self.plain = plain;
        kept
    }
}

impl Kept {
    /// The records.
    pub(super) fn bytes(&self) -> Cow<'_, [u8]> {
        // We have pressed it ourselves, or tried it: that it cannot be taken apart is a broken memory.
        self.plain()
            .expect("what was pressed here can be taken apart here")
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

    fn plain_bytes(&self) -> usize {
        match self {
            Self::Plain(bytes) => bytes.len(),
            Self::Pressed(_, plain_bytes) => *plain_bytes,
        }
    }
}

impl Sealed {
    /// Keeps what was collected. `None` if that was nothing.
    pub(super) fn of(open: &Open, press: &mut Press) -> Option<Self> {
        Some(Self {
            summary: open.summary()?,
            names: open.names().clone(),
            written: open.written(),
            kept: press.press_open(open),
        })
    }

    /// What a disk has of it, which has been taken apart once.
    pub(super) fn restored(summary: Summary, kept: Kept) -> Self {
        Self {
            summary,
            names: names(&kept),
            written: kept.plain_bytes(),
            kept,
        }
    }

    /// The records.
    pub(super) fn bytes(&self) -> Cow<'_, [u8]> {
        self.kept.bytes()
    }

    /// What names it has.
    pub(super) const fn names(&self) -> &Names {
        &self.names
    }

    pub(super) const fn kept(&self) -> &Kept {
        &self.kept
    }

    /// Bytes of `bytes` that a disk has.
    pub(super) const fn written(&self) -> usize {
        self.written
    }

    /// Whether a disk has all of it.
    pub(super) fn is_written(&self) -> bool {
        self.written == self.kept.plain_bytes()
    }

    /// A disk has all of it.
    pub(super) fn set_written(&mut self) {
        self.written = self.kept.plain_bytes();
    }

    /// Bytes of memory that it has.
    pub(super) fn memory_bytes(&self) -> usize {
        let (Kept::Plain(bytes) | Kept::Pressed(bytes, _)) = &self.kept;
        size_of::<Self>() + allocated(ARC_BYTES + bytes.len()) + self.names.memory_bytes()
    }
}

/// What names are in what was kept: in a segment of something else the first record says so.
fn names(kept: &Kept) -> Names {
    let Some(plain) = kept.plain() else {
        return Names::Any;
    };
    let mut names = Names::default();
    for place in Records::of(&plain) {
        match place.key {
            TIMER => names.add(&plain[place.message]),
            _ => return Names::Any,
        }
    }
    names
}

/// What is in front of shared bytes: how many share them.
const ARC_BYTES: usize = 2 * size_of::<usize>();

/// What an allocator takes for so many bytes. It has a few sizes, mimalloc four to each power of two:
/// what a segment is pressed to lies between two of them, and the bound is one of memory.
const fn allocated(bytes: usize) -> usize {
    match bytes {
        0..=SMALL_BYTES => bytes.next_multiple_of(size_of::<usize>()),
        _ => bytes.next_multiple_of(1 << ((bytes - 1).ilog2() - 2)),
    }
}

/// Up to here sizes are one word apart.
const SMALL_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allocators_have_a_few_sizes() {
        let sizes = [0, 1, 8, 64, 65, 80, 81, 4096, 4097, 13_000];
        let taken = [0, 8, 8, 64, 80, 80, 96, 4096, 5120, 14_336];
        assert_eq!(sizes.map(allocated), taken);
    }
}
