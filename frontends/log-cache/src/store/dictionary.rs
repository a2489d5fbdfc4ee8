//! Where a growing segment has what its next record may share: sets of tags, and single tags.
//!
//! Both tables forget by being overwritten, and a hit is only a place to look at: what is found
//! there is compared.

use super::parts::Parts;
use super::segment::{Set, entries_at};
use super::varint::{write_bytes, write_length};
use xxhash_rust::xxh3::xxh3_64;

const SETS: usize = 32;
const ENTRIES: usize = 64;

/// Places of literals, plus one; 0 is none. Those behind the first 64 KiB are not noted.
#[derive(Clone, Debug)]
pub(super) struct Dictionary {
    sets: [u16; SETS],
    entries: [u16; ENTRIES],
}

impl Default for Dictionary {
    fn default() -> Self {
        Self {
            sets: [0; SETS],
            entries: [0; ENTRIES],
        }
    }
}

impl Dictionary {
    /// Appends the set of the parts' instance and tags to the segment: a reference to the same set
    /// before it, or the set itself, whose tags may be references.
    #[inline]
    pub(super) fn write_set(&mut self, parts: &Parts<'_>, segment: &mut Vec<u8>) {
        let slot = slot(set_hash(parts), SETS);
        if let Some(place) = place(self.sets[slot])
            && is_set(segment, place, parts)
        {
            write_length(place + 1, segment);
            return;
        }
        segment.push(0);
        self.sets[slot] = noted(segment.len());
        self.write_new_set(parts, segment);
    }

    fn write_new_set(&mut self, parts: &Parts<'_>, segment: &mut Vec<u8>) {
        write_bytes(parts.instance_id, segment);
        write_length(parts.tags.len(), segment);
        for (name, value) in parts.tags.iter() {
            let slot = &mut self.entries[slot(entry_hash(name, value), ENTRIES)];
            if let Some(place) = place(*slot)
                && entries_at(segment, place).next() == Some((name, value))
            {
                write_length(place + 1, segment);
                continue;
            }
            *slot = noted(segment.len());
            segment.push(0);
            write_bytes(name, segment);
            write_bytes(value, segment);
        }
    }
}

fn is_set(segment: &[u8], place: usize, parts: &Parts<'_>) -> bool {
    let Some(set) = Set::at(segment, place) else {
        return false;
    };
    set.instance_id == parts.instance_id
        && set.tag_count == parts.tags.len()
        && set.tags().eq(parts.tags.iter())
}

#[inline]
fn set_hash(parts: &Parts<'_>) -> u64 {
    let tags = parts.tags.iter();
    tags.fold(xxh3_64(parts.instance_id), |hash, (name, value)| {
        hash.rotate_left(5) ^ entry_hash(name, value)
    })
}

/// A tag's name says little: the value tells tags of a source apart.
#[inline]
fn entry_hash(name: &[u8], value: &[u8]) -> u64 {
    xxh3_64(value).wrapping_add(name.len() as u64)
}

#[inline]
fn slot(hash: u64, slots: usize) -> usize {
    (hash >> 32) as usize % slots
}

#[inline]
fn place(slot: u16) -> Option<usize> {
    usize::from(slot).checked_sub(1)
}

fn noted(place: usize) -> u16 {
    u16::try_from(place + 1).unwrap_or(0)
}
