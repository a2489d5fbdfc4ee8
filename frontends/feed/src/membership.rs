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
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A member, by a number of its own.
pub type MemberNumber = u64;

/// A change counts so much later at the earliest: the other workers have seen it long before, and
/// nobody notices.
const DELAY_NANOS: u64 = 1_000_000;
/// Changes count from a multiple of this on, so that many at once make one membership: with
/// [`KEPT`] it bounds how many there are, however often readers come and go.
const TICK_NANOS: u64 = 2_000_000;
/// Memberships that are over are kept so long, for records that waited in a lane meanwhile; by
/// a clock that nobody sets, because records of one that is set back look older than they are.
const KEPT: Duration = Duration::from_secs(5);

/// A time by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// By the clock that records are dated with.
    pub unix: UnixNanos,
    /// By the clock that nobody sets.
    pub steady: Instant,
}

impl Moment {
    /// This one.
    pub fn now() -> Self {
        Self {
            unix: UnixNanos::now(),
            steady: Instant::now(),
        }
    }
}

/// The memberships of all groups, by what makes a group one.
#[derive(Debug)]
pub struct Memberships<K> {
    groups: Mutex<Groups<K>>,
    last: AtomicU64,
}

#[derive(Debug)]
struct Groups<K> {
    memberships: HashMap<K, Arc<Membership>>,
    /// Those with more than one version, each once, and since when.
    changed: VecDeque<(Instant, Arc<Membership>)>,
}

impl<K> Default for Memberships<K> {
    fn default() -> Self {
        Self {
            groups: Mutex::new(Groups {
                memberships: HashMap::new(),
                changed: VecDeque::new(),
            }),
            last: AtomicU64::new(0),
        }
    }
}
impl<K: Hash + Eq + Clone> Memberships<K> {
    /// A number that no other member has.
    pub fn number(&self) -> MemberNumber {
        self.last.fetch_add(1, Relaxed)
    }

    /// Adds a member to a group; gives the group's membership, which follows all later changes.
    /// A member that is added twice gets twice as much.
    pub fn join(
        &self,
        group: &K,
        number: MemberNumber,
        name: &str,
        now: Moment,
    ) -> Arc<Membership> {
        let mut groups = self.groups();
        let membership = groups.memberships.entry(group.clone()).or_default().clone();
        membership.change(now, |members| {
            members.push(Member {
                name: name.into(),
                number,
            });
        });
        groups.note_change(&membership, now);
        membership
    }

    /// Takes a member out of a group, however often it is in it. If there are others, gives the
    /// time from which on they get what would have been its records: what came in before is still
    /// the member's.
    pub fn leave(&self, group: &K, number: MemberNumber, now: Moment) -> Option<UnixNanos> {
        let mut groups = self.groups();
        let membership = groups.memberships.get(group)?.clone();
        let from = membership.change(now, |members| {
            members.retain(|member| member.number != number);
        });
        if membership.is_empty() {
            groups.memberships.remove(group);
            return None;
        }
        groups.note_change(&membership, now);
        Some(from)
    }

    /// Forgets memberships that have been over for five seconds, ten at most. Gives the time at
    /// which it should be called again, if there are more: to be asked after each change, too.
    pub fn forget(&self, now: Instant) -> Option<Instant> {
        let mut groups = self.groups();
        while let Some((since, membership)) = groups.changed.front() {
            if now.saturating_duration_since(*since) <= KEPT {
                return since.checked_add(KEPT);
            }
            membership.is_noted.store(false, Relaxed);
            if membership.forget(now) > 1 {
                let membership = membership.clone();
                let changed = &mut groups.changed;
                membership.is_noted.store(true, Relaxed);
                changed.push_back((now, membership));
            }
            groups.changed.pop_front();
        }
        None
    }

    fn groups(&self) -> MutexGuard<'_, Groups<K>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Groups<K> {
    fn note_change(&mut self, membership: &Arc<Membership>, now: Moment) {
        let is_one = membership.versions.load().len() == 1;
        if !is_one && !membership.is_noted.swap(true, Relaxed) {
            self.changed.push_back((now.steady, membership.clone()));
        }
    }
}

/// The members of one group over time.
#[derive(Debug, Default)]
pub struct Membership {
    /// In the order of their time.
    versions: ArcSwap<Vec<Arc<Version>>>,
    /// Whether it is among those that changed.
    is_noted: AtomicBool,
}

#[derive(Debug)]
struct Version {
    from: UnixNanos,
    made: Instant,
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

    /// Gives the time from which on the change counts.
    fn change(&self, now: Moment, change: impl FnOnce(&mut Vec<Member>)) -> UnixNanos {
        let mut versions = Vec::clone(&self.versions.load());
        let last = versions.last();
        let mut members = last.map_or_else(Vec::new, |last| last.members.clone());
        change(&mut members);
        members.sort_unstable();
        let from = match last {
            None => now.unix, // Nobody else can take it meanwhile.
            Some(_) => next_tick(now.unix),
        };
        // What counts at the same time is one change; what would count later was made before the
        // clock was set back.
        versions.truncate(versions.partition_point(|version| version.from < from));
        versions.push(Arc::new(Version {
            from,
            made: now.steady,
            is_deterministic: members.iter().any(|member| !member.name.is_empty()),
            members,
        }));
        drop_over(&mut versions, now.steady);
        self.versions.store(Arc::new(versions));
        from
    }

