//! Three nodes: what is sent to any is kept by the one that has to, and found from any.

use super::rig::{Rig, envelope, gauge, log, source_of, wait_until};
use crate::counters::NodeCounter;
use crate::routing::node_of;
use hydrant_feed::counters::SessionCounter;
use hydrant_proto::logcache::ReadRequest;
use hydrant_proto::v2::envelope::Message as Said;
use hydrant_proto::v2::{Envelope, Log};
use tonic::Code;

/// Sources, and their nodes of three: as upstream's nodes divided them.
const SOURCES: [(&str, usize); 6] = [
    ("src-zero", 0),
    ("other-src", 2),
    ("a", 1),
    ("b", 2),
    ("doppler", 1),
    ("11111111-2222-3333-4444-555555555555", 0),
];
const EACH: i64 = 40;

fn read_of(source_id: &str) -> ReadRequest {
    ReadRequest {
        source_id: source_id.to_owned(),
        limit: 1000,
        ..Default::default()
    }
}

/// Sends some of each source to each node, and waits until they are where they belong.
fn sent_to_all(rig: &Rig) {
    for node in 0..3 {
        for (source_id, _) in SOURCES {
            let numbers = (node * EACH..(node + 1) * EACH).rev();
            let envelopes: Vec<_> = numbers.map(|number| log(source_id, number)).collect();
            rig.send(usize::try_from(node).unwrap(), &envelopes);
        }
    }
    let all = SOURCES.len() as u64 * 3 * EACH.cast_unsigned();
    wait_until("envelope where it belongs", || {
        (0..3).map(|node| rig.kept(node)).sum::<u64>() == all
    });
}

#[test]
fn what_is_sent_to_any_is_where_it_belongs_and_read_from_any() {
    let rig = Rig::new(3);
    sent_to_all(&rig);
    for (source_id, node) in SOURCES {
        assert_eq!(node_of(source_id.as_bytes(), 3), node);
        for other in 0..3 {
            let known = rig.meta(other, true);
            assert_eq!(known.contains_key(source_id), other == node, "{source_id}");
            let read = rig.read(other, &read_of(source_id)).unwrap();
            let sent = (0..3 * EACH).rev().map(|number| log(source_id, number));
            assert_eq!(read, sent.collect::<Vec<_>>(), "{source_id} from {other}");
        }
    }
    // Each pair of sources is one node's, and was sent to the two others as well.
    for from in 0..3 {
        assert_eq!(rig.kept(from), 2 * 3 * EACH.cast_unsigned());
        for to in (0..3).filter(|to| *to != from) {
            let counts = [SessionCounter::Selected, SessionCounter::Delivered]
                .map(|counter| rig.counts(from, to, counter));
            assert_eq!(counts, [2 * EACH.cast_unsigned(); 2]);
        }
        assert_eq!(rig.count(from, NodeCounter::ReadsForwarded), 4);
        assert_eq!(rig.count(from, NodeCounter::ReadsAway), 0);
    }
}

#[test]
fn meta_is_of_all_nodes_or_of_one() {
    let rig = Rig::new(3);
    sent_to_all(&rig);
    for node in 0..3 {
        let all = rig.meta(node, false);
        let mut expected: Vec<_> = SOURCES.iter().map(|(source_id, _)| *source_id).collect();
        expected.sort_unstable();
        assert!(all.keys().eq(expected.iter()));
        assert!(all.values().all(|info| info.count == 3 * EACH));
        assert_eq!(rig.meta(node, true).len(), 2);
    }
}

#[test]
fn of_a_source_that_several_have_the_one_counts_that_reads_go_to() {
    let rig = Rig::new(3);
    let own = source_of(1, 3);
    rig.send_request(0, &[log(&own, 1), log(&own, 2)], true);
    rig.send_request(1, &[log(&own, 3)], true);
    rig.send_request(2, &[log("a", 3), log(&source_of(0, 3), 3)], true);
    for node in 0..3 {
        let all = rig.meta(node, false);
        assert_eq!(all[&own].count, 1, "from {node}");
        assert_eq!(all.len(), 3);
        assert_eq!(rig.read(node, &read_of(&own)).unwrap(), [log(&own, 3)]);
    }
}

