//! A segment: records of one source, one after the other, each sharing with those before it what
//! they have in common. It needs nothing outside of itself.
//!
//! A record is: its timestamp as the distance from the record before, its number likewise, the key
//! of its message's field, its set, its message behind its length. A set is the place of the same set
//! before it, plus one; or 0, the instance, the count of tags, the tags. A tag is the place of the
//! same tag before it, plus one; or 0, its name, its value. An envelope that has more than that is
//! kept whole, under a key of its own and without a set.

use super::blocks::Blocks;
use super::dictionary::Dictionary;
use super::parts::Parts;
use super::timers::Names;
use super::varint::{self, unzigzag, write_bytes, write_length, zigzag};
use hydrant_feed::wire::fields::TIMER;
use hydrant_feed::wire::read::Reader;
use std::iter;
use std::ops::Range;

/// The key of an envelope without a message.
pub(super) const NO_MESSAGE: u8 = 0;
/// The key of an envelope that is kept whole.
pub(super) const WHOLE: u8 = crate::whole::KEY;

/// What is known of all records of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Summary {
    /// How many there are.
    pub(super) count: u32,
    /// The numbers of the first and the last, which rise.
    pub(super) first: u64,
    pub(super) last: u64,
    /// The timestamps that are between all others.
    pub(super) oldest: i64,
    pub(super) newest: i64,
    /// When it was begun, in envelopes of the whole store.
    pub(super) born: u64,
}

/// A segment that grows.
#[derive(Debug, Default)]
pub(super) struct Open {
    born: u64,
    blocks: Blocks,
    summary: Option<Summary>,
    last_timestamp: i64,
    dictionary: Box<Dictionary>,
    names: Names,
    /// Bytes that a disk has.
    written: usize,
}

impl Open {
    /// An empty one, begun now.
    pub(super) fn new(born: u64) -> Self {
        Self {
            born,
            ..Self::default()
        }
    }

    /// Appends an envelope's parts under this number, which is more than any before. `None` if they
    /// cannot be written in parts; nothing is appended then.
    pub(super) fn push(&mut self, number: u64, parts: &mut Parts<'_>) -> Option<()> {
        let (key, message) = parts.message.unwrap_or((NO_MESSAGE, &[]));
        let bytes = message.len() + HEAD_BYTES;
        if let Some(set) = self.dictionary.set(parts) {
            let block = self.begin(number, parts.timestamp, key, bytes);
            write_length(set + 1, block);
            write_bytes(message, block);
        } else {
            parts.sort()?;
            let bytes = bytes + parts.set_bytes();
            self.begin(number, parts.timestamp, key, bytes).push(0);
            self.dictionary.write_set(parts, &mut self.blocks);
            write_bytes(message, self.blocks.last());
        }
        match key {
            TIMER => self.names.add(message),
            _ => self.names = Names::Any,
        }
        Some(())
    }

    /// Appends an envelope that is kept whole.
    pub(super) fn push_whole(&mut self, number: u64, timestamp: i64, envelope: &[u8]) {
        let block = self.begin(number, timestamp, WHOLE, envelope.len() + HEAD_BYTES);
        write_bytes(envelope, block);
        self.names = Names::Any;
    }

    /// Writes what every record begins with into a block that has room for so much.
    fn begin(&mut self, number: u64, timestamp: i64, key: u8, bytes: usize) -> &mut Vec<u8> {
        let block = self.blocks.with_room(bytes);
        let before = self.summary.map_or(0, |summary| summary.last);
        let since = timestamp.wrapping_sub(self.last_timestamp);
        varint::write(zigzag(since), block);
        varint::write(number - before, block);
        block.push(key);
        self.last_timestamp = timestamp;
        let summary = self.summary.get_or_insert(Summary {
            count: 0,
            first: number,
            last: number,
            oldest: timestamp,
            newest: timestamp,
            born: self.born,
        });
        summary.count += 1;
        summary.last = number;
        summary.oldest = summary.oldest.min(timestamp);
        summary.newest = summary.newest.max(timestamp);
        block
    }

    /// Reads of what a push will need what is likely not in a cache.
    #[inline]
    pub(super) fn fetch(&self) -> u8 {
        self.blocks.fetch() ^ self.dictionary.fetch()
    }

    /// What names it has.
    pub(super) const fn names(&self) -> &Names {
        &self.names
    }

    /// What it has so far; `None` as long as that is nothing.
    pub(super) const fn summary(&self) -> Option<Summary> {
        self.summary
    }

    /// How many bytes its records have.
    pub(super) const fn length(&self) -> usize {
        self.blocks.length()
    }

