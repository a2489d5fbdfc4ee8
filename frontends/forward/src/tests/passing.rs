//! What is sent, to whom, in which form.

use super::rig::{LONG, Peer, Rig, destination, log, texts, wait_until};
use hydrant_engine::record::Version;
use hydrant_feed::counters::{FeedCounter, SessionCounter};
use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v2::envelope::Message as Event;
use hydrant_proto::{v1, v2};
use prost::Message;
use std::sync::atomic::Ordering;

fn counter_event() -> v1::Envelope {
    v1::Envelope {
        origin: "o".to_owned(),
        event_type: EventType::CounterEvent.into(),
        counter_event: Some(v1::CounterEvent {
            name: "c".to_owned(),
            delta: 5,
            total: None,
        }),
        ..Default::default()
    }
}

fn gauge() -> v2::Envelope {
    let value = |unit: &str| v2::GaugeValue {
        unit: unit.to_owned(),
        value: 1.0,
    };
    let metrics = [("a".to_owned(), value("x")), ("b".to_owned(), value("y"))];
    v2::Envelope {
        source_id: "s".to_owned(),
        message: Some(Event::Gauge(v2::Gauge {
            metrics: metrics.into(),
        })),
        ..Default::default()
    }
}

#[test]
fn all_comes_in_order_by_the_hundred() {
    let peer = Peer::start();
    let mut rig = Rig::start(&destination(&peer.address, ""));
    rig.logs(texts(10_000));
    peer.wait_for(10_000);
    assert_eq!(peer.texts(), texts(10_000));
    assert!((1..=100).contains(&peer.seen.most.load(Ordering::Relaxed)));
    let counted = rig.stop(LONG);
    assert_eq!(counted.of(0, SessionCounter::Delivered), 10_000);
    assert_eq!(counted.feed(FeedCounter::Messages), 10_000);
}

#[test]
fn bytes_that_lack_nothing_are_not_touched() {
    let peer = Peer::start();
    let mut rig = Rig::start(&destination(&peer.address, ""));
    // With a field that nobody knows, and one that comes twice.
    let odd = [&log("x")[..], b"\x12\x01t\x9a\x06\x03abc"].concat();
    rig.publish(Version::V2, &odd);
    rig.commit();
    peer.wait_for(1);
    assert_eq!(peer.v2(), [odd]);
    drop(rig.stop(LONG));
}

#[test]
fn each_destination_gets_its_versions_in_its_form() {
    let [all, old, new] = [(); 3].map(|()| Peer::start());
    let config = "[tags]\nt = 'v'\n[v1]\njob = 'j'\n".to_owned()
        + &destination(&all.address, "")
        + &destination(&old.address, "protocol = 'v1'\ntakes = 'v1'")
        + &destination(&new.address, "protocol = 'v1'\ntakes = 'v2'");
    let mut rig = Rig::start(&config);
    rig.publish(Version::V1, &counter_event().encode_to_vec());
    rig.publish(Version::V1, &counter_event().encode_to_vec());
    rig.publish(Version::V2, &gauge().encode_to_vec());
    rig.commit();
    all.wait_for(3);
    wait_until(|| old.v1().len() == 2 && new.v1().len() == 2);
    let total = |bytes: &Vec<u8>| {
        let envelope = v2::Envelope::decode(&bytes[..]).unwrap();
        assert_eq!(envelope.tags["t"], "v");
        match envelope.message {
            Some(Event::Counter(counter)) => {
                assert_eq!((&*envelope.tags["job"], &*envelope.source_id), ("j", "o"));
                Some(counter.total)
            }
            _ => None,
        }
    };
    let totals: Vec<_> = all.v2().iter().map(total).collect();
    assert_eq!(totals, [Some(5), Some(10), None]);
    let total = |bytes: &Vec<u8>| {
        let envelope = v1::Envelope::decode(&bytes[..]).unwrap();
        assert_eq!((envelope.job(), &*envelope.tags["source_id"]), ("j", "o"));
        envelope.counter_event.unwrap().total()
    };
    let totals: Vec<_> = old.v1().iter().map(total).collect();
    assert_eq!(totals, [5, 10]);
    let name = |bytes: &Vec<u8>| {
        let envelope = v1::Envelope::decode(&bytes[..]).unwrap();
        assert_eq!(envelope.tags["t"], "v");
        envelope.value_metric.unwrap().name
    };
    let names: Vec<_> = new.v1().iter().map(name).collect();
    assert_eq!(names, ["a", "b"]);
    let counted = rig.stop(LONG);
    // Each counter became two envelopes, the gauge one of v2 and two of v1.
    let feed = [FeedCounter::Read, FeedCounter::Messages, FeedCounter::Extra];
    assert_eq!(feed.map(|counter| counted.feed(counter)), [3, 7, 4]);
}

#[test]
fn logs_of_v2_can_be_left_out() {
    let peer = Peer::start();
    let config = "logs = false\n".to_owned() + &destination(&peer.address, "");
    let mut rig = Rig::start(&config);
    rig.logs(texts(5));
    rig.publish(Version::V2, &gauge().encode_to_vec());
    rig.commit();
    peer.wait_for(1);
    let counted = rig.stop(LONG);
    assert_eq!(counted.feed(FeedCounter::Unselected), 5);
    assert_eq!(counted.of(0, SessionCounter::Selected), 1);
}

#[test]
fn what_nobody_takes_is_counted() {
    let peer = Peer::start();
    let mut rig = Rig::start(&destination(&peer.address, "takes = 'v1'"));
    rig.logs(texts(3));
    let counted = rig.stop(LONG);
    assert_eq!(counted.feed(FeedCounter::Unselected), 3);
    // An event has no form in v1.
    let mut rig = Rig::start(&destination(&peer.address, "protocol = 'v1'"));
    let event = v2::Envelope {
        message: Some(Event::Event(v2::Event::default())),
        ..Default::default()
    };
    rig.publish(Version::V2, &event.encode_to_vec());
    rig.commit();
    let counted = rig.stop(LONG);
    assert_eq!(counted.feed(FeedCounter::NoForm), 1);
}

#[test]
fn connections_are_as_many_as_are_asked_for_and_share_the_work() {
    let peer = Peer::start();
    let mut rig = Rig::start(&destination(&peer.address, "connections = 5"));
    let state = rig.state();
    wait_until(|| state.destinations[0].open_streams() == 5);
    rig.logs(texts(5_000));
    peer.wait_for(5_000);
    let mut numbers: Vec<usize> = peer
        .texts()
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..5_000).collect::<Vec<_>>());
    assert_eq!(peer.seen.streams.load(Ordering::Relaxed), 5);
    let counted = rig.stop(LONG);
    assert_eq!(counted.of(0, SessionCounter::Delivered), 5_000);
}
