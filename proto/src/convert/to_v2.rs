//! v1 envelopes to v2.

use std::collections::BTreeMap;
use std::mem;

use super::{INSTANCE_ID, SOURCE_ID, V1_TYPE};
use crate::v1::envelope::EventType;
use crate::v1::log_message::MessageType;
use crate::v2::envelope::Message;
use crate::{uuid, v1, v2};

/// What the source id of a v1 envelope is when neither the event nor a tag names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceFallback {
    /// Doppler's rule: `deployment/job`, if there is no tag `source_id`. An empty tag counts.
    DeploymentJob,
    /// The agents' rule for UDP: the origin, if there is no tag `source_id` or it is empty.
    Origin,
}

/// The v2 form of a v1 envelope, with all tags in `tags` and none in `deprecated_tags`.
///
/// - `origin`, `deployment`, `job`, `index`, `ip` and the type's name (`__v1_type`) become
///   tags, also when empty, over tags of these names.
/// - The source is the event's application, else the tag `source_id`, else `fallback`'s.
/// - The timestamp is the envelope's; a log message's own is lost.
/// - A missing event reads as one of default values. An envelope of an unknown type gets no
///   message, and an unknown method or peer type is tagged with its number.
pub fn to_v2(mut envelope: v1::Envelope, fallback: SourceFallback) -> v2::Envelope {
    let source_id = source_id(&mut envelope, fallback);
    let event_type = EventType::try_from(envelope.event_type).ok();
    let mut result = v2::Envelope {
        timestamp: envelope.timestamp(),
        source_id,
        tags: base_tags(&mut envelope, event_type),
        ..Default::default()
    };
    result.message = event_type.map(|event_type| match event_type {
        EventType::LogMessage => log(envelope.log_message.unwrap_or_default(), &mut result),
        EventType::HttpStartStop => {
            timer(envelope.http_start_stop.unwrap_or_default(), &mut result)
        }
        EventType::ValueMetric => value(envelope.value_metric.unwrap_or_default(), &mut result),
        EventType::CounterEvent => counter(envelope.counter_event.unwrap_or_default(), &mut result),
        EventType::Error => error(envelope.error.unwrap_or_default(), &mut result),
        EventType::ContainerMetric => {
            container(envelope.container_metric.unwrap_or_default(), &mut result)
        }
    });
    result
}

fn source_id(envelope: &mut v1::Envelope, fallback: SourceFallback) -> String {
    let tag = envelope.tags.remove(SOURCE_ID);
    match fallback {
        SourceFallback::DeploymentJob => {
            tag.unwrap_or_else(|| format!("{}/{}", envelope.deployment(), envelope.job()))
        }
        SourceFallback::Origin => tag
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| envelope.origin.clone()),
    }
}

fn base_tags(
    envelope: &mut v1::Envelope,
    event_type: Option<EventType>,
) -> BTreeMap<String, String> {
    let type_name = name(
        event_type.map(|known| known.as_str_name()),
        envelope.event_type,
    );
    let mut tags = mem::take(&mut envelope.tags);
    set(&mut tags, "origin", mem::take(&mut envelope.origin));
    set(
        &mut tags,
        "deployment",
        envelope.deployment.take().unwrap_or_default(),
    );
    set(&mut tags, "job", envelope.job.take().unwrap_or_default());
    set(
        &mut tags,
        "index",
        envelope.index.take().unwrap_or_default(),
    );
    set(&mut tags, "ip", envelope.ip.take().unwrap_or_default());
    set(&mut tags, V1_TYPE, type_name);
    tags
}

fn log(event: v1::LogMessage, envelope: &mut v2::Envelope) -> Message {
    let r#type = match MessageType::try_from(event.message_type) {
        Ok(MessageType::Err) => v2::log::Type::Err,
        _ => v2::log::Type::Out,
    };
    set(
        &mut envelope.tags,
        "source_type",
        event.source_type.unwrap_or_default(),
    );
    envelope.instance_id = event.source_instance.unwrap_or_default();
    set_application(envelope, event.app_id.unwrap_or_default());
    Message::Log(v2::Log {
        payload: event.message,
        r#type: r#type.into(),
    })
}

