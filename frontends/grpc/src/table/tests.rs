//! Who takes what, as sessions come and go.

use super::*;
use crate::config::Rules;
use crate::forms::Form;
use crate::request::Call;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::record::{Header, SourceRule, Version, source_hash};
use hydrant_feed::batches::{Batches, Packing};
use hydrant_feed::budget::Budget;
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

/// So many milliseconds after the beginning, which is a second after 1970.
fn after(beginning: Instant, millis: u64) -> Moment {
    Moment {
        unix: UnixNanos((1000 + millis) * 1_000_000),
        steady: beginning + Duration::from_millis(millis),
    }
}

fn record(kind: Kind, source: &str, received: UnixNanos) -> Record<'static> {
    let header = Header {
        received,
        ..header(kind, source)
    };
    Record {
        header,
        envelope: &[],
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

fn logs() -> Vec<v2::Selector> {
    vec![selector("", Kind::Log)]
}

fn count(takers: Takers<'_>) -> usize {
    match takers {
        Takers::Members(members) => members.len(),
        Takers::Departed(_) => 0,
    }
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
    let now = Moment::now();
    let mut table = Table::new(Arc::default(), now.steady);
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
            let member = member(&table);
            assert!(table.join(&asks, &member, now));
            assert!(!table.join(&asks, &member, now), "nothing new is demanded");
            selections.extend(asks.keys);
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
            let selects = |at: &usize| selections[*at].selection().may_select(&record);
            let asked: Vec<_> = (0..selections.len()).filter(selects).collect();
            assert_eq!(found, asked, "{kind:?} {source}");
            assert!(found.is_empty() || table.demand().wants(&record.header));
        }
    }
}

#[test]
fn sessions_share_across_workers_and_only_with_the_same_selector() {
    let (memberships, now) = (Arc::default(), Moment::now());
    let mut tables = [
        Table::new(Arc::clone(&memberships), now.steady),
        Table::new(memberships, now.steady),
    ];
    for table in &mut tables {
        let (one, other) = (member(table), member(table));
        table.join(&asks("g", logs()), &one, now);
        table.join(&asks("", logs()), &other, now);
    }
    let record = record(Kind::Log, "x", UnixNanos(u64::MAX));
    let mut shared = [0; 2];
    for sequence in 0..1000 {
        let place = Place { shard: 0, sequence };
        for (at, table) in tables.iter().enumerate() {
            shared[at] += count(table.group(0).takers(place, &record, None));
            assert_eq!(count(table.group(1).takers(place, &record, None)), 1);
        }
    }
    assert_eq!(shared[0] + shared[1], 1000);
    assert!(shared[0].abs_diff(500) < 100, "{shared:?}");
}

#[test]
fn a_group_ends_with_its_last_member() {
    let now = Moment::now();
    let mut table = Table::new(Arc::default(), now.steady);
    let two = || {
        let selectors = vec![selector("", Kind::Log), selector("x", Kind::Event)];
        asks("g", selectors)
    };
    let (first, second) = (member(&table), member(&table));
    table.join(&two(), &first, now);
    table.join(&two(), &second, now);
    assert_eq!(table.groups.len(), 2);
    table.leave(two().keys, first.number, &Arc::default(), now);
    let soon = now.steady + TIDY_PAUSE;
    assert!(!table.settle(soon, true), "the other is there");
    table.leave(two().keys, second.number, &Arc::default(), now);
    assert_eq!(table.due(), Some(soon));
    assert!(table.settle(soon, true));
    assert_eq!((table.groups.len(), table.demand()), (0, &Demand::none()));
    assert!(table.due().unwrap() > soon, "memberships that are over");
    assert!(!table.settle(soon + 2 * DEPARTURE_MAX, true));
    assert_eq!(table.due(), None);
}

