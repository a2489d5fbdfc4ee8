//! Records to sessions: who takes what.
//!
//! A session that comes is added to the index; one that goes only leaves its groups, and what is
//! left empty is thrown out from time to time. So the work is that of the selectors that come and
//! go.

use crate::group_key::GroupKey;
use crate::member::Member;
use crate::request::{Selection, Subscription};
use hydrant_engine::lanes::Place;
use hydrant_engine::record::{Kind, Record};
use hydrant_engine::route::Demand;
use hydrant_feed::counters::SessionCounters;
use hydrant_feed::group;
use hydrant_feed::membership::{MemberNumber, Membership, Memberships, Moment};
use hydrant_feed::select_v2::name_hash;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::mem;
use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Groups that are left empty are thrown out no more often than this, all at once.
const TIDY_PAUSE: Duration = Duration::from_secs(1);
/// So long after a session has left a group, records from before its leaving may still come: a tick
/// of the memberships, and a shard's turn, however slow the machine.
const DEPARTURE: Duration = Duration::from_secs(1);
/// And so long if lanes have been full all the time.
const DEPARTURE_MAX: Duration = Duration::from_secs(5);

/// All groups of a worker, and which of them to ask about a record.
#[derive(Debug)]
pub(crate) struct Table {
    groups: Vec<Group>,
    by_key: HashMap<GroupKey, usize>,
    /// Groups that may take records of any source, by the record's kind.
    of_any_source: [Vec<usize>; Kind::ALL.len()],
    /// Groups that take records of one source, by its hash.
    by_source: BTreeMap<u64, Vec<usize>>,
    /// What all groups together need, and perhaps something that was needed before.
    demand: Demand,
    /// The groups of all workers.
    memberships: Arc<Memberships<GroupKey>>,
    /// Sessions that have left while others stay in their groups, the first first.
    departures: VecDeque<Departure>,
    tidied: Instant,
    has_empty: bool,
    /// When to look after it next, if there is something to do.
    due: Option<Instant>,
    /// How often a group was put into the index.
    #[cfg(test)]
    indexed: usize,
}

/// The sessions of this worker that ask for the same.
#[derive(Debug)]
pub(crate) struct Group {
    key: GroupKey,
    members: Vec<Arc<Member>>,
    /// Of every worker's sessions, if they share.
    membership: Option<Arc<Membership>>,
    /// Where to count what is lost of the sessions that have left: records from before their
    /// leaving are theirs, whatever other workers have to give out.
    departed: HashMap<MemberNumber, Arc<SessionCounters>>,
}

/// Who has left which groups.
#[derive(Debug)]
struct Departure {
    at: Instant,
    number: MemberNumber,
    keys: Vec<GroupKey>,
}

