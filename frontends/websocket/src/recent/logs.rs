//! The newest logs of an app, as they came.
//!
//! They lie one after the other in chunks, so that to keep one costs a copy and nothing else most
//! of the time. A chunk is given up as a whole, once the chunks after it hold enough.

use hydrant_engine::record::Version;
use std::collections::VecDeque;
use std::mem;

/// What the allocator needs beside what it is asked for, in bytes, at most.
pub(super) const ALLOCATION_BYTES: usize = 16;

/// A chunk's bytes. Each is as large as all before it, within these bounds, so that what an app
/// that logs little has not filled is little; and a log that is larger has a chunk of its own.
const CHUNK_BYTES_MIN: usize = 1024;
const CHUNK_BYTES_MAX: usize = 8192;

/// Bytes before each envelope: twice its length, and 1 more for v2.
const HEAD_BYTES: usize = size_of::<usize>();

/// **Invariant: `count` logs lie in `open` and `full`, whose memory is `chunk_bytes`.**
#[derive(Debug, Default)]
pub(super) struct Logs {
    /// Where the next one goes.
    open: Chunk,
    /// The ones before it, oldest first.
    full: VecDeque<Chunk>,
    count: usize,
    chunk_bytes: usize,
}

#[derive(Debug, Default)]
struct Chunk {
    bytes: Vec<u8>,
    count: usize,
}

/// How much is kept of an app's logs: so many at least if they fit into so many bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct LogBounds {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl Logs {
    /// How many are held.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Memory of all that is not within `Self`, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.chunk_bytes + self.full.capacity() * size_of::<Chunk>()
    }

    /// Adds a log if that takes no more memory. Else false, and nothing has changed.
    #[inline]
    pub(super) fn append(&mut self, version: Version, envelope: &[u8]) -> bool {
        let bytes = &mut self.open.bytes;
        if bytes.capacity() - bytes.len() < HEAD_BYTES + envelope.len() {
            return false;
        }
        let head = envelope.len() * 2 + usize::from(version == Version::V2);
        bytes.extend_from_slice(&head.to_le_bytes());
        bytes.extend_from_slice(envelope);
        self.open.count += 1;
        self.count += 1;
        true
    }

    /// Makes room for a log of so many bytes, which then can be [appended](Self::append), and gives
    /// up the oldest as the bounds ask for it. Returns how many went; nothing if it does not fit.
    pub(super) fn make_room(&mut self, envelope_bytes: usize, bounds: LogBounds) -> Option<usize> {
        let held = self.count;
        let needed = HEAD_BYTES + envelope_bytes;
        let capacity = needed.max(self.chunk_bytes.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX));
        if capacity + ALLOCATION_BYTES > bounds.bytes {
            return None;
        }
        let last = mem::take(&mut self.open);
        if last.bytes.capacity() > 0 {
            self.full.push_back(last);
        }
        let mut spare = None;
        while self.has_too_much(capacity, bounds) {
            spare = self.pop();
        }
        let bytes = spare
            .filter(|chunk| chunk.bytes.capacity() == capacity)
            .map_or_else(
                || Vec::with_capacity(capacity),
                |chunk| emptied(chunk.bytes),
            );
        self.chunk_bytes += chunk_bytes(&bytes);
        self.open.bytes = bytes;
        Some(held - self.count)
    }

    /// Whether, with another chunk and another log, the oldest chunk is one too many.
    fn has_too_much(&self, capacity: usize, bounds: LogBounds) -> bool {
        self.full.front().is_some_and(|oldest| {
            self.count - oldest.count + 1 >= bounds.count
                || self.chunk_bytes + capacity + ALLOCATION_BYTES > bounds.bytes
        })
    }

    fn pop(&mut self) -> Option<Chunk> {
        let oldest = self.full.pop_front()?;
        self.count -= oldest.count;
        self.chunk_bytes -= chunk_bytes(&oldest.bytes);
        Some(oldest)
    }

    /// The newest `count` of them.
    pub(super) fn copy(&self, count: usize) -> CopiedLogs {
        let mut surplus = self.count.saturating_sub(count);
        let mut chunks = Vec::with_capacity(self.full.len() + 1);
        for chunk in self.full.iter().chain([&self.open]) {
            if surplus < chunk.count {
                chunks.push(newest(chunk, surplus).to_vec());
            }
            surplus = surplus.saturating_sub(chunk.count);
        }
        CopiedLogs(chunks)
    }
}

/// A copy of logs that lasts while the app goes on.
#[derive(Debug, Default)]
pub(super) struct CopiedLogs(Vec<Vec<u8>>);

impl CopiedLogs {
    /// Each log, oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Version, &[u8])> {
        self.0.iter().flat_map(|chunk| entries(chunk))
    }
}

