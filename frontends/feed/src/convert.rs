//! Records into the version that a frontend speaks, once per record.

mod events;
mod scan;
mod v1_form;
mod write;

use hydrant_engine::record::{Record, SourceRule, Version};
use hydrant_proto::convert::{SourceFallback, to_v2};
use hydrant_proto::{v1, v2};
use prost::Message;
pub use v1_form::V1Form;

/// The record's v1 envelopes as [`V1Form::messages`] gives them, for who has only one record.
pub fn v1_messages(record: &Record<'_>, each: impl FnMut(&[u8])) {
    V1Form::default().messages(record, each);
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

fn fallback(rule: SourceRule) -> SourceFallback {
    match rule {
        SourceRule::Origin => SourceFallback::Origin,
        SourceRule::DeploymentJob => SourceFallback::DeploymentJob,
    }
}
