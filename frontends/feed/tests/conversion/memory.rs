//! What is common takes no memory of its own; so it is not converted with objects.

use crate::{messages, record, with_objects};
use allocation_counter::measure;
use hydrant_feed::convert::V1Form;
use hydrant_proto::v2;
use hydrant_proto::v2::envelope::Message;
use prost::Message as _;
use std::hint::black_box;

const APP: &str = "f47ac10b-58cc-4372-a567-0e02b2c3d479";

/// An envelope as a Diego cell's agent sends it.
fn envelope(message: Message, tags: &[(&str, &str)]) -> Vec<u8> {
    let of_all = [
        ("origin", "rep"),
        ("deployment", "cf"),
        ("job", "diego-cell"),
        ("index", "c1d3ab0e"),
        ("ip", "10.0.16.5"),
        ("process_type", "web"),
        ("source_id", APP),
        ("instance_id", "0"),
    ];
    let tags = of_all.iter().chain(tags);
    let envelope = v2::Envelope {
        timestamp: 1_700_000_000_000_000_000,
        source_id: APP.into(),
        instance_id: "3".into(),
        tags: tags
            .map(|&(key, value)| (key.into(), value.into()))
            .collect(),
        message: Some(message),
        ..Default::default()
    };
    envelope.encode_to_vec()
}

fn log() -> Vec<u8> {
    let log = v2::Log {
        payload: "line".into(),
        r#type: 1,
    };
    envelope(Message::Log(log), &[("source_type", "APP/PROC/WEB")])
}

fn counter() -> Vec<u8> {
    let counter = v2::Counter {
        name: "requests".into(),
        delta: 1,
        total: u64::MAX,
    };
    envelope(Message::Counter(counter), &[])
}

fn gauge(names: &[&str]) -> Vec<u8> {
    let metric = |name: &&str| {
        let unit = "bytes".into();
        ((*name).into(), v2::GaugeValue { unit, value: 1.5 })
    };
    let metrics = names.iter().map(metric).collect();
    envelope(Message::Gauge(v2::Gauge { metrics }), &[])
}

fn timer() -> Vec<u8> {
    let timer = v2::Timer {
        name: "http".into(),
        start: 1,
        stop: 2,
    };
    let tags = [
        ("request_id", APP),
        ("peer_type", "Server"),
        ("method", "GET"),
        ("uri", "http://a.b/c"),
        ("remote_address", "10.0.0.1:1"),
        ("user_agent", "curl"),
        ("status_code", "200"),
        ("content_length", "-1"),
        ("routing_instance_id", "i"),
        ("forwarded", "10.0.0.1\n10.0.0.2"),
    ];
    envelope(Message::Timer(timer), &tags)
}

fn allocations(form: &mut V1Form, envelope: &[u8]) -> u64 {
    let record = record(envelope).unwrap();
    let form = black_box(form);
    measure(|| form.messages(&record, |message| _ = black_box(message))).count_total
}

#[test]
fn what_is_common_takes_no_memory() {
    let cases = [
        log(),
        counter(),
        gauge(&["m"]),
        gauge(&["m", "n", "o"]),
        gauge(&["cpu", "disk", "disk_quota", "memory", "memory_quota", "x"]),
        timer(),
    ];
    let mut form = V1Form::default();
    for envelope in &cases {
        let record = record(envelope).unwrap();
        assert_eq!(messages(&mut form, &record), with_objects(envelope));
    }
    for envelope in &cases {
        assert_eq!(allocations(&mut form, envelope), 0);
    }
}

#[test]
fn what_is_rare_takes_some() {
    let mut form = V1Form::default();
    let mut rare = log();
    rare.extend(b"\x1a\x07\x0a\x01k\x12\x02\x10\x01"); // A deprecated tag, the number 1.
    assert!(allocations(&mut form, &rare) > 0);
    assert!(allocations(&mut form, &rare) > 0);
    assert_eq!(
        messages(&mut form, &record(&rare).unwrap()),
        with_objects(&rare)
    );
}
