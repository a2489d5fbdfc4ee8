//! What of a record is worth keeping, and how it is shown.

use crate::recent::metrics::Metric;
use bytes::Bytes;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::decode::{fields, whole_fields};
use hydrant_engine::record::{Header, Kind, Record, SourceRule, Version};
use hydrant_feed::convert::v1_messages;
use hydrant_proto::v1;
use hydrant_proto::v1::envelope::EventType;
use prost::Message;

const V1_LOG: u64 = 8;
const V1_LOG_APP: u64 = 4;
const V1_EVENT_TYPE: u64 = 2;
/// The whole field: a varint, 9.
const V1_IS_CONTAINER: [u8; 2] = [2 << 3, 9];
const V2_GAUGE: u64 = 6;
const V2_GAUGE_METRIC: u64 = 1;
const MAP_KEY: u64 = 1;

/// Whether a v1 log names an app; if not, its source is somebody nobody can ask for. A quick look:
/// what it lets through by mistake is left out when logs are shown.
#[inline]
pub(super) fn names_app(envelope: &[u8]) -> bool {
    let mut logs = fields(envelope).filter(|(number, _)| *number == V1_LOG);
    logs.any(|(_, log)| fields(log).any(|(number, id)| number == V1_LOG_APP && !id.is_empty()))
}

/// A log as v1, if it is one of this app: equal hashes do not mean equal ids, and what in v2 is a
/// log can be an error in v1.
pub(super) fn v1_log(version: Version, envelope: &[u8], app: &str) -> Option<Bytes> {
    let header = Header {
        version,
        kind: Kind::Log,
        // None of these has a part in v1.
        source_rule: SourceRule::DeploymentJob,
        source_hash: 0,
        received: UnixNanos(0),
    };
    let mut found = None;
    v1_messages(&Record { header, envelope }, |message| {
        if is_log_of(message, app) {
            found = Some(Bytes::copy_from_slice(message));
        }
    });
    found
}

fn is_log_of(message: &[u8], app: &str) -> bool {
    let event = EventType::LogMessage as i32;
    v1::Envelope::decode(message)
        .ok()
        .filter(|envelope| envelope.event_type == event)
        .and_then(|envelope| envelope.log_message)
        .is_some_and(|log| log.app_id() == app)
}

/// The container metric that a gauge is in v1, if it is one, and the app it names. It cannot have
/// been measured after `now`: a clock ahead of ours shall not keep out all that comes later.
pub(super) fn container_metric(record: &Record<'_>, now: UnixNanos) -> Option<(String, Metric)> {
    if !may_be_container(record) {
        return None;
    }
    let mut found = None;
    v1_messages(record, |message| {
        if let Some((envelope, container)) = container(message) {
            let time = u64::try_from(envelope.timestamp()).unwrap_or(0);
            let metric = Metric {
                index: container.instance_index,
                time: UnixNanos(time).min(now),
                envelope: message.into(),
            };
            found = Some((container.application_id, metric));
        }
    });
    found
}

/// Whether a container metric in v1 is this app's.
pub(super) fn is_container_of(message: &[u8], app: &str) -> bool {
    container(message).is_some_and(|(_, container)| container.application_id == app)
}

fn container(message: &[u8]) -> Option<(v1::Envelope, v1::ContainerMetric)> {
    let mut envelope = v1::Envelope::decode(message).ok()?;
    let container = envelope.container_metric.take()?;
    let event = EventType::ContainerMetric as i32;
    (envelope.event_type == event).then_some((envelope, container))
}

/// A quick look that says no to almost every gauge that is none: in v2 a container's five metrics
/// must all be there.
#[inline]
fn may_be_container(record: &Record<'_>) -> bool {
    match record.header.version {
        // The first type that is there: nobody writes two.
        Version::V1 => whole_fields(record.envelope)
            .find(|(number, _)| *number == V1_EVENT_TYPE)
            .is_some_and(|(_, field)| field == V1_IS_CONTAINER),
        Version::V2 => {
            let found = fields(record.envelope)
                .filter(|(number, _)| *number == V2_GAUGE)
                .flat_map(|(_, gauge)| fields(gauge))
                .filter(|(number, _)| *number == V2_GAUGE_METRIC)
                .fold(0, |found, (_, metric)| found | name_bit(metric));
            found == (1 << CONTAINER_NAMES.len()) - 1
        }
    }
}

const CONTAINER_NAMES: [&[u8]; 5] = [b"cpu", b"memory", b"disk", b"memory_quota", b"disk_quota"];

/// The bit of a metric's name, if it is one of a container's.
fn name_bit(metric: &[u8]) -> u32 {
    fields(metric)
        .filter(|(number, _)| *number == MAP_KEY)
        .last()
        .and_then(|(_, name)| CONTAINER_NAMES.iter().position(|known| *known == name))
        .map_or(0, |bit| 1 << bit)
}
