//! Records into the version that a frontend speaks, once per record.

use hydrant_engine::record::{Record, SourceRule, Version};
use hydrant_proto::convert::{SourceFallback, to_v1, to_v2};
use hydrant_proto::{v1, v2};
use prost::Message;

/// The record's v1 envelopes, encoded one after the other by `each`: one as it came, or what a v2
/// envelope becomes (none for an event, several for a gauge of several metrics).
pub fn v1_messages(record: &Record<'_>, mut each: impl FnMut(&[u8])) {
    match record.header.version {
        Version::V1 => each(record.envelope),
        Version::V2 => {
            let mut bytes = Vec::new();
            for envelope in v1_of_v2(record.envelope) {
                bytes.clear();
                envelope.encode_raw(&mut bytes);
                each(&bytes);
            }
        }
    }
}

/// The record as a v2 envelope; nothing if its bytes cannot be read, which the engine has excluded.
pub fn v2_envelope(record: &Record<'_>) -> Option<v2::Envelope> {
    match record.header.version {
        Version::V2 => v2::Envelope::decode(record.envelope).ok(),
        Version::V1 => {
            let envelope = v1::Envelope::decode(record.envelope).ok()?;
            Some(to_v2(envelope, fallback(record.header.source_rule)))
        }
    }
}

fn v1_of_v2(envelope: &[u8]) -> Vec<v1::Envelope> {
    v2::Envelope::decode(envelope)
        .map(to_v1)
        .unwrap_or_default()
}

fn fallback(rule: SourceRule) -> SourceFallback {
    match rule {
        SourceRule::Origin => SourceFallback::Origin,
        SourceRule::DeploymentJob => SourceFallback::DeploymentJob,
    }
}
