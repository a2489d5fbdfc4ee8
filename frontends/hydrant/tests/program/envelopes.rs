//! Envelopes, good and bad.

use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v1::log_message::MessageType;
use hydrant_proto::{v1, v2};
use prost::Message;

/// A v1 log of an app.
pub(crate) fn v1_log(app: &str, message: &str, timestamp: i64) -> Vec<u8> {
    v1::Envelope {
        origin: "test".into(),
        event_type: EventType::LogMessage.into(),
        timestamp: Some(timestamp),
        log_message: Some(v1::LogMessage {
            message: message.to_owned().into(),
            message_type: MessageType::Out.into(),
            timestamp,
            app_id: Some(app.into()),
            source_type: Some("APP".into()),
            source_instance: Some("0".into()),
        }),
        ..v1::Envelope::default()
    }
    .encode_to_vec()
}

/// A v2 log of an app.
pub(crate) fn v2_log(app: &str, message: &str) -> Vec<u8> {
    let log = v2::Log {
        payload: message.to_owned().into(),
        r#type: 0,
    };
    v2::Envelope {
        source_id: app.into(),
        instance_id: "0".into(),
        message: Some(v2::envelope::Message::Log(log)),
        ..v2::Envelope::default()
    }
    .encode_to_vec()
}

/// With its length in front, as on TCP.
pub(crate) fn framed(envelope: &[u8]) -> Vec<u8> {
    let length = u32::try_from(envelope.len()).unwrap().to_le_bytes();
    [&length, envelope].concat()
}

/// Numbers that look random and are the same in each run (xorshift64*).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound
    }
}