fn timer(event: v1::HttpStartStop, envelope: &mut v2::Envelope) -> Message {
    let application_id = event.application_id.unwrap_or_default();
    if application_id != v1::Uuid::default() {
        envelope.source_id = uuid::print(application_id);
    }
    envelope.instance_id = event.instance_index().to_string();
    let timer = v2::Timer {
        name: "http".to_owned(),
        start: event.start_timestamp,
        stop: event.stop_timestamp,
    };
    set_request_tags(&mut envelope.tags, event);
    Message::Timer(timer)
}

fn set_request_tags(tags: &mut BTreeMap<String, String>, event: v1::HttpStartStop) {
    let peer_type = v1::PeerType::try_from(event.peer_type).ok();
    let method = v1::Method::try_from(event.method).ok();
    set(tags, "request_id", uuid::print(event.request_id));
    set(
        tags,
        "peer_type",
        name(peer_type.map(|known| known.as_str_name()), event.peer_type),
    );
    set(
        tags,
        "method",
        name(method.map(|known| known.as_str_name()), event.method),
    );
    set(tags, "uri", event.uri);
    set(tags, "remote_address", event.remote_address);
    set(tags, "user_agent", event.user_agent);
    set(tags, "status_code", event.status_code.to_string());
    set(tags, "content_length", event.content_length.to_string());
    set(
        tags,
        "routing_instance_id",
        event.instance_id.unwrap_or_default(),
    );
    set(tags, "forwarded", event.forwarded.join("\n"));
}

/// Upstream leaves the tag `instance_id` in place here, and takes it away in [`counter`].
fn value(event: v1::ValueMetric, envelope: &mut v2::Envelope) -> Message {
    envelope.instance_id = envelope.tags.get(INSTANCE_ID).cloned().unwrap_or_default();
    let value = v2::GaugeValue {
        unit: event.unit,
        value: event.value,
    };
    Message::Gauge(v2::Gauge {
        metrics: BTreeMap::from([(event.name, value)]),
    })
}

fn counter(event: v1::CounterEvent, envelope: &mut v2::Envelope) -> Message {
    envelope.instance_id = envelope.tags.remove(INSTANCE_ID).unwrap_or_default();
    let total = event.total();
    Message::Counter(v2::Counter {
        name: event.name,
        delta: event.delta,
        total,
    })
}

fn error(event: v1::Error, envelope: &mut v2::Envelope) -> Message {
    set(&mut envelope.tags, "source", event.source);
    set(&mut envelope.tags, "code", event.code.to_string());
    let r#type = v2::log::Type::Out.into();
    Message::Log(v2::Log {
        payload: event.message.into(),
        r#type,
    })
}

fn container(event: v1::ContainerMetric, envelope: &mut v2::Envelope) -> Message {
    envelope.instance_id = event.instance_index.to_string();
    let percentage = v2::GaugeValue {
        unit: "percentage".into(),
        value: event.cpu_percentage,
    };
    let metrics = BTreeMap::from([
        ("cpu".to_owned(), percentage),
        ("memory".to_owned(), bytes(event.memory_bytes)),
        ("disk".to_owned(), bytes(event.disk_bytes)),
        ("memory_quota".to_owned(), bytes(event.memory_bytes_quota())),
        ("disk_quota".to_owned(), bytes(event.disk_bytes_quota())),
    ]);
    set_application(envelope, event.application_id);
    Message::Gauge(v2::Gauge { metrics })
}

/// Exact up to 2^53 bytes: v2 has nothing but doubles.
fn bytes(count: u64) -> v2::GaugeValue {
    v2::GaugeValue {
        unit: "bytes".to_owned(),
        value: count as f64,
    }
}

fn set_application(envelope: &mut v2::Envelope, id: String) {
    if !id.is_empty() {
        envelope.source_id = id;
    }
}

fn set(tags: &mut BTreeMap<String, String>, key: &str, value: String) {
    tags.insert(key.to_owned(), value);
}

/// What Go calls an enum's value: its number, if it has no name.
fn name(known: Option<&str>, number: i32) -> String {
    known.map_or_else(|| number.to_string(), str::to_owned)
}