#[test]
fn what_comes_late_for_one_who_has_left_goes_to_who_is_here() {
    let (memberships, beginning) = (Arc::default(), Instant::now());
    let mut here = Table::new(Arc::clone(&memberships), beginning);
    let mut there = Table::new(memberships, beginning);
    let (first, second, third) = (member(&here), member(&here), member(&there));
    here.join(&asks("g", logs()), &first, after(beginning, 0));
    here.join(&asks("g", logs()), &second, after(beginning, 0));
    there.join(&asks("g", logs()), &third, after(beginning, 0));
    let losses = Arc::default();
    here.leave(
        asks("g", logs()).keys,
        first.number,
        &losses,
        after(beginning, 500),
    );
    let early = record(Kind::Log, "x", after(beginning, 499).unix);
    let taken = |table: &Table, sequence| {
        let place = Place { shard: 0, sequence };
        count(table.group(0).takers(place, &early, None))
    };
    let all = (0..900).map(|sequence| taken(&here, sequence) + taken(&there, sequence));
    assert!(all.into_iter().all(|count| count == 1));
    let of_second = (0..900).filter(|sequence| taken(&here, *sequence) == 1);
    assert!(of_second.count().abs_diff(600) < 100);
}

#[test]
fn what_comes_late_for_one_who_has_left_is_lost_by_name_if_nobody_is_here() {
    let (memberships, beginning) = (Arc::default(), Instant::now());
    let mut here = Table::new(Arc::clone(&memberships), beginning);
    let mut there = Table::new(memberships, beginning);
    let (first, second) = (member(&here), member(&there));
    here.join(&asks("g", logs()), &first, after(beginning, 0));
    there.join(&asks("g", logs()), &second, after(beginning, 0));
    let losses = Arc::default();
    here.leave(
        asks("g", logs()).keys,
        first.number,
        &losses,
        after(beginning, 500),
    );
    let early = record(Kind::Log, "x", after(beginning, 499).unix);
    let late = record(Kind::Log, "x", after(beginning, 510).unix);
    let lost = |table: &Table, record| {
        let takers = |sequence| {
            let place = Place { shard: 0, sequence };
            table.group(0).takers(place, record, None)
        };
        let lost = (0..900).filter(|at| matches!(takers(*at), Takers::Departed(_)));
        lost.count()
    };
    assert!(lost(&here, &early).abs_diff(450) < 100);
    assert_eq!((lost(&here, &late), lost(&there, &early)), (0, 0));
    let is_wanted = |table: &Table| table.demand().wants(&early.header);
    assert!(!here.settle(after(beginning, 1400).steady, true));
    assert!(is_wanted(&here), "until it has had its time");
    assert!(!here.settle(after(beginning, 1600).steady, false));
    assert!(is_wanted(&here), "or until the lanes are read");
    assert!(here.settle(after(beginning, 1700).steady, true));
    assert!(!is_wanted(&here));
}

/// A thousand readers of a hundred apps each, all in one group: what a nozzle could be.
#[test]
fn sessions_that_come_and_go_cost_what_their_selectors_cost() {
    let beginning = Instant::now();
    let mut table = Table::new(Arc::default(), beginning);
    let keys = |reader: usize| {
        let app = |at| selector(&format!("{reader}-{at}"), Kind::Log);
        asks("g", (0..100).map(app).collect())
    };
    let members: Vec<_> = (0..1000).map(|_| member(&table)).collect();
    for (reader, member) in members.iter().enumerate() {
        assert!(table.join(&keys(reader), member, after(beginning, 0)));
    }
    assert_eq!(table.indexed, 100_000);
    for (reader, member) in members.iter().enumerate() {
        let now = after(beginning, reader as u64);
        table.leave(keys(reader).keys, member.number, &Arc::default(), now);
        table.settle(now.steady, true);
    }
    assert_eq!(table.indexed, 100_000, "nothing is done again for who goes");
    table.settle(after(beginning, 2000).steady, true);
    assert_eq!((table.groups.len(), table.indexed), (0, 100_000));
    assert_eq!(table.demand(), &Demand::none());
}
