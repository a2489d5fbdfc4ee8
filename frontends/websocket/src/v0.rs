//! The first generation's messages (2013, protobuf package `logmessage`), which clients of `/tail/`,
//! `/recent` and `/dump/` read: logs only, and without an envelope.

use bytes::Bytes;
use hydrant_engine::clock::UnixNanos;
use hydrant_proto::v1;
use hydrant_proto::v1::envelope::EventType;
use prost::Message;
use std::fmt::Write;

/// The first generation's log. Its numbers are those of v1 up to 4; the timestamp is not encoded as
/// there, so that the one cannot be read as the other.
#[derive(Clone, PartialEq, Message)]
struct LogMessage {
    #[prost(bytes = "bytes", required, tag = "1")]
    message: Bytes,
    /// 1 for output, 2 for errors, as in v1.
    #[prost(int32, required, tag = "2")]
    message_type: i32,
    /// Nanoseconds since the Unix epoch.
    #[prost(sint64, required, tag = "3")]
    timestamp: i64,
    #[prost(string, required, tag = "4")]
    app_id: String,
    #[prost(string, optional, tag = "6")]
    source_id: Option<String>,
    #[prost(string, optional, tag = "8")]
    source_name: Option<String>,
}

/// The log of a v1 envelope in the first generation's form; nothing if it is something else.
///
/// As upstream's bridge (2014-2016): what is absent in v1 becomes empty, and is written.
pub(crate) fn log_message(envelope: &[u8]) -> Option<Bytes> {
    let envelope = v1::Envelope::decode(envelope).ok()?;
    if envelope.event_type != EventType::LogMessage as i32 {
        return None;
    }
    let log = envelope.log_message?;
    let translated = LogMessage {
        message: log.message,
        message_type: log.message_type,
        timestamp: log.timestamp,
        app_id: log.app_id.unwrap_or_default(),
        source_id: Some(log.source_instance.unwrap_or_default()),
        source_name: Some(log.source_type.unwrap_or_default()),
    };
    Some(translated.encode_to_vec().into())
}

/// The body of a 401: a log of the app's that says why, in the text form that Go gave it in 2014.
/// Clients look for `text` in it.
pub(crate) fn unauthorized(app: &str, text: &str, now: UnixNanos) -> String {
    format!(
        "You are not authorized. message:{} message_type:ERR timestamp:{} app_id:{} \
         source_name:\"LGR\" ",
        quoted(text),
        now.0,
        quoted(app),
    )
}

/// A string in the text form of protocol buffers: what is not printable ASCII is written byte by
/// byte, in three octal digits.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for byte in text.bytes() {
        match byte {
            b'\n' => quoted.push_str("\\n"),
            b'\r' => quoted.push_str("\\r"),
            b'\t' => quoted.push_str("\\t"),
            b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
            b' '..=b'~' => quoted.push(char::from(byte)),
            _ => {
                // To write to a string cannot fail.
                let _always_ok = write!(quoted, "\\{byte:03o}");
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_proto::v1::log_message::MessageType;

    const NOW: UnixNanos = UnixNanos(1_383_147_578_860_054_000);

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.map(byte).collect()
    }

    /// A v1 envelope that Metron made of a log of 2013, and that log.
    const V1: &str = "0a066c6567616379100542200a0548656c6c6f100118f0cb94efd0acfb981322036170702a03\
                      417070320130";
    const V0: &str = "0a0548656c6c6f100118e097a9dea1d9f6b12622036170703201304203417070";

    #[test]
    fn a_log_becomes_what_it_was_in_2013() {
        assert_eq!(log_message(&bytes(V1)).unwrap(), bytes(V0));
    }

    #[test]
    fn what_is_absent_is_written_as_empty() {
        let envelope = v1::Envelope {
            event_type: EventType::LogMessage as i32,
            log_message: Some(v1::LogMessage {
                message: Bytes::from_static(b"\xff"),
                message_type: MessageType::Err as i32,
                timestamp: -1,
                ..Default::default()
            }),
            ..Default::default()
        };
        let expected = bytes("0a01ff10021801220032004200");
        assert_eq!(log_message(&envelope.encode_to_vec()).unwrap(), expected);
    }

    #[test]
    fn nothing_else_has_a_form() {
        let mut envelope = v1::Envelope {
            event_type: EventType::LogMessage as i32,
            ..Default::default()
        };
        assert_eq!(log_message(&envelope.encode_to_vec()), None);
        envelope.log_message = Some(v1::LogMessage::default());
        envelope.event_type = EventType::ValueMetric as i32;
        assert_eq!(log_message(&envelope.encode_to_vec()), None);
        assert_eq!(log_message(b"\xff"), None);
    }

    #[test]
    fn an_error_as_text_is_as_go_wrote_it() {
        let text = unauthorized("myApp", "Error: Invalid authorization", NOW);
        let expected = "You are not authorized. message:\"Error: Invalid authorization\" \
                        message_type:ERR timestamp:1383147578860054000 app_id:\"myApp\" \
                        source_name:\"LGR\" ";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_a_client_calls_an_app_cannot_break_out_of_its_quotes() {
        let cases = [
            ("", r#""""#),
            ("it's ~ \u{7f}", r#""it's ~ \177""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\n\r\t\0", r#""\n\r\t\000""#),
            ("é", r#""\303\251""#),
        ];
        for (text, expected) in cases {
            assert_eq!(quoted(text), expected);
        }
    }
}
