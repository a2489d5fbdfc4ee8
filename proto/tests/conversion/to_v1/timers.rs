//! Timers, which are all taken for requests.

use std::collections::BTreeMap;

use hydrant_proto::convert::to_v1;
use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::value::Data;
use hydrant_proto::{uuid, v1, v2};

use super::{APP, base, envelope, only, with_tags};
use crate::tags;

const REQUEST: &str = "88776655-4433-2211-00ff-eeddccbbaa99";

fn request_tags() -> Vec<(&'static str, &'static str)> {
    vec![
        ("request_id", REQUEST),
        ("peer_type", "Server"),
        ("method", "VERSION_CONTROL"),
        ("uri", "http://a/b"),
        ("remote_address", "10.0.0.9:80"),
        ("user_agent", "curl"),
        ("status_code", "404"),
        ("content_length", "-1"),
        ("routing_instance_id", "instance-guid"),
        ("forwarded", "1.1.1.1\n2.2.2.2"),
    ]
}

fn any_timer() -> Message {
    Message::Timer(v2::Timer {
        name: "anything".into(),
        start: 5,
        stop: 6,
    })
}

#[test]
fn timer() {
    let event = v1::HttpStartStop {
        start_timestamp: 5,
        stop_timestamp: 6,
        request_id: uuid::parse(REQUEST).unwrap(),
        peer_type: v1::PeerType::Server.into(),
        method: v1::Method::VersionControl.into(),
        uri: "http://a/b".into(),
        remote_address: "10.0.0.9:80".into(),
        user_agent: "curl".into(),
        status_code: 404,
        content_length: -1,
        application_id: uuid::parse(APP),
        instance_index: Some(3),
        instance_id: Some("instance-guid".into()),
        forwarded: vec!["1.1.1.1".into(), "2.2.2.2".into()],
    };
    let expected = v1::Envelope {
        http_start_stop: Some(event),
        ..base(EventType::HttpStartStop)
    };
    assert_eq!(
        to_v1(with_tags(envelope(any_timer()), &request_tags())),
        [expected]
    );
}

#[test]
fn timer_without_tags_still_has_every_required_field() {
    let source = v2::Envelope {
        source_id: "uaa".into(),
        ..envelope(any_timer())
    };
    let event = v1::HttpStartStop {
        start_timestamp: 5,
        stop_timestamp: 6,
        request_id: v1::Uuid::default(),
        peer_type: 0,
        method: 0,
        instance_index: Some(3),
        instance_id: Some(String::new()),
        forwarded: vec![String::new()],
        ..Default::default()
    };
    let tags = tags(&[("zone", "z1"), ("source_id", "uaa")]);
    let envelope = base(EventType::HttpStartStop);
    assert_eq!(
        to_v1(source),
        [v1::Envelope {
            http_start_stop: Some(event),
            tags,
            ..envelope
        }]
    );
}

#[test]
fn timer_reads_its_tags_among_deprecated_ones() {
    let value = v2::Value {
        data: Some(Data::Integer(404)),
    };
    let deprecated_tags = BTreeMap::from([("status_code".to_owned(), value)]);
    let converted = only(to_v1(v2::Envelope {
        deprecated_tags,
        ..envelope(any_timer())
    }));
    assert_eq!(converted.http_start_stop.unwrap().status_code, 404);
    assert!(!converted.tags.contains_key("status_code"));
}
