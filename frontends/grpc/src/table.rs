//! Records to sessions: who takes what.

use crate::member::Member;
use crate::request::{Selection, Subscription};
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::lanes::Place;
use hydrant_engine::record::{Kind, Record};
use hydrant_engine::route::Demand;
use hydrant_feed::membership::{Membership, Memberships};
use hydrant_feed::select_v2::name_hash;
use std::slice;
use std::sync::Arc;

/// What makes two sessions' selections one: they share what it selects if the id is not empty.
pub(crate) type GroupKey = (Selection, String);

/// All groups of a worker, and which of them to ask about a record.
#[derive(Debug)]
pub(crate) struct Table {
    groups: Vec<Group>,
    /// Groups that may take records of any source, by the record's kind.
    of_any_source: [Vec<usize>; Kind::ALL.len()],
    /// Groups that take records of one source, in the order of its hash.
    by_source: Vec<(u64, usize)>,
    /// The groups of all workers.
    memberships: Arc<Memberships<GroupKey>>,
}

/// The sessions of this worker that ask for the same.
///
/// **Invariant: a group in the table has members.**
#[derive(Debug)]
pub(crate) struct Group {
    key: GroupKey,
    members: Vec<Arc<Member>>,
    /// Of every worker's sessions, if they share.
    membership: Option<Arc<Membership>>,
}

impl Table {
    pub(crate) fn new(memberships: Arc<Memberships<GroupKey>>) -> Self {
        Self {
            groups: Vec::new(),
            of_any_source: Default::default(),
            by_source: Vec::new(),
            memberships,
        }
    }

    /// A number for a session.
    pub(crate) fn number(&self) -> u64 {
        self.memberships.number()
    }

    /// Adds a session to the groups of its selections. A selection that it has twice counts twice.
    pub(crate) fn join(&mut self, asks: &Subscription, member: &Arc<Member>, now: UnixNanos) {
        for selection in &asks.selections {
            let key = (selection.clone(), asks.group.clone());
            let membership = (!asks.group.is_empty())
                .then(|| self.memberships.join(&key, member.number, &asks.name, now));
            match self.groups.iter_mut().find(|group| group.key == key) {
                Some(group) => group.members.push(member.clone()),
                None => self.groups.push(Group {
                    key,
                    members: vec![member.clone()],
                    membership,
                }),
            }
        }
        self.index();
    }

    /// Takes a session out of its groups.
    pub(crate) fn leave(&mut self, asks: &Subscription, member: &Arc<Member>, now: UnixNanos) {
        for selection in &asks.selections {
            let key = (selection.clone(), asks.group.clone());
            if !asks.group.is_empty() {
                self.memberships.leave(&key, member.number, now);
            }
            if let Some(group) = self.groups.iter_mut().find(|group| group.key == key) {
                group.members.retain(|other| !Arc::ptr_eq(other, member));
            }
        }
        self.groups.retain(|group| !group.members.is_empty());
        self.index();
    }

    /// What all groups together need.
    pub(crate) fn demand(&self) -> Demand {
        self.groups
            .iter()
            .fold(Demand::none(), |demand, group| group.key.0.add_to(demand))
    }

    /// Adds to `found` the groups that may take the record, those of any source first.
    #[inline]
    pub(crate) fn find(&self, record: &Record<'_>, found: &mut Vec<usize>) {
        found.extend(&self.of_any_source[record.header.kind as usize]);
        if self.by_source.is_empty() {
            return;
        }
        let hash = record.header.source_hash;
        let start = self.by_source.partition_point(|(source, _)| *source < hash);
        let of_source = self.by_source[start..]
            .iter()
            .take_while(|(source, _)| *source == hash)
            .map(|(_, index)| *index);
        found.extend(of_source.filter(|index| self.groups[*index].key.0.may_select(record)));
    }

    /// A group by the index that [`find`](Self::find) gave.
    #[inline]
    pub(crate) fn group(&self, index: usize) -> &Group {
        &self.groups[index]
    }

    fn index(&mut self) {
        self.of_any_source.iter_mut().for_each(Vec::clear);
        self.by_source.clear();
        for (index, group) in self.groups.iter().enumerate() {
            let selection = &group.key.0;
            if let Some(source) = selection.source_hash() {
                self.by_source.push((source, index));
                continue;
            }
            for kind in Kind::ALL {
                if selection.selects_kind(kind) {
                    self.of_any_source[kind as usize].push(index);
                }
            }
        }
        self.by_source.sort_unstable();
    }
}

impl Group {
    /// What its members asked for.
    #[inline]
    pub(crate) const fn selection(&self) -> &Selection {
        &self.key.0
    }

