//! Logs of all apps one after the other in a ring of bytes: to keep one is to write on where the
//! last one ended, whoever's it is.

use hydrant_engine::record::Version;

/// Bytes before each envelope.
const HEAD_BYTES: usize = 4 * size_of::<u64>();
/// Entries begin at multiples of this.
const ALIGNMENT: usize = 8;

/// The lowest bits of a head's last word; the length is above them.
const FLAG_BITS: u32 = 3;
const IS_V2: usize = 1;
/// What lies before the ring's end, where the next entry had no room.
const IS_GAP: usize = 2;
const IS_RENEWED: usize = 4;

/// What is known of an entry beside its envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Of its app's id.
    pub(super) hash: u64,
    /// Which of all logs it was.
    pub(super) number: u64,
    /// Where its app's entry before it is, if that is still there.
    pub(super) before: usize,
    pub(super) version: Version,
    /// It was written anew, so that it is older than what lies before it.
    pub(super) is_renewed: bool,
}

/// Entries in the order in which they were written. Places only grow; one that has been given up is
/// never met again.
///
/// **Invariant: from `start` to `end`, which are at most the capacity apart, entries and gaps lie
/// without anything between them.** Nothing is at place 0.
#[derive(Debug)]
pub(super) struct Ring {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Ring {
    /// An empty ring; memory is used as it fills for the first time.
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = (capacity / ALIGNMENT * ALIGNMENT).max(HEAD_BYTES);
        Self {
            bytes: vec![0; capacity].into(),
            start: capacity,
            end: capacity,
        }
    }

    /// What an envelope of so many bytes takes, in bytes.
    pub(super) const fn size(envelope_bytes: usize) -> usize {
        (HEAD_BYTES + envelope_bytes).next_multiple_of(ALIGNMENT)
    }

    pub(super) const fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Memory that has been used, in bytes.
    pub(super) fn touched_bytes(&self) -> usize {
        (self.end - self.capacity()).min(self.capacity())
    }

    /// Whether an entry of this size can be written, with so much to spare.
    #[inline]
    pub(super) fn has_room(&self, size: usize, spare: usize) -> bool {
        let free = self.capacity() - (self.end - self.start);
        self.gap_before(size) + size + spare <= free
    }

    /// Writes an entry for which there is room, as there always can be for half of the capacity.
    /// Returns its place.
    #[inline]
    pub(super) fn push(&mut self, head: Head, envelope: &[u8]) -> usize {
        let size = Self::size(envelope.len());
        let (place, at) = self.take(size);
        write_head(&mut self.bytes[at..], &head, envelope.len(), 0);
        self.bytes[at + HEAD_BYTES..][..envelope.len()].copy_from_slice(envelope);
        place
    }

    /// The oldest entry, and its size.
    #[inline]
    pub(super) fn oldest(&mut self) -> Option<(Head, usize)> {
        while self.start < self.end {
            let at = self.at(self.start);
            let to_end = self.capacity() - at;
            if to_end < HEAD_BYTES {
                self.start += to_end;
                continue;
            }
            let (head, length, flags) = read_head(&self.bytes[at..]);
            if flags & IS_GAP == 0 {
                return Some((head, Self::size(length)));
            }
            self.start += to_end;
        }
        None
    }

    /// Gives up the oldest entry, whose size this is.
    pub(super) const fn give_up(&mut self, size: usize) {
        self.start += size;
    }

    /// Writes the oldest entry anew, as the newest. Returns its place; nothing if there is no room,
    /// and then it is given up.
    pub(super) fn renew(&mut self, head: Head, size: usize) -> Option<usize> {
        let from = self.at(self.start);
        self.give_up(size);
        if !self.has_room(size, 0) {
            return None;
        }
        let (place, at) = self.take(size);
        self.bytes.copy_within(from..from + size, at);
        let (_, length, _) = read_head(&self.bytes[at..]);
        let head = Head {
            is_renewed: true,
            ..head
        };
        write_head(&mut self.bytes[at..], &head, length, 0);
        Some(place)
    }

    /// What lies at a place, if that has not been given up.
    pub(super) fn get(&self, place: usize) -> Option<(Head, &[u8])> {
        if place < self.start {
            return None;
        }
        let at = self.at(place);
        let (head, length, _) = read_head(&self.bytes[at..]);
        Some((head, &self.bytes[at + HEAD_BYTES..][..length]))
    }

    const fn at(&self, place: usize) -> usize {
        place % self.capacity()
    }

