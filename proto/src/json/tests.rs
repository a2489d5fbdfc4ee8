//! The reference's examples, and another writer to agree with.

use super::push_envelope;
use crate::DESCRIPTORS;
use crate::v2::envelope::Message as Content;
use crate::v2::value::Data;
use crate::v2::{Counter, Envelope, Event, Gauge, GaugeValue, Log, Timer, Value};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};

fn json(envelope: &Envelope) -> String {
    let mut out = String::new();
    push_envelope(&mut out, envelope);
    out
}

fn of(message: Content) -> Envelope {
    Envelope {
        message: Some(message),
        ..Envelope::default()
    }
}

/// What every envelope without contents begins with.
const EMPTY: &str =
    r#"{"timestamp":"0","source_id":"","instance_id":"","deprecated_tags":{},"tags":{}"#;

#[test]
fn an_empty_envelope_has_all_its_fields_but_the_oneof() {
    assert_eq!(json(&Envelope::default()), format!("{EMPTY}}}"));
}

#[test]
fn a_log() {
    let envelope = Envelope {
        timestamp: 1_257_894_000_000_000_000,
        source_id: "app-1".into(),
        instance_id: "0".into(),
        tags: [("origin", "o"), ("dec", "0.5")]
            .map(|(name, tag)| (name.into(), tag.into()))
            .into(),
        ..of(Content::Log(Log {
            payload: "hello".into(),
            r#type: 1,
        }))
    };
    assert_eq!(
        json(&envelope),
        r#"{"timestamp":"1257894000000000000","source_id":"app-1","instance_id":"0","deprecated_tags":{},"tags":{"dec":"0.5","origin":"o"},"log":{"payload":"aGVsbG8=","type":"ERR"}}"#
    );
    let unknown = of(Content::Log(Log {
        payload: "\x00".into(),
        r#type: -7,
    }));
    let expected = format!(r#"{EMPTY},"log":{{"payload":"AA==","type":-7}}}}"#);
    assert_eq!(json(&unknown), expected);
}

#[test]
fn the_other_contents() {
    let value = |unit: &str, value| GaugeValue {
        unit: unit.into(),
        value,
    };
    let metrics = [("cpu", value("%", 1e21)), ("a", value("", 0.0))];
    for (content, expected) in [
        (
            Content::Counter(Counter {
                name: "n".into(),
                delta: 3,
                total: u64::MAX,
            }),
            r#""counter":{"name":"n","delta":"3","total":"18446744073709551615"}"#,
        ),
        (
            Content::Gauge(Gauge {
                metrics: metrics.map(|(name, value)| (name.into(), value)).into(),
            }),
            r#""gauge":{"metrics":{"a":{"unit":"","value":0},"cpu":{"unit":"%","value":1e+21}}}"#,
        ),
        (
            Content::Timer(Timer {
                name: "http".into(),
                start: 1,
                stop: -2,
            }),
            r#""timer":{"name":"http","start":"1","stop":"-2"}"#,
        ),
        (
            Content::Event(Event {
                title: "T".into(),
                body: "B".into(),
            }),
            r#""event":{"title":"T","body":"B"}"#,
        ),
    ] {
        assert_eq!(json(&of(content)), format!("{EMPTY},{expected}}}"));
    }
}

#[test]
fn deprecated_tags_of_every_kind() {
    let tags = [
        ("text", Some(Data::Text("t".into()))),
        ("integer", Some(Data::Integer(i64::MIN))),
        ("decimal", Some(Data::Decimal(-0.5))),
        ("none", None),
    ];
    let envelope = Envelope {
        deprecated_tags: tags
            .map(|(name, data)| (name.into(), Value { data }))
            .into(),
        ..Envelope::default()
    };
    let expected = EMPTY.replace(
        r#""deprecated_tags":{}"#,
        r#""deprecated_tags":{"decimal":{"decimal":-0.5},"integer":{"integer":"-9223372036854775808"},"none":{},"text":{"text":"t"}}"#,
    );
    assert_eq!(json(&envelope), expected + "}");
}

fn values() -> impl Strategy<Value = Value> {
    let data = prop_oneof![
        any::<String>().prop_map(Data::Text),
        any::<i64>().prop_map(Data::Integer),
        any::<f64>().prop_map(Data::Decimal),
    ];
    proptest::option::of(data).prop_map(|data| Value { data })
}

fn contents() -> impl Strategy<Value = Content> {
    let gauge_value = (
        any::<String>(),
        prop_oneof![any::<f64>(), Just(f64::NAN), 1e-8..1e-5],
    )
        .prop_map(|(unit, value)| GaugeValue { unit, value });
    prop_oneof![
        (vec(any::<u8>(), 0..50), 0..4).prop_map(|(payload, r#type)| Content::Log(Log {
            payload: payload.into(),
            r#type
        })),
        (any::<String>(), any::<u64>(), any::<u64>())
            .prop_map(|(name, delta, total)| Content::Counter(Counter { name, delta, total })),
        btree_map(any::<String>(), gauge_value, 0..4)
            .prop_map(|metrics| Content::Gauge(Gauge { metrics })),
        (any::<String>(), any::<i64>(), any::<i64>())
            .prop_map(|(name, start, stop)| Content::Timer(Timer { name, start, stop })),
        (any::<String>(), any::<String>())
            .prop_map(|(title, body)| Content::Event(Event { title, body })),
    ]
}

fn envelopes() -> impl Strategy<Value = Envelope> {
    (
        any::<i64>(),
        any::<(String, String)>(),
        btree_map(any::<String>(), values(), 0..4),
        btree_map(any::<String>(), "[\\x00-\\x7f]{0,9}", 0..4),
        proptest::option::of(contents()),
    )
        .prop_map(
            |(timestamp, (source_id, instance_id), deprecated_tags, tags, message)| Envelope {
                timestamp,
                source_id,
                instance_id,
                deprecated_tags,
                tags,
                message,
            },
        )
}

/// The envelope by the other writer, which is driven by the descriptors.
fn reflected(envelope: &Envelope) -> serde_json::Value {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let descriptor = pool.get_message_by_name("loggregator.v2.Envelope").unwrap();
    let message = DynamicMessage::decode(descriptor, &envelope.encode_to_vec()[..]).unwrap();
    let options = SerializeOptions::new().skip_default_fields(false);
    message
        .serialize_with_options(serde_json::value::Serializer, &options)
        .unwrap()
}

proptest! {
    #[test]
    fn agrees_with_another_writer(envelope in envelopes()) {
        let ours: serde_json::Value = serde_json::from_str(&json(&envelope)).unwrap();
        prop_assert_eq!(normalized(ours), normalized(reflected(&envelope)));
    }
}

/// To the other writer whole doubles are floats; in JSON text they are integers.
fn normalized(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Number(number) => number.as_f64().into(),
        serde_json::Value::Object(fields) => {
            let fields = fields.into_iter();
            let fields = fields.map(|(name, value)| (name, normalized(value)));
            fields.collect()
        }
        other => other,
    }
}
