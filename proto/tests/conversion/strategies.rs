//! Envelopes to try: any, and v1 envelopes of which the conversion loses nothing.

use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::value::Data;
use hydrant_proto::{uuid, v1, v2};
use proptest::collection::{btree_map, vec};
use proptest::num::f64;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// Keys with a meaning of their own.
const KEYS: &[&str] = &[
    "__v1_type",
    "origin",
    "deployment",
    "job",
    "index",
    "ip",
    "source_id",
    "instance_id",
    "source_type",
    "source",
    "code",
    "request_id",
    "peer_type",
    "method",
    "forwarded",
    "status_code",
];
/// Texts with a meaning of their own.
const TEXTS: &[&str] = &[
    "",
    "Error",
    "GET",
    "Client",
    "7",
    "-1",
    "99999999999",
    "é\n",
];
/// A container's metrics, and one other.
const METRICS: &[&str] = &[
    "cpu",
    "memory",
    "disk",
    "memory_quota",
    "disk_quota",
    "instance_index",
    "m",
];

fn one_of(known: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(known).prop_map(str::to_owned)
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![one_of(KEYS), "[a-z]{0,3}"]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![one_of(TEXTS), "\\PC{0,6}"]
}

fn uuid_words() -> impl Strategy<Value = v1::Uuid> {
    let word = || prop_oneof![Just(0), any::<u64>()];
    (word(), word()).prop_map(|(low, high)| v1::Uuid { low, high })
}

fn uuid_text() -> impl Strategy<Value = String> {
    prop_oneof![uuid_words().prop_map(uuid::print), text()]
}

prop_compose! {
    fn log_message()(
        message: Vec<u8>, message_type in 0..4, timestamp: i64, app_id in option::of(uuid_text()),
        source_type in option::of(text()), source_instance in option::of(text()),
    ) -> v1::LogMessage {
        let message = message.into();
        v1::LogMessage { message, message_type, timestamp, app_id, source_type, source_instance }
    }
}

prop_compose! {
    fn http_start_stop()(
        (start_timestamp, stop_timestamp) in any::<(i64, i64)>(), request_id in uuid_words(),
        peer_type in 0..4, method in 0..50, (status_code, content_length) in any::<(i32, i64)>(),
        [uri, remote_address, user_agent] in [text(), text(), text()],
        application_id in option::of(uuid_words()), instance_index: Option<i32>,
        instance_id in option::of(text()), forwarded in vec(text(), 0..3),
    ) -> v1::HttpStartStop {
        v1::HttpStartStop {
            start_timestamp, stop_timestamp, request_id, peer_type, method, uri, remote_address,
            user_agent, status_code, content_length, application_id, instance_index, instance_id,
            forwarded,
        }
    }
}

prop_compose! {
    fn value_metric()(name in text(), value in f64::ANY, unit in text()) -> v1::ValueMetric {
        v1::ValueMetric { name, value, unit }
    }
}

prop_compose! {
    fn counter_event()(name in text(), delta: u64, total: Option<u64>) -> v1::CounterEvent {
        v1::CounterEvent { name, delta, total }
    }
}

prop_compose! {
    fn error()(source in text(), code: i32, message in text()) -> v1::Error {
        v1::Error { source, code, message }
    }
}

prop_compose! {
    fn container_metric()(
        application_id in uuid_text(), instance_index: i32, cpu_percentage in f64::ANY,
        (memory_bytes, disk_bytes) in any::<(u64, u64)>(),
        (memory_bytes_quota, disk_bytes_quota) in any::<(Option<u64>, Option<u64>)>(),
    ) -> v1::ContainerMetric {
        v1::ContainerMetric {
            application_id, instance_index, cpu_percentage, memory_bytes, disk_bytes,
            memory_bytes_quota, disk_bytes_quota,
        }
    }
}

