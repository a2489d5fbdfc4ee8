//! Apps with container metrics by the hash of their id, and in the order in which they were last
//! heard of.

use crate::recent::metrics::{ALLOCATION_BYTES, Metrics};
use hydrant_engine::clock::UnixNanos;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// An app that goes on talking moves in the order once in this time: that keeps the order exact
/// enough, and costs next to nothing.
const HEARD_NANOS: u64 = 1_000_000_000;

/// What is held of an app, or of several whose ids have the same hash.
#[derive(Debug)]
pub(super) struct App {
    pub(super) metrics: Metrics,
    /// When it was last put at the end of the order.
    heard: UnixNanos,
    /// Its neighbours in the order.
    before: Option<u64>,
    after: Option<u64>,
}

impl App {
    fn new(heard: UnixNanos) -> Self {
        Self {
            metrics: Metrics::default(),
            heard,
            before: None,
            after: None,
        }
    }

    /// Whether it stands in the order where it would be put now. A clock that was set back counts
    /// as one that went on.
    #[inline]
    pub(super) const fn is_heard(&self, now: UnixNanos) -> bool {
        self.heard.0.abs_diff(now.0) < HEARD_NANOS
    }

    /// All memory of it, in bytes, its place in the table apart.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + ALLOCATION_BYTES + self.metrics.bytes()
    }
}

/// Whether a moment is at least so many nanoseconds ago.
pub(super) fn is_long_ago(then: UnixNanos, now: UnixNanos, nanos: u64) -> bool {
    now.since(then) >= nanos
}

/// All apps.
///
/// **Invariant: from `quietest` by `after` to `latest`, each app is met once; from there by
/// `before` likewise.**
#[derive(Debug, Default)]
pub(super) struct Apps {
    /// Boxed, so that the table moves little when it grows.
    table: HashMap<u64, Box<App>, Keyed>,
    quietest: Option<u64>,
    latest: Option<u64>,
}

impl Apps {
    /// How many apps are such, by the hash of their id.
    pub(super) fn count(&self, is_such: impl Fn(u64) -> bool) -> usize {
        self.table.keys().filter(|hash| is_such(**hash)).count()
    }

    /// Memory of the table, in bytes: eight places for seven apps at most, each with a byte beside.
    pub(super) fn table_bytes(&self) -> usize {
        self.table.capacity() * 8 / 7 * (size_of::<(u64, Box<App>)>() + 1)
    }

    pub(super) fn get(&self, hash: u64) -> Option<&App> {
        self.table.get(&hash).map(AsRef::as_ref)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, hash: u64) -> Option<&mut App> {
        self.table.get_mut(&hash).map(AsMut::as_mut)
    }

    /// Adds an app that is not there; it is the latest.
    pub(super) fn insert(&mut self, hash: u64, now: UnixNanos) {
        self.table.insert(hash, Box::new(App::new(now)));
        self.link(hash);
    }

    /// Removes an app.
    pub(super) fn remove(&mut self, hash: u64) -> Option<Box<App>> {
        self.unlink(hash);
        self.table.remove(&hash)
    }

    /// Makes an app the latest.
    pub(super) fn hear(&mut self, hash: u64, now: UnixNanos) {
        self.unlink(hash);
        self.link(hash);
        if let Some(app) = self.get_mut(hash) {
            app.heard = now;
        }
    }

    /// Whether an app is not here, or has not been heard of for so long.
    pub(super) fn is_quiet(&self, hash: u64, now: UnixNanos, nanos: u64) -> bool {
        self.get(hash)
            .is_none_or(|app| is_long_ago(app.heard, now, nanos))
    }

    /// The app that has been quiet longest, leaving out one.
    pub(super) fn quietest_but(&self, kept: u64) -> Option<u64> {
        match self.quietest? {
            hash if hash == kept => self.get(hash)?.after,
            hash => Some(hash),
        }
    }

    /// The app that has been quiet longest, if that is for so long.
    pub(super) fn quiet_for(&self, now: UnixNanos, nanos: u64) -> Option<u64> {
        self.quietest
            .filter(|hash| self.is_quiet(*hash, now, nanos))
    }

    fn link(&mut self, hash: u64) {
        let before = self.latest.replace(hash);
        if let Some(app) = self.get_mut(hash) {
            (app.before, app.after) = (before, None);
        }
        self.set_after(before, Some(hash));
    }

