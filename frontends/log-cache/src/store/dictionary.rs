//! Where a growing segment has what its next record may share: sets of tags, and single tags.
//!
//! Both tables forget what is older. What is compared are hashes with a seed that nobody knows: two of
//! a slot that are not the same are taken for the same once in 2^64 times, and what they are hashes of is
//! in no cache.

use super::blocks::Blocks;
use super::parts::Parts;
use super::varint::{write_bytes, write_length};

/// Of sets there are so many rows, each a line of a cache.
const ROWS: usize = 4;
const SETS_PER_ROW: usize = 4;
const TAGS: usize = 32;

/// What the first 64 KiB of a segment have.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct Dictionary {
    sets: [[Noted; SETS_PER_ROW]; ROWS],
    tags: [Noted; TAGS],
}

/// Something that is written out in the segment.
#[derive(Clone, Copy, Debug, Default)]
struct Noted {
    hash: u64,
    /// Where it is, plus one; 0 is nothing.
    place: u16,
}

impl Noted {
    fn new(hash: u64, place: usize) -> Self {
        let place = u16::try_from(place + 1).unwrap_or(0);
        Self { hash, place }
    }

    /// Where what has this hash is, if this is it.
    #[inline]
    fn place_of(&self, hash: u64) -> Option<usize> {
        let place = usize::from(self.place).checked_sub(1)?;
        (self.hash == hash).then_some(place)
    }
}

impl Default for Dictionary {
    fn default() -> Self {
        Self {
            sets: Default::default(),
            tags: [Noted::default(); TAGS],
        }
    }
}

impl Dictionary {
    /// Where the segment has the set of the parts' instance and tags.
    #[inline]
    pub(super) fn set(&self, parts: &Parts<'_>) -> Option<usize> {
        let row = &self.sets[slot(parts.fingerprint, ROWS)];
        row.iter()
            .find_map(|noted| noted.place_of(parts.fingerprint))
    }

    /// Reads a bit of each row.
    #[inline]
    pub(super) fn fetch(&self) -> u8 {
        let rows = self.sets.iter();
        rows.fold(0, |all, row| all ^ row[0].place.to_le_bytes()[0])
    }

    /// Appends the parts' set, whose tags may be references, to the segment.
    pub(super) fn write_set(&mut self, parts: &Parts<'_>, segment: &mut Blocks) {
        if parts.is_set() {
            let row = &mut self.sets[slot(parts.fingerprint, ROWS)];
            // The oldest goes.
            row.rotate_right(1);
            row[0] = Noted::new(parts.fingerprint, segment.length());
        }
        write_bytes(parts.instance_id, segment.last());
        write_length(parts.sorted().len(), segment.last());
        for (name, value) in parts.sorted().iter() {
            let noted = &mut self.tags[slot(value.hash, TAGS)];
            if let Some(place) = noted.place_of(value.hash) {
                write_length(place + 1, segment.last());
                continue;
            }
            *noted = Noted::new(value.hash, segment.length());
            let block = segment.last();
            block.push(0);
            write_bytes(name, block);
            write_bytes(value.bytes, block);
        }
    }
}

#[inline]
const fn slot(hash: u64, slots: usize) -> usize {
    (hash >> 32) as usize % slots
}