    /// Bytes up to the ring's end, if an entry has no room before it.
    fn gap_before(&self, size: usize) -> usize {
        let to_end = self.capacity() - self.at(self.end);
        if to_end < size { to_end } else { 0 }
    }

    /// Where the next entry goes: its place, and where that is in memory.
    fn take(&mut self, size: usize) -> (usize, usize) {
        let gap = self.gap_before(size);
        if gap >= HEAD_BYTES {
            let at = self.at(self.end);
            write_head(&mut self.bytes[at..], &Head::NOBODYS, 0, IS_GAP);
        }
        let place = self.end + gap;
        self.end = place + size;
        (place, self.at(place))
    }
}

impl Head {
    const NOBODYS: Self = Self {
        hash: 0,
        number: 0,
        before: 0,
        version: Version::V1,
        is_renewed: false,
    };
}

#[inline]
fn write_head(bytes: &mut [u8], head: &Head, length: usize, gap: usize) {
    let is_v2 = match head.version {
        Version::V1 => 0,
        Version::V2 => IS_V2,
    };
    let is_renewed = if head.is_renewed { IS_RENEWED } else { 0 };
    let flags = is_v2 | is_renewed | gap;
    let words = [
        head.hash.to_le_bytes(),
        head.number.to_le_bytes(),
        (head.before as u64).to_le_bytes(),
        ((length << FLAG_BITS | flags) as u64).to_le_bytes(),
    ];
    bytes[..HEAD_BYTES].copy_from_slice(words.as_flattened());
}

/// Also the envelope's length, and the flags.
#[inline]
fn read_head(bytes: &[u8]) -> (Head, usize, usize) {
    let mut words = bytes[..HEAD_BYTES].as_chunks().0.iter();
    let mut next = || words.next().map_or(0, |word| u64::from_le_bytes(*word));
    let (hash, number, before) = (next(), next(), to_place(next()));
    let last = to_place(next());
    let flags = last & ((1 << FLAG_BITS) - 1);
    let version = if flags & IS_V2 == 0 {
        Version::V1
    } else {
        Version::V2
    };
    let head = Head {
        hash,
        number,
        before,
        version,
        is_renewed: flags & IS_RENEWED != 0,
    };
    (head, last >> FLAG_BITS, flags)
}

/// What was a `usize` is one.
fn to_place(word: u64) -> usize {
    const _: () = assert!(size_of::<usize>() == size_of::<u64>());
    usize::try_from(word).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    fn head(number: u64, before: usize) -> Head {
        Head {
            hash: number * 7,
            number,
            before,
            version: if number.is_multiple_of(2) {
                Version::V1
            } else {
                Version::V2
            },
            is_renewed: false,
        }
    }

    proptest! {
        #[test]
        fn gives_back_what_was_written_in_its_order(
            capacity in 500_usize..2_000,
            steps in prop::collection::vec((0_usize..200, any::<bool>()), 1..300),
        ) {
            let mut ring = Ring::new(capacity);
            let mut expected: VecDeque<(u64, usize, Vec<u8>)> = VecDeque::new();
            for (number, (bytes, is_renewed)) in (0_u64..).zip(steps) {
                let envelope = vec![number.to_le_bytes()[0]; bytes];
                let size = Ring::size(bytes);
                while !ring.has_room(size, 0) {
                    let (oldest, oldest_size) = ring.oldest().unwrap();
                    let (number, place, envelope) = expected.pop_front().unwrap();
                    prop_assert_eq!(oldest.number, number);
                    prop_assert_eq!(oldest_size, Ring::size(envelope.len()));
                    ring.give_up(oldest_size);
                    prop_assert_eq!(ring.get(place), None);
                }
                let place = ring.push(head(number, 17), &envelope);
                expected.push_back((number, place, envelope));
                if is_renewed && let Some((oldest, size)) = ring.oldest() {
                    let (number, _, envelope) = expected.pop_front().unwrap();
                    if let Some(place) = ring.renew(Head { before: 18, ..oldest }, size) {
                        let kept = ring.get(place).unwrap();
                        prop_assert_eq!(kept, (Head { is_renewed: true, ..head(number, 18) }, &envelope[..]));
                        expected.push_back((number, place, envelope));
                    }
                }
                for (number, place, envelope) in &expected {
                    let (head, bytes) = ring.get(*place).unwrap();
                    prop_assert_eq!((head.number, bytes), (*number, &envelope[..]));
                }
                prop_assert!(ring.touched_bytes() <= ring.capacity());
            }
        }
    }
}