    /// How many versions there are then.
    fn forget(&self, now: Instant) -> usize {
        let mut versions = Vec::clone(&self.versions.load());
        drop_over(&mut versions, now);
        let count = versions.len();
        self.versions.store(Arc::new(versions));
        count
    }
}

fn drop_over(versions: &mut Vec<Arc<Version>>, now: Instant) {
    let is_over = |next: &&Arc<Version>| now.saturating_duration_since(next.made) > KEPT;
    let over = versions.iter().skip(1).take_while(is_over).count();
    versions.drain(..over);
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

    /// The times of a test, whose clock can be set.
    struct Clock(Instant);

    impl Clock {
        fn new() -> Self {
            Self(Instant::now())
        }

        fn at(&self, seconds: u64) -> Moment {
            self.shows(at(seconds), seconds)
        }

        /// So many seconds after the beginning.
        fn shows(&self, unix: UnixNanos, seconds: u64) -> Moment {
            Moment {
                unix,
                steady: self.0 + Duration::from_secs(seconds),
            }
        }
    }

    #[test]
    fn a_change_counts_for_what_comes_in_later() {
        let (groups, clock) = (Memberships::default(), Clock::new());
        let membership = groups.join(&"g", 1, "", clock.at(10));
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
        groups.join(&"g", 2, "", clock.at(20));
        assert_eq!(takers(at(20)), [1]);
        assert_eq!(takers(at(21)), [1, 2]);
        let from = groups.leave(&"g", 1, clock.at(30)).unwrap();
        assert_eq!(takers(UnixNanos(from.0 - 1)), [1, 2]);
        assert_eq!(takers(from), [2]);
        assert!(from > at(30) && from < at(31));
        assert_eq!(groups.leave(&"g", 2, clock.at(40)), None);
        assert_eq!(takers(at(41)), []);
        assert!(groups.groups().memberships.is_empty());
    }

    #[test]
    fn a_name_makes_the_whole_group_deterministic() {
        let (groups, clock) = (Memberships::default(), Clock::new());
        groups.join(&0, 1, "b", clock.at(1));
        groups.join(&0, 2, "a", clock.at(1));
        let membership = groups.join(&0, 3, "", clock.at(1));
        let taker = |hash| membership.taker(place(7), at(2), || Some(hash));
        assert_eq!(
            [taker(0), taker(1), taker(2), taker(3)],
            [Some(3), Some(2), Some(1), Some(3)]
        );
        assert!(membership.taker(place(7), at(2), || None).is_some());
    }

    #[test]
    fn who_joins_twice_gets_twice_as_much_and_leaves_once() {
        let (groups, clock) = (Memberships::default(), Clock::new());
        let membership = groups.join(&0, 1, "", clock.at(1));
        groups.join(&0, 2, "", clock.at(1));
        groups.join(&0, 2, "", clock.at(1));
        let taker = |sequence| membership.taker(place(sequence), at(2), || None);
        let second = (0..3_000).filter(|sequence| taker(*sequence) == Some(2));
        assert!(second.count().abs_diff(2_000) < 200);
        groups.leave(&0, 2, clock.at(3));
        assert_eq!(membership.taker(place(0), at(4), || None), Some(1));
    }

    #[test]
    fn many_changes_at_once_are_one_and_old_ones_go() {
        let (groups, clock) = (Memberships::default(), Clock::new());
        let membership = groups.join(&0, 0, "", clock.at(0));
        for number in 1..20_000 {
            let nanos = number * 1_000_000;
            let now = Moment {
                unix: UnixNanos(nanos),
                steady: clock.0 + Duration::from_nanos(nanos),
            };
            groups.join(&0, number, "", now);
            groups.leave(&0, number, now);
        }
        let kept = membership.versions.load().len() as u128;
        assert!(
            kept <= KEPT.as_nanos() / u128::from(TICK_NANOS) + 3,
            "{kept}"
        );
        assert_eq!(groups.groups().changed.len(), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_delays_nothing() {
        let (groups, clock) = (Memberships::default(), Clock::new());
        let membership = groups.join(&0, 1, "", clock.at(1000));
        groups.join(&0, 2, "", clock.at(1001));
        groups.leave(&0, 1, clock.shows(at(10), 1002));
        assert_eq!(membership.taker(place(0), at(11), || None), Some(2));
        assert_eq!(membership.taker(place(0), at(2000), || None), Some(2));
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_bring_back_who_has_left() {
        let (groups, clock) = (Memberships::default(), Clock::new());
        let membership = groups.join(&0, 1, "", clock.at(1000));
        groups.join(&0, 2, "", clock.at(1001));
        groups.leave(&0, 1, clock.at(1002));
        let taker = || membership.taker(place(0), at(10), || None);
        assert_eq!(taker(), Some(1), "so it may have waited in a lane");
        let due = groups.forget(clock.at(1003).steady).unwrap();
        assert_eq!(taker(), Some(1));
        let due = groups.forget(due + Duration::from_secs(1)).unwrap();
        assert_eq!(groups.forget(due + Duration::from_secs(1)), None);
        assert_eq!(taker(), Some(2));
        assert_eq!(membership.versions.load().len(), 1);
    }
}