#[test]
fn what_is_for_one_node_alone_goes_no_further() {
    let rig = Rig::new(3);
    let other = source_of(2, 3);
    rig.send_request(0, &[log(&other, 1)], true);
    assert_eq!((rig.kept(0), rig.kept(2)), (1, 0));
    assert_eq!(rig.counts(0, 2, SessionCounter::Selected), 0);
}

#[test]
fn an_answer_of_another_node_is_passed_on_whatever_it_is() {
    let rig = Rig::new(3);
    let request = ReadRequest {
        limit: 1001,
        ..read_of(&source_of(2, 3))
    };
    let refused = rig.read(0, &request).unwrap_err();
    assert_eq!(refused.code(), Code::Unknown);
    assert_eq!(refused.message(), "limit (1001) must be 1000 or less");
    let request = ReadRequest {
        name_filter: "[".to_owned(),
        ..request
    };
    assert_eq!(rig.read(0, &request).unwrap_err().code(), Code::Unknown);
    assert_eq!(rig.count(0, NodeCounter::ReadsAway), 0);
    assert_eq!(rig.count(2, NodeCounter::RequestsInvalid), 2);
}

#[test]
fn queries_are_answered_by_any_node_over_the_sources_of_all() {
    let rig = Rig::new(3);
    let sources = [0, 1, 2].map(|node| source_of(node, 3));
    // More than two pages, with logs between; groups of one timestamp across the ends of pages.
    let of = |source: &String| -> Vec<Envelope> {
        let gauges = (0..2_500).rev();
        gauges
            .flat_map(|number| [gauge(source, 1_000 + number / 3, 2.0), log(source, number)])
            .collect()
    };
    for source in &sources {
        for envelopes in of(source).chunks(500) {
            rig.send(0, envelopes);
        }
    }
    wait_until("envelope at its node", || {
        (0..3).all(|node| rig.kept(node) == 5_000)
    });
    for node in 0..3 {
        for source in &sources {
            let count = format!("count_over_time(load{{source_id=\"{source}\"}}[5m])");
            assert_eq!(rig.query(node, &count).unwrap(), [2_500.0]);
        }
        let sum = sources
            .each_ref()
            .map(|source| format!("sum(sum_over_time(load{{source_id=\"{source}\"}}[5m]))"));
        assert_eq!(rig.query(node, &sum.join(" + ")).unwrap(), [15_000.0]);
        let of_two = format!(
            "count_over_time(load{{source_id=~\"{}|{}\"}}[5m])",
            sources[1], sources[2]
        );
        assert_eq!(rig.query(node, &of_two).unwrap(), [2_500.0, 2_500.0]);
        let none = format!("disk{{source_id=\"{}\"}}", sources[2]);
        assert_eq!(rig.query(node, &none).unwrap(), Vec::<f64>::new());
        assert_eq!(rig.count(node, NodeCounter::QueriesAway), 0);
    }
}

#[test]
fn what_cannot_be_kept_is_not_sent_on() {
    let rig = Rig::new(2);
    let other = source_of(1, 2);
    let payload = Log {
        payload: vec![0; 2_000_000].into(),
        r#type: 0,
    };
    // More than a batch by itself.
    let large = envelope(&other, 1, Said::Log(payload));
    rig.send(0, &[large.clone(), log(&other, 0)]);
    wait_until("large envelope", || rig.kept(1) == 2);
    assert_eq!(
        rig.read(0, &read_of(&other)).unwrap(),
        [large, log(&other, 0)]
    );
    let alone = Rig::new(1);
    alone.send(0, &[log("x", 1)]);
    assert_eq!(alone.kept(0), 1);
    assert!(alone.node(0).worker.sessions().is_empty());
}
