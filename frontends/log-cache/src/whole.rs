//! Envelopes and messages with something odd, by way of objects.

use hydrant_engine::decode;
use hydrant_engine::record::{Kind, SourceRule, Version};
use hydrant_feed::wire::fields::{COUNTER, EVENT, GAUGE, LOG, TIMER};
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::{Counter, Envelope, Event, Gauge, Log, Timer};
use prost::Message as _;

/// The key of an envelope that is kept whole; no field of an envelope has it.
pub(crate) const KEY: u8 = 0xff;

/// What a whole envelope says.
pub(crate) fn kind(envelope: &[u8]) -> Option<Kind> {
    let checked = decode::envelope(envelope, Version::V2, SourceRule::DeploymentJob);
    checked.ok().map(|checked| checked.kind)
}

/// The message of a field with this key, or of a whole envelope.
#[cold]
pub(crate) fn message(key: u8, bytes: &[u8]) -> Option<Message> {
    match key {
        LOG => Log::decode(bytes).ok().map(Message::Log),
        COUNTER => Counter::decode(bytes).ok().map(Message::Counter),
        GAUGE => Gauge::decode(bytes).ok().map(Message::Gauge),
        TIMER => Timer::decode(bytes).ok().map(Message::Timer),
        EVENT => Event::decode(bytes).ok().map(Message::Event),
        KEY => Envelope::decode(bytes).ok()?.message,
        _ => None,
    }
}

/// The tags of a whole envelope, and its instance.
pub(crate) fn labels(envelope: &[u8]) -> (Vec<(String, String)>, String) {
    let envelope = Envelope::decode(envelope).unwrap_or_default();
    (envelope.tags.into_iter().collect(), envelope.instance_id)
}

/// The bytes that `bytes` are with another gauge.
pub(crate) fn with_gauge(key: u8, bytes: &[u8], gauge: Gauge) -> Vec<u8> {
    match Envelope::decode(bytes) {
        Ok(mut envelope) if key == KEY => {
            envelope.message = Some(Message::Gauge(gauge));
            envelope.encode_to_vec()
        }
        _ => gauge.encode_to_vec(),
    }
}