    fn unlink(&mut self, hash: u64) {
        let Some(app) = self.get(hash) else { return };
        let (before, after) = (app.before, app.after);
        self.set_after(before, after);
        match after.and_then(|hash| self.get_mut(hash)) {
            Some(app) => app.before = before,
            None => self.latest = before,
        }
    }

    fn set_after(&mut self, before: Option<u64>, after: Option<u64>) {
        match before.and_then(|hash| self.get_mut(hash)) {
            Some(app) => app.after = after,
            None => self.quietest = after,
        }
    }

    /// Every app's hash, the quietest first, having looked at the order from both its ends.
    #[cfg(test)]
    pub(super) fn in_order(&self) -> Vec<u64> {
        let walk = |start: Option<u64>, next: fn(&App) -> Option<u64>| {
            std::iter::successors(start, move |hash| next(self.get(*hash)?))
                .take(self.table.len() + 1)
                .collect::<Vec<_>>()
        };
        let forward = walk(self.quietest, |app| app.after);
        let mut backward = walk(self.latest, |app| app.before);
        backward.reverse();
        assert_eq!(forward, backward);
        assert_eq!(forward.len(), self.table.len());
        forward
    }
}

/// Multiplies hashes of ids by a secret odd number: ids come from outside, and could be chosen so
/// that their hashes meet in one place of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keyed(u64);

impl Default for Keyed {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0) | 1)
    }
}

impl BuildHasher for Keyed {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for Keyed {
    fn write(&mut self, bytes: &[u8]) {
        bytes
            .iter()
            .for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the low half, into which the high one has been folded, is meant"
    )]
    #[inline]
    fn write_u64(&mut self, hash: u64) {
        let product = u128::from(hash) * u128::from(self.0);
        self.0 = (product ^ (product >> u64::BITS)) as u64;
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_order_is_that_of_hearing() {
        let mut apps = Apps::default();
        for hash in [3, 1, 2] {
            apps.insert(hash, UnixNanos(10));
        }
        assert_eq!(apps.in_order(), [3, 1, 2]);
        for (hash, order) in [(1, [3, 2, 1]), (3, [2, 1, 3]), (3, [2, 1, 3])] {
            apps.hear(hash, UnixNanos(20));
            assert_eq!(apps.in_order(), order);
        }
        assert_eq!(apps.quietest_but(2), Some(1));
        assert_eq!(apps.quietest_but(1), Some(2));
        assert_eq!(apps.quiet_for(UnixNanos(19), 10), None);
        assert_eq!(apps.quiet_for(UnixNanos(20), 10), Some(2));
    }

    #[test]
    fn who_leaves_leaves_no_gap() {
        for leaver in [1, 2, 3] {
            let mut apps = Apps::default();
            (1..=3).for_each(|hash| apps.insert(hash, UnixNanos(0)));
            assert!(apps.remove(leaver).is_some());
            let left: Vec<u64> = [1, 2, 3]
                .into_iter()
                .filter(|hash| *hash != leaver)
                .collect();
            assert_eq!(apps.in_order(), left);
            assert!(apps.remove(leaver).is_none());
            left.iter().for_each(|hash| drop(apps.remove(*hash)));
            assert!(apps.in_order().is_empty());
            assert_eq!(apps.quietest_but(leaver), None);
        }
    }

    #[test]
    fn the_table_is_counted_with_all_its_places() {
        let mut apps = Apps::default();
        assert_eq!(apps.table_bytes(), 0);
        for hash in 0..1_000 {
            apps.insert(hash, UnixNanos(0));
        }
        // A power of two that holds a thousand in seven of eight places.
        assert_eq!(apps.table_bytes(), 2048 * 17);
    }

    #[test]
    fn ids_chosen_for_their_hashes_do_not_meet() {
        let keyed = Keyed::default();
        for shift in [0, 16, 32, 48] {
            let place = |number: u64| keyed.hash_one(number << shift) % 65_536;
            let places: HashSet<u64> = (0..10_000).map(place).collect();
            // Chance would find some 9,300; as they are they would meet in one.
            assert!(places.len() > 1_000, "{shift}: {}", places.len());
        }
    }
}
