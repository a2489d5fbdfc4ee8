//! v2 envelopes to v1.

use std::collections::BTreeMap;
use std::mem;

use super::numbers::{byte_count, index, number, whole, wrapped};
use super::tags::Tags;
use super::{INSTANCE_ID, SOURCE_ID, V1_TYPE};
use crate::v1::envelope::EventType;
use crate::v1::log_message::MessageType;
use crate::v2::envelope::Message;
use crate::{uuid, v1, v2};

/// The v1 envelopes that say what a v2 envelope says.
///
/// None for an event, for an envelope without a message and for a gauge without metrics; one
/// for a log (an [`v1::Error`] where the tag `__v1_type` says so), a counter, a timer (whose
/// name is lost) and a gauge that holds a container's five metrics (whose other metrics are
/// lost); else one for each metric of the gauge, in the order of their names.
///
/// - Origin, deployment, job, index and ip come from their tags, "" if absent, and `source_id`
///   becomes a tag unless empty. Where `tags` and `deprecated_tags` differ, a field has what is
///   in the former and a v1 tag what is in the latter, as upstream.
/// - Text that is no number reads as 0, a name that is no method or peer type likewise.
/// - A timer whose `request_id` is no UUID gets the all-zero one. Upstream leaves the required
///   field out, cannot encode the envelope and loses it.
/// - A container's byte counts and index are its doubles without their fraction, kept within
///   the type's range, and 0 for NaN. Go leaves the result open for those out of range.
/// - An error's message has each byte sequence that is not UTF-8 replaced by U+FFFD. Upstream
///   passes it on; clients other than Go's would refuse the envelope.
pub fn to_v1(envelope: v2::Envelope) -> Vec<v1::Envelope> {
    let header = Header {
        timestamp: envelope.timestamp,
        source_id: envelope.source_id,
        instance_id: envelope.instance_id,
        tags: Tags {
            preferred: envelope.tags,
            deprecated: envelope.deprecated_tags,
        },
    };
    match envelope.message {
        Some(Message::Log(log)) => vec![log_or_error(header, log)],
        Some(Message::Counter(message)) => vec![counter(header, message)],
        Some(Message::Gauge(message)) => gauge(header, message),
        Some(Message::Timer(message)) => vec![timer(header, &message)],
        Some(Message::Event(_)) | None => Vec::new(),
    }
}

/// A v2 envelope without its message.
#[derive(Debug)]
struct Header {
    timestamp: i64,
    source_id: String,
    instance_id: String,
    tags: Tags,
}

impl Header {
    /// An envelope that lacks its event, and has every tag that was not taken before.
    fn envelope(mut self, event_type: EventType) -> v1::Envelope {
        self.tags.take(V1_TYPE);
        let mut envelope = v1::Envelope {
            origin: self.tags.take("origin"),
            event_type: event_type.into(),
            timestamp: Some(self.timestamp),
            deployment: Some(self.tags.take("deployment")),
            job: Some(self.tags.take("job")),
            index: Some(self.tags.take("index")),
            ip: Some(self.tags.take("ip")),
            tags: self.tags.merge(),
            ..Default::default()
        };
        set_unless_empty(&mut envelope.tags, SOURCE_ID, self.source_id);
        envelope
    }

    /// The same for the events that have no field for an instance id.
    fn envelope_with_instance_tag(mut self, event_type: EventType) -> v1::Envelope {
        let instance_id = mem::take(&mut self.instance_id);
        let mut envelope = self.envelope(event_type);
        set_unless_empty(&mut envelope.tags, INSTANCE_ID, instance_id);
        envelope
    }
}

fn log_or_error(mut header: Header, message: v2::Log) -> v1::Envelope {
    if header.tags.take(V1_TYPE) == EventType::Error.as_str_name() {
        error(header, &message)
    } else {
        log(header, message)
    }
}

fn log(mut header: Header, message: v2::Log) -> v1::Envelope {
    let message_type = match v2::log::Type::try_from(message.r#type) {
        Ok(v2::log::Type::Out) => MessageType::Out,
        _ => MessageType::Err,
    };
    let event = v1::LogMessage {
        message: message.payload,
        message_type: message_type.into(),
        timestamp: header.timestamp,
        app_id: Some(header.source_id.clone()),
        source_type: Some(header.tags.take("source_type")),
        source_instance: Some(mem::take(&mut header.instance_id)),
    };
    v1::Envelope {
        log_message: Some(event),
        ..header.envelope(EventType::LogMessage)
    }
}

