//! Who shares a stream, known to every worker of a frontend: each decides alone, and all decide the
//! same.
//!
//! A change takes effect at a time. Records carry the time at which they came in, so which members
//! a record is split over follows from the record, and no worker has to wait for another: in the
//! moment of a change, too, each record goes to exactly one member.

use crate::group;
use arc_swap::ArcSwap;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::lanes::Place;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A member, by a number of its own.
pub type MemberNumber = u64;

/// A change counts so much later at the earliest: the other workers have seen it long before, and
/// nobody notices.
const DELAY_NANOS: u64 = 1_000_000;
/// Changes count from a multiple of this on, so that many at once make one membership: with
/// [`KEPT_NANOS`] it bounds how many there are, however often readers come and go.
const TICK_NANOS: u64 = 2_000_000;
/// Memberships that are over are kept so long, for records that waited in a lane meanwhile.
const KEPT_NANOS: u64 = 5_000_000_000;

/// The memberships of all groups, by what makes a group one.
#[derive(Debug)]
pub struct Memberships<K> {
    groups: Mutex<HashMap<K, Arc<Membership>>>,
    last: AtomicU64,
}

impl<K> Default for Memberships<K> {
    fn default() -> Self {
        Self {
            groups: Mutex::default(),
            last: AtomicU64::new(0),
        }
    }
}

impl<K: Hash + Eq + Clone> Memberships<K> {
    /// A number that no other member has.
    pub fn number(&self) -> MemberNumber {
        self.last.fetch_add(1, Ordering::Relaxed)
    }

    /// Adds a member to a group; gives the group's membership, which follows all later changes.
    pub fn join(
        &self,
        group: &K,
        number: MemberNumber,
        name: &str,
        now: UnixNanos,
    ) -> Arc<Membership> {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let membership = groups.entry(group.clone()).or_default().clone();
        membership.change(now, |members| {
            members.push(Member {
                name: name.into(),
                number,
            });
        });
        membership
    }

    /// Takes a member out of a group.
    pub fn leave(&self, group: &K, number: MemberNumber, now: UnixNanos) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(membership) = groups.get(group) else {
            return;
        };
        membership.change(now, |members| {
            members.retain(|member| member.number != number);
        });
        if membership.is_empty() {
            groups.remove(group);
        }
    }
}

/// The members of one group over time.
#[derive(Debug, Default)]
pub struct Membership {
    /// In the order of their time.
    versions: ArcSwap<Vec<Arc<Version>>>,
}

#[derive(Debug)]
struct Version {
    from: UnixNanos,
    /// In the order of their names, then of their numbers.
    members: Vec<Member>,
    is_deterministic: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    name: Arc<str>,
    number: MemberNumber,
}

impl Membership {
    /// The member that gets a record. `name_hash` is asked only if a member has a deterministic
    /// name; records without one, and groups without named members, are split by place.
    pub fn taker(
        &self,
        place: Place,
        received: UnixNanos,
        name_hash: impl FnOnce() -> Option<u64>,
    ) -> Option<MemberNumber> {
        let versions = self.versions.load();
        let after = versions.partition_point(|version| version.from <= received);
        // A record from before the first membership goes to it all the same.
        let version = versions.get(after.saturating_sub(1))?;
        let count = version.members.len();
        if count == 0 {
            return None;
        }
        let hash = if version.is_deterministic {
            name_hash()
        } else {
            None
        };
        let index = match hash {
            Some(hash) => usize::try_from(hash % count as u64).unwrap_or(0),
            None => group::member(place, count),
        };
        Some(version.members[index].number)
    }

    fn is_empty(&self) -> bool {
        self.versions
            .load()
            .last()
            .is_none_or(|version| version.members.is_empty())
    }

