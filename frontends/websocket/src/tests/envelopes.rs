//! Envelopes to send.

use hydrant_engine::clock::UnixNanos;
use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v1::log_message::MessageType;
use hydrant_proto::{v1, v2};
use prost::Message;

/// A v1 log of an app, its number in the text.
pub(super) fn log(app: &str, number: usize) -> Vec<u8> {
    large_log(app, number, 0)
}

/// As [`log`], with this many bytes more.
pub(super) fn large_log(app: &str, number: usize, bytes: usize) -> Vec<u8> {
    let text = format!("line {number} {}", "x".repeat(bytes));
    v1::Envelope {
        origin: "test".into(),
        event_type: EventType::LogMessage as i32,
        log_message: Some(v1::LogMessage {
            message: text.into_bytes().into(),
            message_type: MessageType::Out as i32,
            app_id: Some(app.into()),
            ..Default::default()
        }),
        ..Default::default()
    }
    .encode_to_vec()
}

/// A v1 counter that is about an app by its tag only.
pub(super) fn counter(app: &str, name: &str) -> Vec<u8> {
    v1::Envelope {
        origin: "test".into(),
        event_type: EventType::CounterEvent as i32,
        counter_event: Some(v1::CounterEvent {
            name: name.into(),
            delta: 1,
            ..Default::default()
        }),
        tags: [("source_id".to_owned(), app.to_owned())].into(),
        ..Default::default()
    }
    .encode_to_vec()
}

/// A container metric of an app.
pub(super) fn container(app: &str) -> Vec<u8> {
    container_at(app, UnixNanos(0))
}

/// A container metric of an app, measured then.
pub(super) fn container_at(app: &str, then: UnixNanos) -> Vec<u8> {
    v1::Envelope {
        timestamp: Some(then.0.try_into().unwrap()),
        origin: "test".into(),
        event_type: EventType::ContainerMetric as i32,
        container_metric: Some(v1::ContainerMetric {
            application_id: app.into(),
            ..Default::default()
        }),
        ..Default::default()
    }
    .encode_to_vec()
}

/// A v2 envelope of a source.
pub(super) fn v2_envelope(source: &str, message: v2::envelope::Message) -> v2::Envelope {
    v2::Envelope {
        source_id: source.into(),
        timestamp: 7,
        message: Some(message),
        ..Default::default()
    }
}
