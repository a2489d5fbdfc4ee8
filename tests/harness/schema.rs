//! The descriptors of both envelopes.

use hydrant_engine::record::Version;
use prost_reflect::{DescriptorPool, MessageDescriptor};
use std::sync::LazyLock;

static ENVELOPES: LazyLock<[MessageDescriptor; 2]> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(hydrant_proto::DESCRIPTORS).expect("protox wrote it");
    ["events.Envelope", "loggregator.v2.Envelope"]
        .map(|name| pool.get_message_by_name(name).expect("it is in the files"))
});

/// Events of a v1 envelope: the value of `eventType` and the field that it announces.
pub const V1_EVENTS: [(u32, u32); 6] = [(4, 7), (5, 8), (6, 9), (7, 10), (8, 11), (9, 12)];

/// The messages of a v2 envelope's oneof, by field.
pub const V2_MESSAGES: [u32; 5] = [4, 5, 6, 7, 10];

/// What an envelope of this version is made of.
pub fn envelope(version: Version) -> &'static MessageDescriptor {
    match version {
        Version::V1 => &ENVELOPES[0],
        Version::V2 => &ENVELOPES[1],
    }
}
