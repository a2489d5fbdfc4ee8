//! What counters stand at, for those who say only how much they have grown.
//!
//! Bounded by halves: new and used ones are in the young half; when that is full, the old half is
//! forgotten, and the young one is the old one from then on. So what is used stays, however many
//! others come by once.

use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::mem;

/// What tells counters apart: a digest, so that it takes the same memory whatever the tags are, and
/// nobody can choose tags that make one counter of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CounterId([u8; 32]);

impl CounterId {
    /// The id made of these parts, in this order.
    pub(crate) fn of(parts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            let part = part.as_ref();
            digest.update((part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        Self(digest.finalize().into())
    }
}

/// The totals.
#[derive(Debug)]
pub(crate) struct Totals {
    young: HashMap<CounterId, u64>,
    old: HashMap<CounterId, u64>,
    half: usize,
    forgotten: u64,
}

impl Totals {
    /// None, of at most `most`, which is at least 2.
    pub(crate) fn up_to(most: usize) -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            half: most / 2,
            forgotten: 0,
        }
    }

    /// The counter stands at `total`.
    pub(crate) fn set(&mut self, id: CounterId, total: u64) {
        self.old.remove(&id);
        if self.young.len() >= self.half && !self.young.contains_key(&id) {
            self.forgotten += self.old.len() as u64;
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(id, total);
    }

    /// The counter has grown by `delta`; gives what it stands at.
    pub(crate) fn add(&mut self, id: CounterId, delta: u64) -> u64 {
        let before = self.young.get(&id).or_else(|| self.old.get(&id));
        let total = before.copied().unwrap_or(0).wrapping_add(delta);
        self.set(id, total);
        total
    }

    /// How many counters were forgotten: the next delta of one is its total.
    pub(crate) const fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> CounterId {
        CounterId::of([number.to_string().as_str()])
    }

    #[test]
    fn parts_are_told_apart() {
        let ids = [
            CounterId::of(["ab", "c"]),
            CounterId::of(["a", "bc"]),
            CounterId::of(["abc"]),
            CounterId::of(["ab", "c", ""]),
        ];
        for (index, id) in ids.iter().enumerate() {
            assert!(!ids[..index].contains(id));
        }
        assert_eq!(CounterId::of(["ab", "c"]), ids[0]);
    }

    #[test]
    fn deltas_add_up_and_totals_count() {
        let mut totals = Totals::up_to(10);
        assert_eq!(totals.add(id(1), 5), 5);
        assert_eq!(totals.add(id(1), 7), 12);
        totals.set(id(1), 100);
        assert_eq!(totals.add(id(1), 1), 101);
        assert_eq!(totals.add(id(2), 1), 1);
        assert_eq!(totals.add(id(2), u64::MAX), 0, "as Go adds");
    }

    #[test]
    fn what_is_used_stays_and_the_rest_is_bounded_and_counted() {
        let mut totals = Totals::up_to(100);
        for number in 1..=10_000 {
            assert_eq!(totals.add(id(0), 1), number as u64);
            totals.add(id(number), 1);
            assert!(totals.young.len() + totals.old.len() <= 100);
        }
        let kept = totals.young.len() + totals.old.len();
        assert_eq!(totals.forgotten(), 10_001 - kept as u64);
        assert_eq!(totals.add(id(1), 1), 1, "begins anew");
    }
}
