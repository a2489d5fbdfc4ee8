//! Value metrics, counters and containers.

use std::collections::BTreeMap;

use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::{v1, v2};

use super::{APP, doppler, envelope, with_base};
use crate::tags;

#[test]
fn value_metric_keeps_the_instance_tag() {
    let event = v1::ValueMetric {
        name: "m".into(),
        value: 1.5,
        unit: "ms".into(),
    };
    let converted = doppler(v1::Envelope {
        value_metric: Some(event),
        tags: tags(&[("instance_id", "7")]),
        ..envelope(EventType::ValueMetric)
    });
    let metric = (
        "m".to_owned(),
        v2::GaugeValue {
            unit: "ms".into(),
            value: 1.5,
        },
    );
    let gauge = v2::Gauge {
        metrics: BTreeMap::from([metric]),
    };
    assert_eq!(converted.message, Some(Message::Gauge(gauge)));
    assert_eq!(converted.source_id, "cf/doppler");
    assert_eq!(converted.instance_id, "7");
    assert_eq!(
        converted.tags,
        with_base("ValueMetric", &[("instance_id", "7")])
    );
}

#[test]
fn counter_event_loses_the_instance_tag() {
    let event = v1::CounterEvent {
        name: "c".into(),
        delta: 5,
        total: Some(9),
    };
    let converted = doppler(v1::Envelope {
        counter_event: Some(event),
        tags: tags(&[("instance_id", "7")]),
        ..envelope(EventType::CounterEvent)
    });
    let counter = v2::Counter {
        name: "c".into(),
        delta: 5,
        total: 9,
    };
    assert_eq!(converted.message, Some(Message::Counter(counter)));
    assert_eq!(converted.instance_id, "7");
    assert_eq!(converted.tags, with_base("CounterEvent", &[]));
}

#[test]
fn counter_event_without_total_has_total_zero() {
    let event = v1::CounterEvent {
        name: "c".into(),
        delta: 5,
        total: None,
    };
    let converted = doppler(v1::Envelope {
        counter_event: Some(event),
        ..envelope(EventType::CounterEvent)
    });
    let counter = v2::Counter {
        name: "c".into(),
        delta: 5,
        total: 0,
    };
    assert_eq!(converted.message, Some(Message::Counter(counter)));
}

pub(super) fn container_gauge(values: [f64; 5]) -> Message {
    let names = ["cpu", "memory", "disk", "memory_quota", "disk_quota"];
    let unit = |name| if name == "cpu" { "percentage" } else { "bytes" };
    let metric = |(name, value)| {
        (
            str::to_owned(name),
            v2::GaugeValue {
                unit: unit(name).into(),
                value,
            },
        )
    };
    Message::Gauge(v2::Gauge {
        metrics: names.into_iter().zip(values).map(metric).collect(),
    })
}

#[test]
fn container_metric() {
    let event = v1::ContainerMetric {
        application_id: APP.into(),
        instance_index: 3,
        cpu_percentage: 12.5,
        memory_bytes: 1,
        disk_bytes: 2,
        memory_bytes_quota: Some(3),
        disk_bytes_quota: None,
    };
    let converted = doppler(v1::Envelope {
        container_metric: Some(event),
        ..envelope(EventType::ContainerMetric)
    });
    assert_eq!(
        converted.message,
        Some(container_gauge([12.5, 1.0, 2.0, 3.0, 0.0]))
    );
    assert_eq!(converted.source_id, APP);
    assert_eq!(converted.instance_id, "3");
    assert_eq!(converted.tags, with_base("ContainerMetric", &[]));
}

#[test]
fn container_metric_without_app_is_the_fallbacks() {
    let event = v1::ContainerMetric {
        instance_index: -1,
        ..Default::default()
    };
    let converted = doppler(v1::Envelope {
        container_metric: Some(event),
        ..envelope(EventType::ContainerMetric)
    });
    assert_eq!(converted.source_id, "cf/doppler");
    assert_eq!(converted.instance_id, "-1");
}
