//! Log messages and errors.

use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::{v1, v2};

use super::{APP, doppler, envelope, with_base};
use crate::tags;

#[test]
fn log_message() {
    let event = v1::LogMessage {
        message: "line".into(),
        message_type: v1::log_message::MessageType::Err.into(),
        timestamp: 99,
        app_id: Some(APP.into()),
        source_type: Some("APP/PROC/WEB".into()),
        source_instance: Some("3".into()),
    };
    let converted = doppler(v1::Envelope {
        log_message: Some(event),
        ..envelope(EventType::LogMessage)
    });
    let expected = v2::Log {
        payload: "line".into(),
        r#type: v2::log::Type::Err.into(),
    };
    assert_eq!(converted.message, Some(Message::Log(expected)));
    assert_eq!(converted.source_id, APP);
    assert_eq!(converted.instance_id, "3");
    assert_eq!(converted.timestamp, 17);
    assert_eq!(
        converted.tags,
        with_base("LogMessage", &[("source_type", "APP/PROC/WEB")])
    );
}

#[test]
fn log_message_without_app_keeps_the_tagged_source() {
    for app_id in [None, Some(String::new())] {
        let event = v1::LogMessage {
            app_id,
            ..Default::default()
        };
        let tags = tags(&[("source_id", "uaa")]);
        let envelope = envelope(EventType::LogMessage);
        let converted = doppler(v1::Envelope {
            log_message: Some(event),
            tags,
            ..envelope
        });
        assert_eq!(converted.source_id, "uaa");
        assert_eq!(
            converted.tags,
            with_base("LogMessage", &[("source_type", "")])
        );
    }
}

#[test]
fn log_message_of_an_unknown_type_is_output() {
    for (number, expected) in [(0, 0), (1, 0), (2, 1), (3, 0)] {
        let event = v1::LogMessage {
            message_type: number,
            ..Default::default()
        };
        let converted = doppler(v1::Envelope {
            log_message: Some(event),
            ..envelope(EventType::LogMessage)
        });
        let log = v2::Log {
            r#type: expected,
            ..Default::default()
        };
        assert_eq!(converted.message, Some(Message::Log(log)));
    }
}

#[test]
fn error() {
    let event = v1::Error {
        source: "gorouter".into(),
        code: -3,
        message: "bad".into(),
    };
    let converted = doppler(v1::Envelope {
        error: Some(event),
        ..envelope(EventType::Error)
    });
    let log = v2::Log {
        payload: "bad".into(),
        r#type: v2::log::Type::Out.into(),
    };
    assert_eq!(converted.message, Some(Message::Log(log)));
    assert_eq!(converted.source_id, "cf/doppler");
    assert_eq!(converted.instance_id, "");
    assert_eq!(
        converted.tags,
        with_base("Error", &[("source", "gorouter"), ("code", "-3")])
    );
}