/// Boxed, because an unoptimised test's stack has no room for all of them side by side.
fn event<T: std::fmt::Debug>(
    event: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Option<T>> {
    option::of(event).boxed()
}

prop_compose! {
    /// Any v1 envelope: of known and unknown types, with and without the event it announces.
    pub(crate) fn any_v1()(
        origin in text(), event_type in 0..11, timestamp: Option<i64>,
        [deployment, job, index, ip] in [(); 4].map(|()| option::of(text())),
        tags in btree_map(key(), text(), 0..6),
        http_start_stop in event(http_start_stop()), log_message in event(log_message()),
        value_metric in event(value_metric()), counter_event in event(counter_event()),
        error in event(error()), container_metric in event(container_metric()),
    ) -> v1::Envelope {
        v1::Envelope {
            origin, event_type, timestamp, deployment, job, index, ip, tags, http_start_stop,
            log_message, value_metric, counter_event, error, container_metric,
        }
    }
}

prop_compose! {
    /// A v1 envelope as [`hydrant_proto::convert::to_v1`] writes it, still without an event.
    fn written(event_type: EventType)(
        origin in text(), timestamp: i64, [deployment, job, index, ip] in [(); 4].map(|()| text()),
        mut tags in btree_map("[a-z]-[a-z]", text(), 0..4), source_id in "[a-z/]{1,9}",
    ) -> v1::Envelope {
        tags.insert("source_id".to_owned(), source_id);
        v1::Envelope {
            origin, event_type: event_type.into(), timestamp: Some(timestamp),
            deployment: Some(deployment), job: Some(job), index: Some(index), ip: Some(ip), tags,
            ..Default::default()
        }
    }
}

/// The same, for events whose instance id is a tag.
fn written_with_instance(event_type: EventType) -> impl Strategy<Value = v1::Envelope> {
    (written(event_type), option::of("[0-9a-f]{1,4}")).prop_map(|(mut envelope, instance_id)| {
        envelope
            .tags
            .extend(instance_id.map(|id| ("instance_id".to_owned(), id)));
        envelope
    })
}

prop_compose! {
    pub(crate) fn written_log()(
        envelope in written(EventType::LogMessage), event in log_message(), message_type in 1..=2,
        source_type in text(), source_instance in text(),
    ) -> v1::Envelope {
        let event = v1::LogMessage {
            message_type,
            timestamp: envelope.timestamp(),
            app_id: envelope.tags.get("source_id").cloned(),
            source_type: Some(source_type),
            source_instance: Some(source_instance),
            ..event
        };
        v1::Envelope { log_message: Some(event), ..envelope }
    }
}

prop_compose! {
    pub(crate) fn written_request()(
        mut envelope in written(EventType::HttpStartStop), event in http_start_stop(),
        peer_type in 0..=2, method in 0..=44, (low, high) in (1_u64.., any::<u64>()),
        names_app: bool, instance_index: i32, instance_id in text(),
        forwarded in vec("[0-9.]{0,9}", 1..4),
    ) -> v1::Envelope {
        let application_id = names_app.then_some(v1::Uuid { low, high });
        if let Some(id) = application_id {
            envelope.tags.insert("source_id".to_owned(), uuid::print(id));
        }
        let event = v1::HttpStartStop {
            peer_type, method, application_id, instance_index: Some(instance_index),
            instance_id: Some(instance_id), forwarded, ..event
        };
        v1::Envelope { http_start_stop: Some(event), ..envelope }
    }
}

prop_compose! {
    pub(crate) fn written_value()(
        envelope in written_with_instance(EventType::ValueMetric), event in value_metric(),
    ) -> v1::Envelope {
        v1::Envelope { value_metric: Some(event), ..envelope }
    }
}

prop_compose! {
    pub(crate) fn written_counter()(
        envelope in written_with_instance(EventType::CounterEvent), event in counter_event(),
        total: u64,
    ) -> v1::Envelope {
        let event = v1::CounterEvent { total: Some(total), ..event };
        v1::Envelope { counter_event: Some(event), ..envelope }
    }
}

prop_compose! {
    pub(crate) fn written_error()(
        envelope in written(EventType::Error), event in error(),
    ) -> v1::Envelope {
        v1::Envelope { error: Some(event), ..envelope }
    }
}

prop_compose! {
    pub(crate) fn written_container()(
        envelope in written(EventType::ContainerMetric), instance_index: i32,
        cpu_percentage in f64::ANY,
        [memory, disk, memory_quota, disk_quota] in [(); 4].map(|()| 0..=1_u64 << 53),
    ) -> v1::Envelope {
        let event = v1::ContainerMetric {
            application_id: envelope.tags["source_id"].clone(),
            instance_index,
            cpu_percentage,
            memory_bytes: memory,
            disk_bytes: disk,
            memory_bytes_quota: Some(memory_quota),
            disk_bytes_quota: Some(disk_quota),
        };
        v1::Envelope { container_metric: Some(event), ..envelope }
    }
}

fn value() -> impl Strategy<Value = v2::Value> {
    let data = prop_oneof![
        text().prop_map(Data::Text),
        any::<i64>().prop_map(Data::Integer),
        f64::ANY.prop_map(Data::Decimal),
    ];
    option::of(data).prop_map(|data| v2::Value { data })
}

fn gauge() -> impl Strategy<Value = v2::Gauge> {
    let number = prop_oneof![Just(0.0), f64::ANY];
    let metric = (prop_oneof![Just(String::new()), text()], number)
        .prop_map(|(unit, value)| v2::GaugeValue { unit, value });
    btree_map(one_of(METRICS), metric, 0..12).prop_map(|metrics| v2::Gauge { metrics })
}

fn message() -> impl Strategy<Value = Message> {
    let bytes = any::<Vec<u8>>();
    let log = (bytes, 0..3).prop_map(|(payload, r#type)| {
        Message::Log(v2::Log {
            payload: payload.into(),
            r#type,
        })
    });
    let counter = (text(), any::<(u64, u64)>())
        .prop_map(|(name, (delta, total))| Message::Counter(v2::Counter { name, delta, total }));
    let timer = (text(), any::<(i64, i64)>())
        .prop_map(|(name, (start, stop))| Message::Timer(v2::Timer { name, start, stop }));
    let event =
        (text(), text()).prop_map(|(title, body)| Message::Event(v2::Event { title, body }));
    prop_oneof![log, counter, gauge().prop_map(Message::Gauge), timer, event]
}

prop_compose! {
    /// Any v2 envelope.
    pub(crate) fn any_v2()(
        timestamp: i64, source_id in uuid_text(), instance_id in text(),
        deprecated_tags in btree_map(key(), value(), 0..5),
        tags in btree_map(key(), uuid_text(), 0..5), message in option::of(message()),
    ) -> v2::Envelope {
        v2::Envelope { timestamp, source_id, instance_id, deprecated_tags, tags, message }
    }
}
