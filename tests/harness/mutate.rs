//! Small damage to bytes, of the kinds that wires and bugs do.

use crate::random::{Rng, pick};

/// Bytes that mean something in protobuf or in UTF-8.
const TELLING: &[u8] = &[
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x07, 0x08, 0x0a, 0x0b, 0x0c, 0x0d, 0x10, 0x12, 0x1a, 0x22,
    0x3a, 0x42, 0x4a, 0x52, 0x5a, 0x62, 0x7f, 0x80, 0x8a, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xf0, 0xf4,
    0xff,
];

/// One to three changes of `bytes`; `other` is where pieces for splices come from.
pub fn mutate(random: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..random.u32(1..=3) {
        mutate_once(random, bytes, other);
    }
}

fn mutate_once(random: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        bytes.push(*pick(random, TELLING));
        return;
    }
    let at = random.usize(0..bytes.len());
    match random.u32(0..10) {
        0 | 1 => bytes[at] ^= 1 << random.u32(0..8),
        2 => bytes.truncate(at),
        3 => bytes.insert(at, random.u8(..)),
        4 => bytes.insert(at, *pick(random, TELLING)),
        5 => bytes[at] = *pick(random, TELLING),
        // Lengths and keys that are off by a little.
        6 => bytes[at] = bytes[at].wrapping_add(*pick(random, &[1, 2, 8, 0xff, 0xfe, 0xf8])),
        7 => drop(bytes.drain(piece(random, at, bytes.len()))),
        8 => {
            let range = piece(random, at, bytes.len());
            let copy = bytes[range].to_vec();
            insert(random, bytes, &copy);
        }
        _ => splice(random, bytes, other),
    }
}

/// A range from `at` on, mostly short.
fn piece(random: &mut Rng, at: usize, length: usize) -> std::ops::Range<usize> {
    let longest = if random.bool() { 12 } else { length };
    at..length.min(at + 1 + random.usize(0..longest))
}

fn insert(random: &mut Rng, bytes: &mut Vec<u8>, piece: &[u8]) {
    let at = random.usize(0..=bytes.len());
    bytes.splice(at..at, piece.iter().copied());
}

fn splice(random: &mut Rng, bytes: &mut Vec<u8>, other: &[u8]) {
    if other.is_empty() {
        return;
    }
    let at = random.usize(0..other.len());
    let range = piece(random, at, other.len());
    insert(random, bytes, &other[range]);
}
