//! v2 to v1, one test for each row of the table.

mod logs;
mod metrics;
mod timers;

use hydrant_proto::convert::to_v1;
use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::value::Data;
use hydrant_proto::{v1, v2};

use crate::tags;

const APP: &str = "f47ac10b-58cc-4372-a567-0e02b2c3d479";

const BASE: [(&str, &str); 6] = [
    ("origin", "router/0"),
    ("deployment", "cf"),
    ("job", "doppler"),
    ("index", "index-guid"),
    ("ip", "10.0.0.1"),
    ("zone", "z1"),
];

fn envelope(message: Message) -> v2::Envelope {
    v2::Envelope {
        timestamp: 17,
        source_id: APP.into(),
        instance_id: "3".into(),
        tags: tags(&BASE),
        message: Some(message),
        ..Default::default()
    }
}

/// The envelope that [`envelope`] gives, before its event and the event's own tags.
fn base(event_type: EventType) -> v1::Envelope {
    v1::Envelope {
        origin: "router/0".into(),
        event_type: event_type.into(),
        timestamp: Some(17),
        deployment: Some("cf".into()),
        job: Some("doppler".into()),
        index: Some("index-guid".into()),
        ip: Some("10.0.0.1".into()),
        tags: tags(&[("zone", "z1"), ("source_id", APP)]),
        ..Default::default()
    }
}

fn base_of_instance(event_type: EventType) -> v1::Envelope {
    let tags = tags(&[("zone", "z1"), ("source_id", APP), ("instance_id", "3")]);
    v1::Envelope {
        tags,
        ..base(event_type)
    }
}

fn only(envelopes: Vec<v1::Envelope>) -> v1::Envelope {
    let [envelope] = <[_; 1]>::try_from(envelopes).unwrap();
    envelope
}

fn with_tags(mut envelope: v2::Envelope, more: &[(&str, &str)]) -> v2::Envelope {
    envelope.tags.extend(tags(more));
    envelope
}

fn output(payload: &'static [u8]) -> Message {
    Message::Log(v2::Log {
        payload: payload.into(),
        r#type: v2::log::Type::Out.into(),
    })
}

fn gauge(metrics: &[(&str, &str, f64)]) -> Message {
    let metric = |&(name, unit, value): &(&str, &str, f64)| {
        (
            name.to_owned(),
            v2::GaugeValue {
                unit: unit.to_owned(),
                value,
            },
        )
    };
    Message::Gauge(v2::Gauge {
        metrics: metrics.iter().map(metric).collect(),
    })
}

#[test]
fn an_event_or_nothing_gives_nothing() {
    let event = v2::Event {
        title: "t".into(),
        body: "b".into(),
    };
    assert_eq!(to_v1(envelope(Message::Event(event))), []);
    assert_eq!(to_v1(v2::Envelope::default()), []);
    assert_eq!(to_v1(envelope(gauge(&[]))), []);
}

#[test]
fn absent_tags_are_empty_fields_and_an_empty_source_is_no_tag() {
    let message = Some(output(b""));
    let converted = only(to_v1(v2::Envelope {
        message,
        ..Default::default()
    }));
    let expected = v1::Envelope {
        event_type: EventType::LogMessage.into(),
        timestamp: Some(0),
        deployment: Some(String::new()),
        job: Some(String::new()),
        index: Some(String::new()),
        ip: Some(String::new()),
        log_message: converted.log_message.clone(),
        ..Default::default()
    };
    assert_eq!(converted, expected);
}

#[test]
fn the_source_id_overrides_its_tag() {
    let tagged = with_tags(envelope(output(b"")), &[("source_id", "tagged")]);
    assert_eq!(only(to_v1(tagged.clone())).tags["source_id"], APP);
    let unnamed = v2::Envelope {
        source_id: String::new(),
        ..tagged
    };
    assert_eq!(only(to_v1(unnamed)).tags["source_id"], "tagged");
}

#[test]
fn deprecated_tags_win_in_the_map_and_lose_in_the_fields() {
    let deprecated = [("zone", "old"), ("origin", "old"), ("extra", "more")];
    let value = |text: &str| v2::Value {
        data: Some(Data::Text(text.to_owned())),
    };
    let deprecated_tags = deprecated
        .map(|(key, text)| (key.to_owned(), value(text)))
        .into();
    let mut source = v2::Envelope {
        deprecated_tags,
        ..envelope(output(b""))
    };

    let converted = only(to_v1(source.clone()));
    assert_eq!(converted.origin, "router/0");
    assert_eq!(
        converted.tags,
        tags(&[("zone", "old"), ("extra", "more"), ("source_id", APP)])
    );

    source.tags.clear();
    assert_eq!(only(to_v1(source)).origin, "old");
}

#[test]
fn deprecated_tags_are_written_as_text() {
    let kinds = [
        ("decimal", Some(Data::Decimal(0.5))),
        ("integer", Some(Data::Integer(-7))),
        ("text", Some(Data::Text("t".into()))),
        ("zone", None),
    ];
    let deprecated_tags = kinds
        .map(|(key, data)| (key.to_owned(), v2::Value { data }))
        .into_iter()
        .collect();
    let source = v2::Envelope {
        deprecated_tags,
        ..envelope(output(b""))
    };
    let expected = [
        ("decimal", "0.500000"),
        ("integer", "-7"),
        ("text", "t"),
        ("zone", "z1"),
        ("source_id", APP),
    ];
    assert_eq!(only(to_v1(source)).tags, tags(&expected));
}
