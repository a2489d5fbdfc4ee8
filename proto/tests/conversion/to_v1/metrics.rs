//! Counters and gauges.

use hydrant_proto::convert::to_v1;
use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::{v1, v2};

use super::{APP, base, base_of_instance, envelope, gauge, only, with_tags};

#[test]
fn counter() {
    let source = envelope(Message::Counter(v2::Counter {
        name: "c".into(),
        delta: 5,
        total: 0,
    }));
    let event = v1::CounterEvent {
        name: "c".into(),
        delta: 5,
        total: Some(0),
    };
    let expected = v1::Envelope {
        counter_event: Some(event),
        ..base_of_instance(EventType::CounterEvent)
    };
    assert_eq!(to_v1(source), [expected]);
}

#[test]
fn without_an_instance_id_metrics_keep_the_tag_they_have() {
    let counter = Message::Counter(v2::Counter::default());
    for message in [counter, gauge(&[("m", "", 1.0)])] {
        let tagged = with_tags(envelope(message), &[("instance_id", "tagged")]);
        assert_eq!(only(to_v1(tagged.clone())).tags["instance_id"], "3");
        let unnamed = v2::Envelope {
            instance_id: String::new(),
            ..tagged
        };
        assert_eq!(only(to_v1(unnamed)).tags["instance_id"], "tagged");
    }
}

#[test]
fn gauge_gives_a_value_for_each_metric_in_the_order_of_names() {
    let metrics = [("b", "ms", 2.0), ("a", "", 0.0), ("c", "", -1.0)];
    let value = |name: &str, unit: &str, value| v1::Envelope {
        value_metric: Some(v1::ValueMetric {
            name: name.into(),
            value,
            unit: unit.into(),
        }),
        ..base_of_instance(EventType::ValueMetric)
    };
    let expected = [
        value("a", "", 0.0),
        value("b", "ms", 2.0),
        value("c", "", -1.0),
    ];
    assert_eq!(to_v1(envelope(gauge(&metrics))), expected);
}

const CONTAINER: [(&str, &str, f64); 5] = [
    ("cpu", "percentage", 12.5),
    ("memory", "bytes", 1.9),
    ("disk", "bytes", 2.0),
    ("memory_quota", "bytes", 0.0),
    ("disk_quota", "", 4.0),
];

fn container(metrics: &[(&str, &str, f64)], instance_id: &str) -> v1::ContainerMetric {
    let instance_id = instance_id.to_owned();
    let converted = only(to_v1(v2::Envelope {
        instance_id,
        ..envelope(gauge(metrics))
    }));
    converted.container_metric.unwrap()
}

#[test]
fn gauge_of_a_container() {
    let event = v1::ContainerMetric {
        application_id: APP.into(),
        instance_index: 3,
        cpu_percentage: 12.5,
        memory_bytes: 1,
        disk_bytes: 2,
        memory_bytes_quota: Some(0),
        disk_bytes_quota: Some(4),
    };
    let expected = v1::Envelope {
        container_metric: Some(event),
        ..base(EventType::ContainerMetric)
    };
    assert_eq!(
        to_v1(envelope(gauge(&CONTAINER))),
        std::slice::from_ref(&expected)
    );

    let and_more = [&CONTAINER[..], &[("other", "", 1.0)]].concat();
    assert_eq!(to_v1(envelope(gauge(&and_more))), [expected]);
}

#[test]
fn gauge_that_lacks_a_metric_of_a_container_or_has_it_blank_is_values() {
    for missing in 0..CONTAINER.len() {
        let mut metrics = CONTAINER.to_vec();
        metrics[missing] = (metrics[missing].0, "", -0.0);
        assert_eq!(to_v1(envelope(gauge(&metrics))).len(), 5);
        metrics.remove(missing);
        assert_eq!(to_v1(envelope(gauge(&metrics))).len(), 4);
    }
}

#[test]
fn container_index_is_a_metric_or_else_the_instance_id() {
    for (text, expected) in [("-2", -2), ("x", 0), ("", 0), ("2147483648", 0)] {
        assert_eq!(container(&CONTAINER, text).instance_index, expected);
    }
    for (value, expected) in [(6.9, 6), (0.0, 0), (1e10, i32::MAX), (f64::NAN, 0)] {
        let metrics = [&CONTAINER[..], &[("instance_index", "", value)]].concat();
        assert_eq!(container(&metrics, "5").instance_index, expected);
    }
}

#[test]
fn container_bytes_stay_in_range() {
    for (value, expected) in [
        (-1.0, 0),
        (f64::NAN, 0),
        (1e30, u64::MAX),
        (f64::INFINITY, u64::MAX),
    ] {
        let mut metrics = CONTAINER;
        metrics[1].2 = value;
        assert_eq!(container(&metrics, "").memory_bytes, expected);
    }
}
