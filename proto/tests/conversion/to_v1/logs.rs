//! Logs, and what they are when they remember to have been errors.

use std::collections::BTreeMap;

use hydrant_proto::convert::to_v1;
use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::value::Data;
use hydrant_proto::{v1, v2};

use super::{APP, base, envelope, only, output, with_tags};

#[test]
fn log() {
    let source = with_tags(
        envelope(output(b"\xff line")),
        &[("source_type", "APP"), ("__v1_type", "LogMessage")],
    );
    let event = v1::LogMessage {
        message: b"\xff line"[..].into(),
        message_type: v1::log_message::MessageType::Out.into(),
        timestamp: 17,
        app_id: Some(APP.into()),
        source_type: Some("APP".into()),
        source_instance: Some("3".into()),
    };
    let expected = v1::Envelope {
        log_message: Some(event),
        ..base(EventType::LogMessage)
    };
    assert_eq!(to_v1(source), [expected]);
}

#[test]
fn log_type_is_out_or_else_err() {
    for (number, expected) in [(0, 1), (1, 2), (2, 2), (-1, 2)] {
        let log = v2::Log {
            payload: "".into(),
            r#type: number,
        };
        let converted = only(to_v1(envelope(Message::Log(log))));
        assert_eq!(converted.log_message.unwrap().message_type, expected);
    }
}

#[test]
fn log_marked_as_error() {
    let marks = [
        ("__v1_type", "Error"),
        ("source", "gorouter"),
        ("code", "-3"),
    ];
    let source = with_tags(envelope(output(b"bad")), &marks);
    let event = v1::Error {
        source: "gorouter".into(),
        code: -3,
        message: "bad".into(),
    };
    assert_eq!(
        to_v1(source),
        [v1::Envelope {
            error: Some(event),
            ..base(EventType::Error)
        }]
    );
}

#[test]
fn the_mark_is_found_among_deprecated_tags() {
    let value = v2::Value {
        data: Some(Data::Text("Error".into())),
    };
    let deprecated_tags = BTreeMap::from([("__v1_type".to_owned(), value)]);
    let converted = only(to_v1(v2::Envelope {
        deprecated_tags,
        ..envelope(output(b"bad"))
    }));
    assert_eq!(converted.event_type(), EventType::Error);
    assert_eq!(converted.tags, base(EventType::Error).tags);
}

#[test]
fn an_error_is_always_utf8() {
    let source = with_tags(envelope(output(b"a\xffb")), &[("__v1_type", "Error")]);
    assert_eq!(only(to_v1(source)).error.unwrap().message, "a\u{fffd}b");
}

#[test]
fn numbers_are_read_as_go_reads_and_narrows_them() {
    let cases = [
        ("", 0),
        ("x", 0),
        ("1.5", 0),
        (" 1", 0),
        ("1_000", 0),
        ("+7", 7),
        ("-3", -3),
        ("2147483648", i32::MIN),
        ("4294967297", 1),
        ("9223372036854775807", -1),
        ("9223372036854775808", 0),
    ];
    for (text, expected) in cases {
        let source = with_tags(
            envelope(output(b"")),
            &[("__v1_type", "Error"), ("code", text)],
        );
        assert_eq!(only(to_v1(source)).error.unwrap().code, expected, "{text}");
    }
}
