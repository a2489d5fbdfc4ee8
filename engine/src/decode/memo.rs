//! Hashes of sources seen before.
//!
//! A source sends again and again, and to compare 36 bytes is cheaper than to hash them: xxh64 is a
//! chain of multiplications that nothing can be done beside. A memo, not a promise: what it does not
//! know is hashed.

use super::Source;
use crate::record::source_hash;

/// Places; each source has one, which it may lose to another.
const PLACES: usize = 1024;
const PLACE_BITS: u32 = PLACES.ilog2();
/// The longest id that is remembered, in bytes. An app's guid has 36.
const TEXT_BYTES_MAX: usize = 48;

/// Remembers hashes. Its memory is taken once.
#[derive(Debug)]
pub struct SourceMemo {
    places: Box<[Place]>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    hash: u64,
    length: usize,
    text: [u8; TEXT_BYTES_MAX],
}

impl Default for SourceMemo {
    fn default() -> Self {
        let nobody = Place {
            hash: source_hash(&[]),
            length: 0,
            text: [0; TEXT_BYTES_MAX],
        };
        Self {
            places: vec![nobody; PLACES].into(),
        }
    }
}

impl SourceMemo {
    /// The source's hash, as [`Source::hash`] gives it.
    #[inline]
    pub fn hash(&mut self, source: &Source<'_>) -> u64 {
        match source {
            Source::Text(text) => self.hash_of(text),
            Source::Uuid(_) | Source::DeploymentJob { .. } => source.hash(),
        }
    }

    #[inline]
    fn hash_of(&mut self, text: &[u8]) -> u64 {
        let Some(start) = text.first_chunk() else {
            return source_hash(text);
        };
        let place = &mut self.places[place_of(*start)];
        if place.length == text.len() && place.is(text) {
            return place.hash;
        }
        place.learn(text)
    }
}

impl Place {
    /// Whether the place's text begins with `text`, which has eight bytes or more.
    ///
    /// Word by word and the last eight bytes once more: ids are too short for a call to pay.
    #[inline(always)]
    fn is(&self, text: &[u8]) -> bool {
        let Some(own) = self.text.get(..text.len()) else {
            return false;
        };
        let (words, _) = text.as_chunks::<8>();
        let (own_words, _) = own.as_chunks::<8>();
        words.iter().zip(own_words).all(|(word, own)| word == own)
            && text.last_chunk::<8>() == own.last_chunk()
    }

    #[inline(never)]
    fn learn(&mut self, text: &[u8]) -> u64 {
        let hash = source_hash(text);
        if let Some(own) = self.text.get_mut(..text.len()) {
            own.copy_from_slice(text);
            self.length = text.len();
            self.hash = hash;
        }
        hash
    }
}

/// By the first eight bytes, which in guids are as good as random.
#[inline]
fn place_of(start: [u8; 8]) -> usize {
    let mixed = u64::from_le_bytes(start).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let place = mixed >> (u64::BITS - PLACE_BITS);
    usize::try_from(place).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_the_hash_whoever_came_before() {
        let mut memo = SourceMemo::default();
        let mut ids: Vec<String> = (0..5_000)
            .map(|number| format!("{number:08}-app"))
            .collect();
        // The same start and so the same place, other ends and lengths; shorter and longer than fits.
        ids.extend((0..60).map(|length| format!("same-start{}", "x".repeat(length))));
        ids.extend(["", "a", "short", "1234567", "12345678"].map(str::to_owned));
        for _ in 0..3 {
            for id in ids.iter().chain(ids.iter().rev()) {
                let source = Source::Text(id.as_bytes());
                assert_eq!(memo.hash(&source), source.hash(), "{id}");
                assert_eq!(memo.hash(&source), source.hash(), "{id}");
            }
        }
    }
}
