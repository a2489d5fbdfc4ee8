//! The events of v1, each written from the parts of a v2 envelope, by the rules of
//! [`to_v1`](hydrant_proto::convert::to_v1).

use super::scan::Parts;
use super::write::Writer;
use crate::wire::fields::{Counter, Log, Metric, Timer};
use hydrant_proto::convert::numbers::{byte_count, index, number, whole, wrapped};
use hydrant_proto::uuid;
use hydrant_proto::v1::log_message::MessageType;
use hydrant_proto::v1::{Method, PeerType};
use std::str;

/// A `LogMessage`.
#[inline(always)]
pub(super) fn log(parts: &Parts<'_>, log: Log<'_>, event: &mut Writer) {
    let message_type = match log.r#type & 0xffff_ffff {
        0 => MessageType::Out,
        _ => MessageType::Err,
    };
    event.bytes(1, log.payload);
    event.int32(2, message_type.into());
    event.same_number(3, parts.timestamp);
    event.bytes(4, parts.source_id);
    event.bytes(5, parts.source_type.unwrap_or_default());
    event.bytes(6, parts.instance_id);
}

/// A `CounterEvent`.
pub(super) fn counter(counter: Counter<'_>, event: &mut Writer) {
    event.bytes(1, counter.name);
    event.same_number(2, counter.delta);
    event.same_number(3, counter.total);
}

/// A `ValueMetric`.
pub(super) fn value(name: &[u8], metric: Metric<'_>, event: &mut Writer) {
    event.bytes(1, name);
    event.double(2, metric.value);
    event.bytes(3, metric.unit);
}

/// A `ContainerMetric`; nothing is written and `None` given unless all five of a container's
/// metrics are there and not blank.
pub(super) fn container(parts: &Parts<'_>, event: &mut Writer) -> Option<()> {
    let required = |name: &[u8]| {
        let metric = parts.metrics.get(name)?;
        (!metric.unit.is_empty() || metric.value != 0.0).then_some(metric.value)
    };
    let cpu = required(b"cpu")?;
    let bytes = [
        required(b"memory")?,
        required(b"disk")?,
        required(b"memory_quota")?,
        required(b"disk_quota")?,
    ];
    let instance_index = match parts.metrics.get(b"instance_index") {
        Some(metric) => whole(metric.value),
        None => index(text(parts.instance_id)),
    };
    event.bytes(1, parts.source_id);
    event.int32(2, instance_index);
    event.double(3, cpu);
    for (field, value) in (4..).zip(bytes) {
        event.number(field, byte_count(value));
    }
    Some(())
}

/// An `HttpStartStop`.
pub(super) fn timer(parts: &mut Parts<'_>, timer: Timer<'_>, event: &mut Writer) {
    let request_id = uuid::parse(text(parts.take(b"request_id"))).unwrap_or_default();
    let peer_type = PeerType::from_str_name(text(parts.take(b"peer_type")));
    let method = Method::from_str_name(text(parts.take(b"method")));
    event.same_number(1, timer.start);
    event.same_number(2, timer.stop);
    event.numbers(3, [request_id.low, request_id.high]);
    event.int32(4, peer_type.map_or(0, i32::from));
    event.int32(5, method.map_or(0, i32::from));
    event.bytes(6, parts.take(b"uri"));
    event.bytes(7, parts.take(b"remote_address"));
    event.bytes(8, parts.take(b"user_agent"));
    event.int32(9, wrapped(number(text(parts.take(b"status_code")))));
    let content_length = number(text(parts.take(b"content_length")));
    event.number(10, content_length.cast_unsigned());
    if let Some(app) = uuid::parse(text(parts.source_id)) {
        event.numbers(12, [app.low, app.high]);
    }
    event.int32(13, index(text(parts.instance_id)));
    event.bytes(14, parts.take(b"routing_instance_id"));
    // Nothing forwarded is one empty element, as Go splits.
    for address in parts.take(b"forwarded").split(|byte| *byte == b'\n') {
        event.bytes(15, address);
    }
}

/// What is to be read as a number or a name; who has checked the envelope knows that it is a text.
fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or_default()
}
