//! Records to sessions: who takes what.

use crate::member::Member;
use crate::routes::{Form, Target};
use hydrant_engine::lanes::Place;
use hydrant_engine::record::Record;
use hydrant_engine::route::Demand;
use hydrant_feed::group;
use std::slice;
use std::sync::Arc;

/// All groups, and which of them to ask about a record.
#[derive(Debug, Default)]
pub(crate) struct Table {
    groups: Vec<Group>,
    /// Groups that may take records of any source.
    of_any_source: Vec<usize>,
    /// Groups that take records of one source, in the order of its hash.
    by_source: Vec<(u64, usize)>,
}

/// Sessions with the same target, in the order in which they came.
///
/// **Invariant: a group in the table has members.**
#[derive(Debug)]
pub(crate) struct Group {
    target: Target,
    members: Vec<Arc<Member>>,
}

impl Table {
    /// Adds a session to the group of its target.
    pub(crate) fn join(&mut self, target: &Target, member: Arc<Member>) {
        match self.groups.iter_mut().find(|group| group.target == *target) {
            Some(group) => group.members.push(member),
            None => self.groups.push(Group {
                target: target.clone(),
                members: vec![member],
            }),
        }
        self.index();
    }

    /// Takes a session out of its group.
    pub(crate) fn leave(&mut self, target: &Target, member: &Arc<Member>) {
        if let Some(group) = self.groups.iter_mut().find(|group| group.target == *target) {
            group.members.retain(|other| !Arc::ptr_eq(other, member));
        }
        self.groups.retain(|group| !group.members.is_empty());
        self.index();
    }

    /// What all groups together need.
    pub(crate) fn demand(&self) -> Demand {
        self.groups.iter().fold(Demand::none(), |demand, group| {
            group.target.selector.add_to(demand)
        })
    }

    /// Every session.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Arc<Member>> {
        self.groups.iter().flat_map(|group| &group.members)
    }

    /// Adds to `found` the groups that may take the record, those of any source first.
    pub(crate) fn find(&self, record: &Record<'_>, found: &mut Vec<usize>) {
        let hash = record.header.source_hash;
        let start = self.by_source.partition_point(|(source, _)| *source < hash);
        let of_source = self.by_source[start..]
            .iter()
            .take_while(|(source, _)| *source == hash)
            .map(|(_, index)| index);
        let may_take = |index: &&usize| self.groups[**index].target.selector.may_select(record);
        found.extend(self.of_any_source.iter().chain(of_source).filter(may_take));
    }

    /// A group by the index that [`find`](Self::find) gave.
    pub(crate) fn group(&self, index: usize) -> &Group {
        &self.groups[index]
    }

    fn index(&mut self) {
        self.of_any_source.clear();
        self.by_source.clear();
        for (index, group) in self.groups.iter().enumerate() {
            match group.target.selector.source_hash() {
                Some(source) => self.by_source.push((source, index)),
                None => self.of_any_source.push(index),
            }
        }
        self.by_source.sort_unstable();
    }
}

impl Group {
    /// Whether a message of a record that it may take is really for it.
    pub(crate) fn selects(&self, message: &[u8]) -> bool {
        self.target.selector.selects(message)
    }

    /// Whom the record at this place goes to: one of a subscription's sessions, or everybody.
    pub(crate) fn takers(&self, place: Place) -> &[Arc<Member>] {
        if self.is_firehose() {
            slice::from_ref(&self.members[group::member(place, self.members.len())])
        } else {
            &self.members
        }
    }

    /// What its messages are.
    pub(crate) const fn form(&self) -> Form {
        self.target.form
    }

    /// Whether it takes much of what comes, one after the other.
    pub(crate) const fn is_firehose(&self) -> bool {
        self.target.subscription.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::Route;
    use hydrant_engine::clock::UnixNanos;
    use hydrant_engine::record::{Header, Kind, SourceRule, Version, source_hash};
    use hydrant_feed::batches::{Batches, Packing};
    use hydrant_feed::budget::Budget;
    use hydrant_feed::session::SessionState;

    const PATHS: [&str; 7] = [
        "/firehose/a",
        "/firehose/b",
        "/apps/x/stream",
        "/apps/y/stream",
        "/apps/z/stream",
        "/apps/system/stream",
        "/firehose/c",
    ];

    fn member() -> Arc<Member> {
        let state = SessionState::new(String::new(), String::new());
        let outbox = Batches::within(Budget::new(10_000), 10_000, Packing::Frames);
        Arc::new(Member::new(Arc::new(state), outbox))
    }

    fn target(path: &str) -> Target {
        let filter = path.ends_with('c').then_some("filter-type=logs");
        match Route::of(path, filter, true) {
            Route::Stream(target) => target,
            other => panic!("{other:?}"),
        }
    }

    fn header(kind: Kind, source: &str) -> Header {
        Header {
            version: Version::V1,
            kind,
            source_rule: SourceRule::Origin,
            source_hash: source_hash(source.as_bytes()),
            received: UnixNanos(0),
        }
    }

    #[test]
    fn finds_the_groups_that_asking_all_would_find() {
        let mut table = Table::default();
        for path in PATHS {
            table.join(&target(path), member());
        }
        for kind in Kind::ALL {
            for source in ["x", "y", "q", "system"] {
                let header = header(kind, source);
                let record = Record {
                    header,
                    envelope: &[],
                };
                let mut found = Vec::new();
                table.find(&record, &mut found);
                found.sort_unstable();
                let selects = |path: &str| target(path).selector.may_select(&record);
                let asked: Vec<_> = (0..PATHS.len()).filter(|at| selects(PATHS[*at])).collect();
                assert_eq!(found, asked, "{kind:?} {source}");
                assert!(found.is_empty() || table.demand().wants(&header));
            }
        }
    }

    #[test]
    fn a_group_ends_with_its_last_member() {
        let mut table = Table::default();
        let (first, second) = (member(), member());
        table.join(&target("/firehose/a"), first.clone());
        table.join(&target("/firehose/a"), second.clone());
        assert_eq!(table.groups.len(), 1);
        table.leave(&target("/firehose/a"), &first);
        assert!(Arc::ptr_eq(table.members().next().unwrap(), &second));
        table.leave(&target("/firehose/a"), &second);
        assert_eq!((table.groups.len(), table.demand()), (0, Demand::none()));
    }

    #[test]
    fn a_subscription_shares_and_an_app_stream_does_not() {
        let mut table = Table::default();
        for path in [
            "/firehose/a",
            "/firehose/a",
            "/apps/x/stream",
            "/apps/x/stream",
        ] {
            table.join(&target(path), member());
        }
        let place = Place {
            shard: 0,
            sequence: 7,
        };
        let takers: Vec<_> = (0..2)
            .map(|index| table.group(index).takers(place).len())
            .collect();
        assert_eq!(takers, [1, 2]);
    }
}