    fn change(&self, now: UnixNanos, change: impl FnOnce(&mut Vec<Member>)) {
        let mut versions = Vec::clone(&self.versions.load());
        let last = versions.last();
        let mut members = last.map_or_else(Vec::new, |last| last.members.clone());
        change(&mut members);
        members.sort_unstable();
        let from = match last {
            None => now, // Nobody else can take it meanwhile.
            Some(_) => next_tick(now),
        };
        // What counts at the same time is one change; what would count later was made before the
        // clock was set back.
        versions.truncate(versions.partition_point(|version| version.from < from));
        let is_over = |at: usize| {
            let next: Option<&Arc<Version>> = versions.get(at + 1);
            next.is_some_and(|next| now.since(next.from) > KEPT_NANOS)
        };
        let over = (0..versions.len()).take_while(|at| is_over(*at)).count();
        versions.drain(..over);
        versions.push(Arc::new(Version {
            from,
            is_deterministic: members.iter().any(|member| !member.name.is_empty()),
            members,
        }));
        self.versions.store(Arc::new(versions));
    }
}

fn next_tick(now: UnixNanos) -> UnixNanos {
    let earliest = now.0.saturating_add(DELAY_NANOS);
    let tick = earliest.checked_next_multiple_of(TICK_NANOS);
    UnixNanos(tick.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn place(sequence: u64) -> Place {
        Place { shard: 0, sequence }
    }

    fn at(seconds: u64) -> UnixNanos {
        UnixNanos(seconds * SECOND)
    }

    #[test]
    fn a_change_counts_for_what_comes_in_later() {
        let groups = Memberships::default();
        let membership = groups.join(&"g", 1, "", at(10));
        let takers = |received| {
            let mut takers: Vec<_> = (0..100)
                .filter_map(|sequence| membership.taker(place(sequence), received, || None))
                .collect();
            takers.sort_unstable();
            takers.dedup();
            takers
        };
        assert_eq!(takers(at(9)), [1]);
        assert_eq!(takers(at(10)), [1]);
        groups.join(&"g", 2, "", at(20));
        assert_eq!(takers(at(20)), [1]);
        assert_eq!(takers(at(21)), [1, 2]);
        groups.leave(&"g", 1, at(30));
        assert_eq!(takers(at(30)), [1, 2]);
        assert_eq!(takers(at(31)), [2]);
        groups.leave(&"g", 2, at(40));
        assert_eq!(takers(at(41)), []);
        assert!(groups.groups.lock().unwrap().is_empty());
    }

    #[test]
    fn a_name_makes_the_whole_group_deterministic() {
        let groups = Memberships::default();
        groups.join(&0, 1, "b", at(1));
        groups.join(&0, 2, "a", at(1));
        let membership = groups.join(&0, 3, "", at(1));
        let taker = |hash| membership.taker(place(7), at(2), || Some(hash));
        assert_eq!(
            [taker(0), taker(1), taker(2), taker(3)],
            [Some(3), Some(2), Some(1), Some(3)]
        );
        assert!(membership.taker(place(7), at(2), || None).is_some());
    }

    #[test]
    fn many_changes_at_once_are_one_and_old_ones_go() {
        let groups = Memberships::default();
        let membership = groups.join(&0, 0, "", at(0));
        for number in 1..20_000 {
            let now = UnixNanos(number * 1_000_000);
            groups.join(&0, number, "", now);
            groups.leave(&0, number, now);
        }
        let kept = membership.versions.load().len() as u64;
        assert!(kept <= KEPT_NANOS / TICK_NANOS + 3, "{kept}");
    }

    #[test]
    fn a_clock_that_is_set_back_delays_nothing() {
        let groups = Memberships::default();
        let membership = groups.join(&0, 1, "", at(1000));
        groups.join(&0, 2, "", at(1001));
        groups.leave(&0, 1, at(10));
        assert_eq!(membership.taker(place(0), at(11), || None), Some(2));
        assert_eq!(membership.taker(place(0), at(2000), || None), Some(2));
    }
}
