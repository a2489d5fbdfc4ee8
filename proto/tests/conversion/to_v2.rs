//! v1 to v2, one test for each row of the table.

mod logs;
mod metrics;
mod requests;

use std::collections::BTreeMap;

use hydrant_proto::convert::{SourceFallback, to_v2};
use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::{v1, v2};

use self::metrics::container_gauge;
use crate::tags;

const APP: &str = "f47ac10b-58cc-4372-a567-0e02b2c3d479";

fn envelope(event_type: EventType) -> v1::Envelope {
    v1::Envelope {
        origin: "router/0".into(),
        event_type: event_type.into(),
        timestamp: Some(17),
        deployment: Some("cf".into()),
        job: Some("doppler".into()),
        index: Some("index-guid".into()),
        ip: Some("10.0.0.1".into()),
        ..Default::default()
    }
}

/// The tags that every envelope made by [`envelope`] gets, and `more`.
fn with_base(event_type: &str, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut expected = tags(&[
        ("origin", "router/0"),
        ("deployment", "cf"),
        ("job", "doppler"),
        ("index", "index-guid"),
        ("ip", "10.0.0.1"),
        ("__v1_type", event_type),
    ]);
    expected.extend(tags(more));
    expected
}

fn doppler(envelope: v1::Envelope) -> v2::Envelope {
    to_v2(envelope, SourceFallback::DeploymentJob)
}

fn source_id(tag: Option<&str>, fallback: SourceFallback) -> String {
    let tags = tag
        .map(|id| ("source_id".to_owned(), id.to_owned()))
        .into_iter()
        .collect();
    let converted = to_v2(
        v1::Envelope {
            tags,
            ..envelope(EventType::Error)
        },
        fallback,
    );
    assert!(!converted.tags.contains_key("source_id"));
    converted.source_id
}

#[test]
fn doppler_falls_back_on_deployment_and_job_only_if_there_is_no_tag() {
    assert_eq!(source_id(None, SourceFallback::DeploymentJob), "cf/doppler");
    assert_eq!(source_id(Some(""), SourceFallback::DeploymentJob), "");
    assert_eq!(source_id(Some("uaa"), SourceFallback::DeploymentJob), "uaa");
    assert_eq!(doppler(v1::Envelope::default()).source_id, "/");
}

#[test]
fn agents_fall_back_on_the_origin_also_if_the_tag_is_empty() {
    assert_eq!(source_id(None, SourceFallback::Origin), "router/0");
    assert_eq!(source_id(Some(""), SourceFallback::Origin), "router/0");
    assert_eq!(source_id(Some("uaa"), SourceFallback::Origin), "uaa");
}

#[test]
fn fields_become_tags_over_tags_of_their_names_and_other_tags_stay() {
    let old = [
        ("origin", "x"),
        ("ip", "x"),
        ("__v1_type", "x"),
        ("zone", "z1"),
    ];
    let converted = doppler(v1::Envelope {
        tags: tags(&old),
        ..envelope(EventType::CounterEvent)
    });
    assert_eq!(converted.tags, with_base("CounterEvent", &[("zone", "z1")]));
    assert_eq!(converted.timestamp, 17);
    assert!(converted.deprecated_tags.is_empty());
}

#[test]
fn absent_fields_become_empty_tags() {
    let event_type = EventType::CounterEvent.into();
    let converted = doppler(v1::Envelope {
        event_type,
        ..Default::default()
    });
    let names = ["origin", "deployment", "job", "index", "ip"];
    assert!(names.iter().all(|name| converted.tags[*name].is_empty()));
    assert_eq!(converted.timestamp, 0);
}

#[test]
fn an_unknown_type_has_no_message_and_its_number_for_a_name() {
    let converted = doppler(v1::Envelope {
        event_type: 3,
        ..envelope(EventType::Error)
    });
    assert_eq!(converted.message, None);
    assert_eq!(converted.tags, with_base("3", &[]));
}

#[test]
fn a_missing_event_reads_as_one_of_default_values() {
    let blank_gauge = BTreeMap::from([(String::new(), v2::GaugeValue::default())]);
    let http = v2::Timer {
        name: "http".into(),
        ..Default::default()
    };
    let expected = [
        (EventType::LogMessage, Message::Log(v2::Log::default()), ""),
        (EventType::HttpStartStop, Message::Timer(http), "0"),
        (
            EventType::ValueMetric,
            Message::Gauge(v2::Gauge {
                metrics: blank_gauge,
            }),
            "",
        ),
        (
            EventType::CounterEvent,
            Message::Counter(v2::Counter::default()),
            "",
        ),
        (EventType::Error, Message::Log(v2::Log::default()), ""),
        (EventType::ContainerMetric, container_gauge([0.0; 5]), "0"),
    ];
    for (event_type, message, instance_id) in expected {
        let converted = doppler(envelope(event_type));
        assert_eq!(converted.message, Some(message));
        assert_eq!(converted.instance_id, instance_id);
        assert_eq!(converted.source_id, "cf/doppler");
    }
}