/// A chunk's bytes without those of its oldest logs.
fn newest(chunk: &Chunk, surplus: usize) -> &[u8] {
    let skipped: usize = entries(&chunk.bytes)
        .take(surplus)
        .map(|(_, envelope)| HEAD_BYTES + envelope.len())
        .sum();
    &chunk.bytes[skipped..]
}

fn entries(mut bytes: &[u8]) -> impl Iterator<Item = (Version, &[u8])> {
    std::iter::from_fn(move || {
        let (head, rest) = bytes.split_first_chunk()?;
        let head = usize::from_le_bytes(*head);
        let (envelope, rest) = rest.split_at_checked(head / 2)?;
        bytes = rest;
        let is_v2 = head % 2 == 1;
        Some((if is_v2 { Version::V2 } else { Version::V1 }, envelope))
    })
}

fn emptied(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.clear();
    bytes
}

fn chunk_bytes(bytes: &Vec<u8>) -> usize {
    match bytes.capacity() {
        0 => 0,
        capacity => capacity + ALLOCATION_BYTES,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: LogBounds = LogBounds {
        count: 10,
        bytes: 100_000,
    };

    /// Adds a log that says a number, in so many bytes. Returns how many went for it.
    fn add(logs: &mut Logs, number: u8, bytes: usize, bounds: LogBounds) -> Option<usize> {
        let envelope = vec![number; bytes];
        if logs.append(Version::V2, &envelope) {
            return Some(0);
        }
        let replaced = logs.make_room(bytes, bounds)?;
        assert!(logs.append(Version::V2, &envelope));
        let chunks = logs.full.iter().chain([&logs.open]);
        let bytes: usize = chunks.map(|chunk| chunk_bytes(&chunk.bytes)).sum();
        assert_eq!(bytes, logs.chunk_bytes);
        Some(replaced)
    }

    fn numbers(copied: &CopiedLogs) -> Vec<u8> {
        copied.iter().map(|(_, envelope)| envelope[0]).collect()
    }

    #[test]
    fn gives_the_newest_and_keeps_few_more() {
        let mut logs = Logs::default();
        let mut replaced = 0;
        for number in 0..200 {
            replaced += add(&mut logs, number, 300, BOUNDS).unwrap();
            let newest: Vec<u8> = (0..=number).rev().take(10).rev().collect();
            assert_eq!(numbers(&logs.copy(10)), newest);
            assert!(logs.count() < 10 + 2 * CHUNK_BYTES_MAX / 300);
        }
        assert_eq!(replaced + logs.count(), 200);
        assert_eq!(numbers(&logs.copy(3)), [197, 198, 199]);
    }

    #[test]
    fn remembers_which_generation_each_is() {
        let mut logs = Logs::default();
        logs.make_room(10, BOUNDS).unwrap();
        assert!(logs.append(Version::V1, b"one"));
        assert!(logs.append(Version::V2, b""));
        let copied = logs.copy(2);
        let all: Vec<_> = copied.iter().collect();
        assert_eq!(all, [(Version::V1, &b"one"[..]), (Version::V2, b"")]);
    }

    #[test]
    fn one_that_is_larger_than_a_chunk_has_its_own() {
        let mut logs = Logs::default();
        for (number, bytes) in [(1, 10), (2, 50_000), (3, 10), (4, CHUNK_BYTES_MAX)] {
            assert_eq!(add(&mut logs, number, bytes, BOUNDS), Some(0));
        }
        let copied = logs.copy(10);
        let lengths: Vec<usize> = copied.iter().map(|(_, log)| log.len()).collect();
        assert_eq!(lengths, [10, 50_000, 10, CHUNK_BYTES_MAX]);
    }

    #[test]
    fn the_oldest_go_when_the_bytes_do_not_suffice() {
        let mut logs = Logs::default();
        for number in 0..5 {
            add(&mut logs, number, 30_000, BOUNDS).unwrap();
            assert!(logs.chunk_bytes <= BOUNDS.bytes);
        }
        assert_eq!(numbers(&logs.copy(10)), [2, 3, 4]);
        let held = logs.bytes();
        assert_eq!(add(&mut logs, 9, 100_000, BOUNDS), None);
        assert_eq!(
            (numbers(&logs.copy(10)), logs.bytes()),
            (vec![2, 3, 4], held)
        );
    }

    #[test]
    fn memory_is_used_again() {
        let mut logs = Logs::default();
        for _ in 0..100 {
            add(&mut logs, 1, 300, BOUNDS).unwrap();
        }
        let held = logs.bytes();
        for _ in 0..1000 {
            add(&mut logs, 1, 300, BOUNDS).unwrap();
            assert!(logs.bytes() <= held + CHUNK_BYTES_MAX + ALLOCATION_BYTES);
        }
    }
}