    /// Which of the worker's sessions the record goes to: all, or, where sessions share, one or
    /// none, because then it is another worker's. `v2` is the record's v2 form.
    #[inline]
    pub(crate) fn takers(
        &self,
        place: Place,
        record: &Record<'_>,
        v2: Option<&[u8]>,
    ) -> &[Arc<Member>] {
        let Some(membership) = &self.membership else {
            return &self.members;
        };
        let header = &record.header;
        let hash = || name_hash(header.kind, v2?);
        let Some(number) = membership.taker(place, header.received, hash) else {
            return &[];
        };
        let is_taker = |member: &&Arc<Member>| member.number == number;
        self.members
            .iter()
            .find(is_taker)
            .map_or(&[], slice::from_ref)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Rules;
    use crate::forms::Form;
    use crate::request::Call;
    use hydrant_engine::record::{Header, SourceRule, Version, source_hash};
    use hydrant_feed::batches::{Batches, Packing};
    use hydrant_feed::outbox::Budget;
    use hydrant_feed::session::SessionState;
    use hydrant_proto::v2::{self, selector::Message as Wanted};
    use prost::Message;

    fn selector(source_id: &str, kind: Kind) -> v2::Selector {
        let message = match kind {
            Kind::Counter => Wanted::Counter(v2::CounterSelector::default()),
            Kind::Gauge => Wanted::Gauge(v2::GaugeSelector::default()),
            Kind::Timer => Wanted::Timer(v2::TimerSelector {}),
            Kind::Event => Wanted::Event(v2::EventSelector {}),
            Kind::Log | Kind::Error | Kind::Empty => Wanted::Log(v2::LogSelector {}),
        };
        v2::Selector {
            source_id: source_id.into(),
            message: Some(message),
        }
    }

    fn asks(group: &str, selectors: Vec<v2::Selector>) -> Subscription {
        let request = v2::EgressBatchRequest {
            shard_id: group.into(),
            selectors,
            ..Default::default()
        };
        let bytes = request.encode_to_vec();
        Subscription::of(&bytes, Call::BatchedReceiver, Rules::Doppler).unwrap()
    }

    fn member(table: &Table) -> Arc<Member> {
        let state = SessionState::new(String::new(), String::new());
        let batches = Batches::within(Budget::new(1 << 20), 1 << 20, Packing::Hundred);
        Arc::new(Member::new(
            Arc::new(state),
            table.number(),
            Form::Stored,
            batches,
        ))
    }

    fn header(kind: Kind, source: &str) -> Header {
        Header {
            version: Version::V2,
            kind,
            source_rule: SourceRule::DeploymentJob,
            source_hash: source_hash(source.as_bytes()),
            received: UnixNanos(5),
        }
    }

    #[test]
    fn finds_the_groups_that_asking_all_would_find() {
        let mut table = Table::new(Arc::default());
        let mut selections = Vec::new();
        for kind in [
            Kind::Log,
            Kind::Counter,
            Kind::Gauge,
            Kind::Timer,
            Kind::Event,
        ] {
            for source in ["", "x", "y"] {
                let asks = asks("", vec![selector(source, kind)]);
                selections.extend(asks.selections.clone());
                let member = member(&table);
                table.join(&asks, &member, UnixNanos(1));
            }
        }
        for kind in Kind::ALL {
            for source in ["x", "y", "q"] {
                let record = Record {
                    header: header(kind, source),
                    envelope: &[],
                };
                let mut found = Vec::new();
                table.find(&record, &mut found);
                found.sort_unstable();
                let selects = |at: &usize| selections[*at].may_select(&record);
                let asked: Vec<_> = (0..selections.len()).filter(selects).collect();
                assert_eq!(found, asked, "{kind:?} {source}");
                assert!(found.is_empty() || table.demand().wants(&record.header));
            }
        }
    }

    #[test]
    fn sessions_share_across_workers_and_only_with_the_same_selector() {
        let memberships = Arc::default();
        let mut tables = [
            Table::new(Arc::clone(&memberships)),
            Table::new(memberships),
        ];
        let logs = || vec![selector("", Kind::Log)];
        for table in &mut tables {
            let (one, other) = (member(table), member(table));
            table.join(&asks("g", logs()), &one, UnixNanos(1));
            table.join(&asks("", logs()), &other, UnixNanos(1));
        }
        let record = Record {
            header: Header {
                received: UnixNanos(u64::MAX),
                ..header(Kind::Log, "x")
            },
            envelope: &[],
        };
        let mut shared = [0; 2];
        for sequence in 0..1000 {
            let place = Place { shard: 0, sequence };
            for (at, table) in tables.iter().enumerate() {
                shared[at] += table.group(0).takers(place, &record, None).len();
                assert_eq!(table.group(1).takers(place, &record, None).len(), 1);
            }
        }
        assert_eq!(shared[0] + shared[1], 1000);
        assert!(shared[0].abs_diff(500) < 100, "{shared:?}");
    }

    #[test]
    fn a_group_ends_with_its_last_member() {
        let mut table = Table::new(Arc::default());
        let two = asks(
            "g",
            vec![selector("", Kind::Log), selector("x", Kind::Event)],
        );
        let (first, second) = (member(&table), member(&table));
        table.join(&two, &first, UnixNanos(1));
        table.join(&two, &second, UnixNanos(2));
        assert_eq!(table.groups.len(), 2);
        table.leave(&two, &first, UnixNanos(3));
        assert_eq!(table.groups.len(), 2);
        table.leave(&two, &second, UnixNanos(4));
        assert_eq!((table.groups.len(), table.demand()), (0, Demand::none()));
    }
}
