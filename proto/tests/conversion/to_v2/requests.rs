//! Requests.

use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::{uuid, v1, v2};

use super::{APP, doppler, envelope, with_base};

const REQUEST: &str = "88776655-4433-2211-00ff-eeddccbbaa99";

fn request() -> v1::HttpStartStop {
    v1::HttpStartStop {
        start_timestamp: 5,
        stop_timestamp: 6,
        request_id: uuid::parse(REQUEST).unwrap(),
        peer_type: v1::PeerType::Server.into(),
        method: v1::Method::BaselineControl.into(),
        uri: "http://a/b".into(),
        remote_address: "10.0.0.9:80".into(),
        user_agent: "curl".into(),
        status_code: -200,
        content_length: -1,
        application_id: uuid::parse(APP),
        instance_index: Some(2),
        instance_id: Some("instance-guid".into()),
        forwarded: vec!["1.1.1.1".into(), "2.2.2.2".into()],
    }
}

fn convert_request(event: v1::HttpStartStop) -> v2::Envelope {
    doppler(v1::Envelope {
        http_start_stop: Some(event),
        ..envelope(EventType::HttpStartStop)
    })
}

#[test]
fn http_start_stop() {
    let converted = convert_request(request());
    let timer = v2::Timer {
        name: "http".into(),
        start: 5,
        stop: 6,
    };
    assert_eq!(converted.message, Some(Message::Timer(timer)));
    assert_eq!(converted.source_id, APP);
    assert_eq!(converted.instance_id, "2");
    let expected = [
        ("request_id", REQUEST),
        ("peer_type", "Server"),
        ("method", "BASELINE_CONTROL"),
        ("uri", "http://a/b"),
        ("remote_address", "10.0.0.9:80"),
        ("user_agent", "curl"),
        ("status_code", "-200"),
        ("content_length", "-1"),
        ("routing_instance_id", "instance-guid"),
        ("forwarded", "1.1.1.1\n2.2.2.2"),
    ];
    assert_eq!(converted.tags, with_base("HttpStartStop", &expected));
}

#[test]
fn http_start_stop_without_an_app_is_the_fallbacks() {
    for application_id in [None, Some(v1::Uuid::default())] {
        let converted = convert_request(v1::HttpStartStop {
            application_id,
            ..request()
        });
        assert_eq!(converted.source_id, "cf/doppler");
    }
    let half_zero = Some(v1::Uuid { low: 0, high: 1 });
    let converted = convert_request(v1::HttpStartStop {
        application_id: half_zero,
        ..request()
    });
    assert_eq!(converted.source_id, "00000000-0000-0000-0100-000000000000");
}

#[test]
fn http_start_stop_with_enum_values_that_have_no_name() {
    let converted = convert_request(v1::HttpStartStop {
        method: 0,
        peer_type: 77,
        ..Default::default()
    });
    assert_eq!(converted.tags["method"], "0");
    assert_eq!(converted.tags["peer_type"], "77");
}

#[test]
fn a_missing_request_is_a_get_by_a_client_of_no_id() {
    let tags = doppler(envelope(EventType::HttpStartStop)).tags;
    assert_eq!(tags["request_id"], "00000000-0000-0000-0000-000000000000");
    assert_eq!(tags["peer_type"], "Client");
    assert_eq!(tags["method"], "GET");
    assert_eq!(tags["forwarded"], "");
}