fn error(mut header: Header, message: &v2::Log) -> v1::Envelope {
    let event = v1::Error {
        source: header.tags.take("source"),
        code: wrapped(number(&header.tags.take("code"))),
        message: String::from_utf8_lossy(&message.payload).into_owned(),
    };
    v1::Envelope {
        error: Some(event),
        ..header.envelope(EventType::Error)
    }
}

fn counter(header: Header, message: v2::Counter) -> v1::Envelope {
    let v2::Counter { name, delta, total } = message;
    let event = v1::CounterEvent {
        name,
        delta,
        total: Some(total),
    };
    let envelope = header.envelope_with_instance_tag(EventType::CounterEvent);
    v1::Envelope {
        counter_event: Some(event),
        ..envelope
    }
}

fn timer(mut header: Header, message: &v2::Timer) -> v1::Envelope {
    let tags = &mut header.tags;
    let event = v1::HttpStartStop {
        start_timestamp: message.start,
        stop_timestamp: message.stop,
        request_id: uuid::parse(&tags.take("request_id")).unwrap_or_default(),
        peer_type: v1::PeerType::from_str_name(&tags.take("peer_type")).map_or(0, i32::from),
        method: v1::Method::from_str_name(&tags.take("method")).map_or(0, i32::from),
        uri: tags.take("uri"),
        remote_address: tags.take("remote_address"),
        user_agent: tags.take("user_agent"),
        status_code: wrapped(number(&tags.take("status_code"))),
        content_length: number(&tags.take("content_length")),
        application_id: uuid::parse(&header.source_id),
        instance_index: Some(index(&header.instance_id)),
        instance_id: Some(tags.take("routing_instance_id")),
        // Nothing forwarded is one empty element, as Go splits.
        forwarded: tags
            .take("forwarded")
            .split('\n')
            .map(str::to_owned)
            .collect(),
    };
    v1::Envelope {
        http_start_stop: Some(event),
        ..header.envelope(EventType::HttpStartStop)
    }
}

fn gauge(header: Header, message: v2::Gauge) -> Vec<v1::Envelope> {
    match container(&header, &message.metrics) {
        Some(event) => {
            let envelope = header.envelope(EventType::ContainerMetric);
            vec![v1::Envelope {
                container_metric: Some(event),
                ..envelope
            }]
        }
        None => values(header, message.metrics),
    }
}

/// `None` unless all five of a container's metrics are there and not blank.
fn container(
    header: &Header,
    metrics: &BTreeMap<String, v2::GaugeValue>,
) -> Option<v1::ContainerMetric> {
    let required = |name| {
        metrics
            .get(name)
            .filter(|metric| **metric != v2::GaugeValue::default())
    };
    Some(v1::ContainerMetric {
        application_id: header.source_id.clone(),
        cpu_percentage: required("cpu")?.value,
        memory_bytes: byte_count(required("memory")?.value),
        disk_bytes: byte_count(required("disk")?.value),
        memory_bytes_quota: Some(byte_count(required("memory_quota")?.value)),
        disk_bytes_quota: Some(byte_count(required("disk_quota")?.value)),
        instance_index: match metrics.get("instance_index") {
            Some(metric) => whole(metric.value),
            None => index(&header.instance_id),
        },
    })
}

fn values(header: Header, metrics: BTreeMap<String, v2::GaugeValue>) -> Vec<v1::Envelope> {
    let envelope = header.envelope_with_instance_tag(EventType::ValueMetric);
    let events = metrics.into_iter().map(|(name, metric)| v1::ValueMetric {
        name,
        value: metric.value,
        unit: metric.unit,
    });
    events
        .map(|event| v1::Envelope {
            value_metric: Some(event),
            ..envelope.clone()
        })
        .collect()
}

fn set_unless_empty(tags: &mut BTreeMap<String, String>, key: &str, value: String) {
    if !value.is_empty() {
        tags.insert(key.to_owned(), value);
    }
}
