//! What our syslog drains write comes back as upstream's server would have it.

use crate::rig::Rig;
use hydrant_bindings::Framing;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::decode;
use hydrant_engine::record::{Header, Record, SourceRule, Version};
use hydrant_log_cache_syslog::{Message as Line, envelope};
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::{Counter, Envelope, Event, Gauge, GaugeValue, Log, Timer, log};
use hydrant_syslog::{Format, Views};
use proptest::collection::btree_map;
use proptest::prelude::*;
use prost::Message as _;

/// The octet-counted lines of an envelope, as a drain gets them.
fn written(envelope: &Envelope) -> Vec<u8> {
    let bytes = envelope.encode_to_vec();
    let checked = decode::envelope(&bytes, Version::V2, SourceRule::DeploymentJob).unwrap();
    let record = Record {
        header: Header {
            version: Version::V2,
            kind: checked.kind,
            source_rule: SourceRule::DeploymentJob,
            source_hash: checked.source.hash(),
            received: UnixNanos(0),
        },
        envelope: &bytes,
    };
    let format = Format::new("host", true, Framing::OctetCounting);
    let (mut views, mut out) = (Views::default(), Vec::new());
    let lines = format.write_record(&mut views, &record, &mut out);
    lines.unwrap().unwrap();
    out
}

/// Micros are all that RFC 5424 has; a gauge is an envelope for each of its metrics.
fn expected(envelope: &Envelope) -> Vec<Envelope> {
    let envelope = Envelope {
        timestamp: envelope.timestamp.div_euclid(1000) * 1000,
        ..envelope.clone()
    };
    let Some(Message::Gauge(gauge)) = &envelope.message else {
        return vec![envelope];
    };
    let metrics = gauge.metrics.iter();
    let one = |(name, value): (&String, &GaugeValue)| {
        let metrics = [(name.clone(), value.clone())].into();
        Envelope {
            message: Some(Message::Gauge(Gauge { metrics })),
            ..envelope.clone()
        }
    };
    metrics.map(one).collect()
}

fn read(lines: &[u8]) -> Vec<Envelope> {
    let mut rest = lines;
    let mut envelopes = Vec::new();
    while let Some(space) = rest.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&rest[..space])
            .unwrap()
            .parse()
            .unwrap();
        let (line, after) = rest[space + 1..].split_at(length);
        envelopes.push(envelope(&Line::parse(line).unwrap(), true).unwrap());
        rest = after;
    }
    envelopes
}

fn message() -> impl Strategy<Value = Message> {
    // What drains leave out: NULs, and white space at the ends, of which the server leaves out the rest.
    let payload = "[!-~é]{1,9}([ -~\n]{0,60}[!-~])?";
    let value = prop_oneof![
        any::<f64>().prop_filter("not equal to itself", |value| !value.is_nan()),
        Just(f64::INFINITY),
    ];
    let unit_and_value = (any::<String>(), value);
    let metric = unit_and_value.prop_map(|(unit, value)| GaugeValue { unit, value });
    prop_oneof![
        (payload, any::<bool>()).prop_map(|(payload, is_err)| Message::Log(Log {
            payload: payload.into(),
            r#type: if is_err {
                log::Type::Err
            } else {
                log::Type::Out
            }
            .into(),
        })),
        (any::<String>(), any::<u64>(), any::<u64>())
            .prop_map(|(name, delta, total)| Message::Counter(Counter { name, delta, total })),
        btree_map(any::<String>(), metric, 0..4)
            .prop_map(|metrics| Message::Gauge(Gauge { metrics })),
        (any::<String>(), any::<i64>(), any::<i64>())
            .prop_map(|(name, start, stop)| Message::Timer(Timer { name, start, stop })),
        (any::<String>(), any::<String>())
            .prop_map(|(title, body)| Message::Event(Event { title, body })),
    ]
}

fn any_envelope() -> impl Strategy<Value = Envelope> {
    let tags = btree_map("[!#-<>-\\\\^-~]{1,40}", any::<String>(), 0..5);
    (0..i64::MAX, "[!-~]{2,48}", "[0-9]{1,4}", tags, message()).prop_map(
        |(timestamp, source_id, instance_id, mut tags, message)| {
            tags.insert("source_type".to_owned(), "APP/PROC/WEB".to_owned());
            Envelope {
                timestamp,
                source_id,
                instance_id,
                tags,
                message: Some(message),
                ..Envelope::default()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn every_envelope_comes_back(envelope in any_envelope()) {
        prop_assert_eq!(read(&written(&envelope)), expected(&envelope));
    }
}

#[test]
fn every_kind_comes_back_over_a_connection() {
    let value = |unit: &str, value| GaugeValue {
        unit: unit.to_owned(),
        value,
    };
    let messages = [
        Message::Log(Log {
            payload: "two\nlines".into(),
            r#type: log::Type::Err.into(),
        }),
        Message::Counter(Counter {
            name: "c".to_owned(),
            delta: 0,
            total: u64::MAX,
        }),
        Message::Gauge(Gauge {
            metrics: [
                ("cpu".to_owned(), value("percentage", 0.25)),
                ("inf".to_owned(), value("", f64::NEG_INFINITY)),
                ("tiny".to_owned(), value("\"]\\", 4.9e-324)),
            ]
            .into(),
        }),
        Message::Timer(Timer {
            name: "http".to_owned(),
            start: i64::MIN,
            stop: i64::MAX,
        }),
        Message::Event(Event {
            title: "t".to_owned(),
            body: String::new(),
        }),
    ];
    let envelopes = messages.map(|message| Envelope {
        timestamp: 1_700_000_000_123_456_789,
        source_id: "app".to_owned(),
        instance_id: "7".to_owned(),
        tags: [
            ("source_type".to_owned(), "APP/PROC/WEB".to_owned()),
            ("a".to_owned(), "\"]\\\n\u{e9}".to_owned()),
        ]
        .into(),
        message: Some(message),
        ..Envelope::default()
    });
    let rig = Rig::start(|_| ());
    let lines: Vec<_> = envelopes.iter().map(written).collect();
    let _stream = rig.send(&lines.concat());
    let expected: Vec<_> = envelopes.iter().flat_map(expected).collect();
    assert_eq!(rig.node.wait_for(expected.len()), expected);
    assert_eq!(rig.stop(), 7);
}