    /// Appends its records, from this byte on, to `out`.
    pub(super) fn copy_from(&self, place: usize, out: &mut Vec<u8>) {
        self.blocks.copy_from(place, out);
    }

    /// Its records from this byte on.
    pub(super) fn bytes_from(&self, place: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.length().saturating_sub(place));
        self.copy_from(place, &mut bytes);
        bytes
    }

    /// Bytes of it that a disk has.
    pub(super) const fn written(&self) -> usize {
        self.written
    }

    /// A disk has all of it so far.
    pub(super) const fn set_written(&mut self) {
        self.written = self.length();
    }

    /// Bytes of memory that it has.
    pub(super) fn memory_bytes(&self) -> usize {
        let names = self.names.memory_bytes();
        size_of::<Self>() + size_of::<Dictionary>() + self.blocks.memory_bytes() + names
    }
}

/// What a record takes in front of its message, at most, if its set is known: a timestamp, a number, a
/// key, a set's place, a length.
const HEAD_BYTES: usize = 10 + 10 + 1 + 5 + 5;

/// Where a record is in its segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// In nanoseconds since 1970.
    pub(super) timestamp: i64,
    /// Of the source's envelopes, the so-manieth that came.
    pub(super) number: u64,
    /// The key of its message's field, or `NO_MESSAGE`, or `WHOLE`.
    pub(super) key: u8,
    /// Where its set is.
    pub(super) set: usize,
    /// Its message, or the whole envelope.
    pub(super) message: Range<usize>,
}

/// The records of a segment in the order in which they came.
#[derive(Debug)]
pub(super) struct Records<'s> {
    segment: &'s [u8],
    reader: Reader<'s>,
    timestamp: i64,
    number: u64,
}

impl<'s> Records<'s> {
    pub(super) const fn of(segment: &'s [u8]) -> Self {
        Self {
            segment,
            reader: Reader::new(segment),
            timestamp: 0,
            number: 0,
        }
    }

    fn read(&mut self) -> Option<Place> {
        self.timestamp = self.timestamp.wrapping_add(unzigzag(self.reader.varint()?));
        self.number += self.reader.varint()?;
        let key = self.reader.key()?;
        let set = if key == WHOLE { 0 } else { self.set()? };
        let length = self.reader.bytes()?.len();
        let end = self.place();
        Some(Place {
            timestamp: self.timestamp,
            number: self.number,
            key,
            set,
            message: end - length..end,
        })
    }

    fn set(&mut self) -> Option<usize> {
        let reference = self.reader.varint()?;
        if let Some(place) = reference.checked_sub(1) {
            return usize::try_from(place).ok();
        }
        let place = self.place();
        self.reader.bytes()?;
        for _ in 0..self.reader.varint()? {
            if self.reader.varint()? == 0 {
                self.reader.bytes()?;
                self.reader.bytes()?;
            }
        }
        Some(place)
    }

    fn place(&self) -> usize {
        self.segment.len() - self.reader.rest().len()
    }
}

impl Iterator for Records<'_> {
    type Item = Place;

    #[inline]
    fn next(&mut self) -> Option<Place> {
        self.read()
    }
}

/// An instance and its tags.
#[derive(Debug)]
pub(super) struct Set<'s> {
    segment: &'s [u8],
    pub(super) instance_id: &'s [u8],
    pub(super) tag_count: usize,
    tags: usize,
}

impl<'s> Set<'s> {
    /// The set there.
    #[inline]
    pub(super) fn at(segment: &'s [u8], place: usize) -> Option<Self> {
        let mut reader = Reader::new(segment.get(place..)?);
        let instance_id = reader.bytes()?;
        let tag_count = usize::try_from(reader.varint()?).ok()?;
        Some(Self {
            segment,
            instance_id,
            tag_count,
            tags: segment.len() - reader.rest().len(),
        })
    }

    /// Names and values, in the order of the names.
    #[inline]
    pub(super) fn tags(&self) -> impl Iterator<Item = (&'s [u8], &'s [u8])> {
        entries_at(self.segment, self.tags).take(self.tag_count)
    }
}

/// The tags from there on.
#[inline]
fn entries_at(segment: &[u8], place: usize) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut reader = Reader::new(segment.get(place..).unwrap_or_default());
    iter::from_fn(move || match reader.varint()?.checked_sub(1) {
        None => Some((reader.bytes()?, reader.bytes()?)),
        Some(place) => {
            let literal = segment.get(usize::try_from(place).ok()?..)?;
            let mut reader = Reader::new(literal);
            // A reference leads to a tag that is written out.
            (reader.key()? == 0).then_some(())?;
            Some((reader.bytes()?, reader.bytes()?))
        }
    })
}
