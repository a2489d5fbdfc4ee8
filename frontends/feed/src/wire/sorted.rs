//! The entries of a protobuf map, in the order of their keys, without an allocation for each.

use std::cmp::Ordering;

/// Entries that a map may have here if they do not come in order. Insertion sort suits the few that
/// envelopes have, not the thousands that fit into a frame.
const ENTRIES_MAX: usize = 64;

/// A map whose keys are texts of an envelope. **Invariant: keys rise.**
#[derive(Debug)]
pub struct Sorted<'e, V> {
    entries: Vec<Entry<'e, V>>,
}

/// An entry with the first bytes of its key as a number, which mostly decides a comparison.
#[derive(Clone, Copy, Debug)]
struct Entry<'e, V> {
    start: u64,
    key: &'e [u8],
    value: V,
}

impl<V> Default for Sorted<'_, V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
        }
    }
}

impl<'e, V: Copy> Sorted<'e, V> {
    /// Puts an entry in; of two with the same key the later one counts. `None`: there
    /// are too many, and not in order.
    #[inline]
    pub fn insert(&mut self, key: &'e [u8], value: V) -> Option<()> {
        let start = start(key);
        let entry = Entry { start, key, value };
        let mut place = self.entries.len();
        while let Some(before) = place.checked_sub(1) {
            match entry.order(&self.entries[before]) {
                Ordering::Greater => break,
                Ordering::Equal => {
                    self.entries[before] = entry;
                    return Some(());
                }
                Ordering::Less => place = before,
            }
        }
        if place < self.entries.len() && self.entries.len() >= ENTRIES_MAX {
            return None;
        }
        self.entries.insert(place, entry);
        Some(())
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value of this key.
    pub fn get(&self, key: &[u8]) -> Option<V> {
        self.place(key).map(|place| self.entries[place].value)
    }

    /// The value, which is gone afterwards.
    pub fn take(&mut self, key: &[u8]) -> Option<V> {
        self.place(key)
            .map(|place| self.entries.remove(place).value)
    }

    #[inline]
    fn place(&self, key: &[u8]) -> Option<usize> {
        let start = start(key);
        let is_it = |entry: &Entry<'_, V>| entry.start == start && entry.key == key;
        self.entries.iter().position(is_it)
    }

    /// Keys and values in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (&'e [u8], V)> {
        self.entries.iter().map(|entry| (entry.key, entry.value))
    }

    /// Takes all entries out.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// The same memory without entries, for another envelope's.
    #[inline]
    pub fn recycle<'n, W>(mut self) -> Sorted<'n, W> {
        self.entries.clear();
        // The standard library collects into the memory that it takes from, if the types fit.
        let entries = self.entries.into_iter().map_while(|_| None).collect();
        Sorted { entries }
    }
}

impl<V> Entry<'_, V> {
    #[inline]
    fn order(&self, other: &Self) -> Ordering {
        self.start
            .cmp(&other.start)
            .then_with(|| self.key.cmp(other.key))
    }
}

/// The first eight bytes, zeros behind a shorter key: in the order of the keys, as far as it goes.
#[inline]
fn start(key: &[u8]) -> u64 {
    if let Some(first) = key.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    if let (Some(first), Some(last)) = (key.first_chunk(), key.last_chunk()) {
        // The two halves overlap in equal bits.
        let [first, last] = [first, last].map(|half| u64::from(u32::from_be_bytes(*half)));
        return first << 32 | last << (8 * (8 - key.len()));
    }
    let byte = |place| key.get(place).copied().map_or(0, u64::from);
    byte(0) << 56 | byte(1) << 48 | byte(2) << 40
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn it_is_a_map(pairs in vec((vec(prop_oneof![Just(0), 96_u8..99], 0..11), any::<u8>()), 0..64)) {
            let (mut sorted, mut model) = (Sorted::default(), BTreeMap::new());
            for (key, value) in &pairs {
                prop_assert_eq!(sorted.insert(key, *value), Some(()));
                model.insert(&key[..], *value);
            }
            for (key, _) in &pairs {
                prop_assert_eq!(sorted.get(key), model.get(&key[..]).copied());
            }
            prop_assert!(sorted.iter().eq(model.clone()));
            for (key, _) in pairs.iter().step_by(2) {
                prop_assert_eq!(sorted.take(key), model.remove(&key[..]));
            }
            prop_assert!(sorted.iter().eq(model));
        }
    }

    #[test]
    fn there_are_only_so_many() {
        let keys: Vec<_> = (0..=u8::try_from(ENTRIES_MAX).unwrap())
            .rev()
            .map(|key| [key])
            .collect();
        let mut sorted = Sorted::default();
        let inserted = keys
            .iter()
            .filter(|key| sorted.insert(&key[..], ()).is_some());
        assert_eq!(inserted.count(), ENTRIES_MAX);
        // One that is there may come again, and the last of all at any time.
        assert_eq!(sorted.insert(&keys[0], ()), Some(()));
        assert_eq!(sorted.insert(&[u8::MAX], ()), Some(()));
    }

    #[test]
    fn memory_is_used_again() {
        let mut sorted = Sorted::default();
        sorted.insert(b"key", 1_u64);
        let (memory, capacity) = (sorted.entries.as_ptr().addr(), sorted.entries.capacity());
        let again: Sorted<'_, u64> = sorted.recycle();
        assert_eq!(again.entries.as_ptr().addr(), memory);
        assert_eq!(again.entries.capacity(), capacity);
        assert_eq!(again.iter().count(), 0);
    }
}