/// Who gets a record, of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Takers<'g> {
    /// These; none if it is another worker's.
    Members(&'g [Arc<Member>]),
    /// A session that has left, and nobody of this worker in its place: a loss, to be counted here.
    Departed(&'g SessionCounters),
}

impl Table {
    pub(crate) fn new(memberships: Arc<Memberships<GroupKey>>, now: Instant) -> Self {
        Self {
            groups: Vec::new(),
            by_key: HashMap::new(),
            of_any_source: Default::default(),
            by_source: BTreeMap::new(),
            demand: Demand::none(),
            memberships,
            departures: VecDeque::new(),
            tidied: now,
            has_empty: false,
            due: None,
            #[cfg(test)]
            indexed: 0,
        }
    }

    /// A number for a session.
    pub(crate) fn number(&self) -> MemberNumber {
        self.memberships.number()
    }

    /// Adds a session to the groups of its selections. A selection that it has twice counts twice.
    /// Whether that changes the demand.
    pub(crate) fn join(&mut self, asks: &Subscription, member: &Arc<Member>, now: Moment) -> bool {
        let count_before = self.groups.len();
        for key in &asks.keys {
            let join = || self.memberships.join(key, member.number, &asks.name, now);
            let membership = key.is_shared().then(join);
            let index = match self.by_key.get(key) {
                Some(index) => *index,
                None => self.add(key),
            };
            let group = &mut self.groups[index];
            group.membership = membership;
            group.members.push(member.clone());
        }
        self.is_due_at(self.memberships.forget(now.steady));
        self.groups.len() > count_before
    }

    /// Takes a session out of its groups. What of theirs is still on its way goes to others of this
    /// worker, or is lost and counted in `losses`.
    pub(crate) fn leave(
        &mut self,
        keys: Vec<GroupKey>,
        number: MemberNumber,
        losses: &Arc<SessionCounters>,
        now: Moment,
    ) {
        let mut departed = Vec::new();
        for key in keys {
            let has_others = key.is_shared() && self.memberships.leave(&key, number, now).is_some();
            let Some(group) = self.by_key.get(&key).map(|index| &mut self.groups[*index]) else {
                continue; // It has not joined.
            };
            group.members.retain(|member| member.number != number);
            if has_others {
                group.departed.insert(number, losses.clone());
                departed.push(key);
            }
            self.has_empty |= group.is_empty();
        }
        if !departed.is_empty() {
            self.departures.push_back(Departure {
                at: now.steady,
                number,
                keys: departed,
            });
        }
        self.is_due_at(self.memberships.forget(now.steady));
        self.is_due_at(self.next());
    }

    /// When to [`settle`](Self::settle) next, if there is something to do.
    pub(crate) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Does what is due: sessions that have left long enough ago are forgotten, and empty groups
    /// thrown out. `is_read_up` says whether nothing waits in the lanes. Whether the demand is
    /// another one then.
    pub(crate) fn settle(&mut self, now: Instant, is_read_up: bool) -> bool {
        let wait = if is_read_up { DEPARTURE } else { DEPARTURE_MAX };
        let is_over = |departure: &Departure| now >= departure.at + wait;
        while self.departures.front().is_some_and(is_over) {
            self.forget_first();
        }
        let is_to_tidy = self.has_empty && now >= self.tidied + TIDY_PAUSE;
        if is_to_tidy {
            self.tidied = now;
            self.tidy();
        }
        self.due = None;
        self.is_due_at(self.memberships.forget(now));
        self.is_due_at(self.next());
        is_to_tidy
    }

    /// What all groups together need.
    pub(crate) const fn demand(&self) -> &Demand {
        &self.demand
    }

    /// Adds to `found` the groups that may take the record, those of any source first.
    #[inline]
    pub(crate) fn find(&self, record: &Record<'_>, found: &mut Vec<usize>) {
        found.extend(&self.of_any_source[record.header.kind as usize]);
        if self.by_source.is_empty() {
            return;
        }
        if let Some(of_source) = self.by_source.get(&record.header.source_hash) {
            let may_select = |index: &usize| self.groups[*index].selection().may_select(record);
            found.extend(of_source.iter().copied().filter(may_select));
        }
    }

    /// A group by the index that [`find`](Self::find) gave.
    #[inline]
    pub(crate) fn group(&self, index: usize) -> &Group {
        &self.groups[index]
    }

    fn add(&mut self, key: &GroupKey) -> usize {
        let index = self.groups.len();
        self.groups.push(Group {
            key: key.clone(),
            members: Vec::new(),
            membership: None,
            departed: HashMap::new(),
        });
        self.index(index);
        index
    }

    fn index(&mut self, index: usize) {
        let key = self.groups[index].key.clone();
        let selection = key.selection();
        self.demand = selection.add_to(mem::take(&mut self.demand));
        if let Some(source) = selection.source_hash() {
            self.by_source.entry(source).or_default().push(index);
        } else {
            for kind in Kind::ALL {
                if selection.selects_kind(kind) {
                    self.of_any_source[kind as usize].push(index);
                }
            }
        }
        self.by_key.insert(key, index);
        #[cfg(test)]
        {
            self.indexed += 1;
        }
    }

    fn forget_first(&mut self) {
        let Some(departure) = self.departures.pop_front() else {
            return;
        };
        for key in &departure.keys {
            if let Some(index) = self.by_key.get(key) {
                let group = &mut self.groups[*index];
                group.departed.remove(&departure.number);
                self.has_empty |= group.is_empty();
            }
        }
    }

    fn tidy(&mut self) {
        self.has_empty = false;
        self.groups.retain(|group| !group.is_empty());
        self.of_any_source.iter_mut().for_each(Vec::clear);
        self.by_source.clear();
        self.by_key.clear();
        self.demand = Demand::none();
        for index in 0..self.groups.len() {
            self.index(index);
        }
    }

    /// When the first departure is over, or empty groups may be thrown out.
    fn next(&self) -> Option<Instant> {
        let departure = self.departures.front().map(|first| first.at + DEPARTURE);
        let tidy = self.has_empty.then(|| self.tidied + TIDY_PAUSE);
        departure.into_iter().chain(tidy).min()
    }

    fn is_due_at(&mut self, next: Option<Instant>) {
        self.due = self.due.into_iter().chain(next).min();
    }
}

impl Group {
    /// What its members asked for.
    #[inline]
    pub(crate) fn selection(&self) -> &Selection {
        self.key.selection()
    }

    /// Which of the worker's sessions the record goes to: all, or, where sessions share, one or
    /// none, because then it is another worker's. `v2` is the record's v2 form.
    #[inline]
    pub(crate) fn takers(
        &self,
        place: Place,
        record: &Record<'_>,
        v2: Option<&[u8]>,
    ) -> Takers<'_> {
        let Some(membership) = &self.membership else {
            return Takers::Members(&self.members);
        };
        let header = &record.header;
        let hash = || name_hash(header.kind, v2?);
        let Some(number) = membership.taker(place, header.received, hash) else {
            return Takers::Members(&[]);
        };
        let is_taker = |member: &&Arc<Member>| member.number == number;
        match self.members.iter().find(is_taker) {
            Some(member) => Takers::Members(slice::from_ref(member)),
            None if self.departed.is_empty() => Takers::Members(&[]),
            None => self.in_place_of(number, place),
        }
    }

    #[cold]
    fn in_place_of(&self, number: MemberNumber, place: Place) -> Takers<'_> {
        let (departed, members) = (self.departed.get(&number), &self.members);
        match departed {
            None => Takers::Members(&[]),
            Some(losses) if members.is_empty() => Takers::Departed(losses),
            Some(_) => {
                let member = &members[group::member(place, members.len())];
                Takers::Members(slice::from_ref(member))
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.members.is_empty() && self.departed.is_empty()
    }
}

#[cfg(test)]
mod tests;
