//! What upstream's UDP forwarder and syslog agent were seen to make of v1 datagrams, as far as
//! the conversion decides it: the tags, source ids and instance ids in their syslog lines.

use hydrant_proto::convert::{SourceFallback, to_v2};
use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v1::log_message::MessageType;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::{v1, v2};
use prost::Message as _;

use crate::tags;

const TIME: i64 = 1_700_000_000_123_456_789;

/// A datagram after the forwarder has tagged it with its own deployment, job, index and ip.
fn tagged(event_type: EventType, more: &[(&str, &str)]) -> v1::Envelope {
    v1::Envelope {
        origin: "my-origin".into(),
        event_type: event_type.into(),
        timestamp: Some(TIME),
        deployment: Some("dep".into()),
        job: Some("jobname".into()),
        index: Some("idx-guid".into()),
        ip: Some("10.9.8.7".into()),
        tags: tags(more),
        ..Default::default()
    }
}

fn log(app_id: Option<&str>, source_type: &str, source_instance: &str) -> v1::LogMessage {
    v1::LogMessage {
        message: "x".into(),
        message_type: MessageType::Out.into(),
        timestamp: 1,
        app_id: app_id.map(str::to_owned),
        source_type: Some(source_type.into()),
        source_instance: Some(source_instance.into()),
    }
}

fn forward_log(event: v1::LogMessage, more: &[(&str, &str)]) -> v2::Envelope {
    let envelope = tagged(EventType::LogMessage, more);
    forward(v1::Envelope {
        log_message: Some(event),
        ..envelope
    })
}

fn forward(envelope: v1::Envelope) -> v2::Envelope {
    to_v2(envelope, SourceFallback::Origin)
}

/// Asserts what the syslog line shows: APP-NAME, the instance in PROCID, and the structured
/// data `tags@47450`, of which `more` are those that are not in every line.
#[track_caller]
fn assert_seen(envelope: &v2::Envelope, ids: [&str; 2], v1_type: &str, more: &[(&str, &str)]) {
    let mut seen = tags(&[
        ("__v1_type", v1_type),
        ("deployment", "dep"),
        ("index", "idx-guid"),
        ("ip", "10.9.8.7"),
        ("job", "jobname"),
        ("origin", "my-origin"),
    ]);
    seen.extend(tags(more));
    assert_eq!([&*envelope.source_id, &*envelope.instance_id], ids);
    assert_eq!(envelope.tags, seen);
    assert_eq!(envelope.timestamp, TIME);
}

#[test]
fn logs() {
    let app = forward_log(log(Some("app-guid"), "APP/PROC/WEB", "0"), &[]);
    let seen = [("source_type", "APP/PROC/WEB")];
    assert_seen(&app, ["app-guid", "0"], "LogMessage", &seen);

    let no_app_no_source_id = forward_log(log(None, "APP/PROC/WEB", "0"), &[]);
    assert_seen(
        &no_app_no_source_id,
        ["my-origin", "0"],
        "LogMessage",
        &seen,
    );

    let no_type_no_instance = forward_log(log(Some("app-guid"), "", ""), &[]);
    let seen = [("source_type", "")];
    assert_seen(&no_type_no_instance, ["app-guid", ""], "LogMessage", &seen);

    let unicode = forward_log(log(Some("app-guid"), "TÄSK web こ", "0"), &[]);
    let seen = [("source_type", "TÄSK web こ")];
    assert_seen(&unicode, ["app-guid", "0"], "LogMessage", &seen);
}

#[test]
fn logs_keep_an_instance_tag_and_names_of_organization_space_and_app() {
    let more = [
        ("organization_name", "My Org_1"),
        ("space_name", "späce--"),
        ("app_name", "app.name"),
        ("instance_id", "0"),
    ];
    let log = forward_log(log(Some("app-guid"), "APP/PROC/WEB", "0"), &more);
    let seen = [
        ("app_name", "app.name"),
        ("instance_id", "0"),
        ("organization_name", "My Org_1"),
        ("source_type", "APP/PROC/WEB"),
        ("space_name", "späce--"),
    ];
    assert_seen(&log, ["app-guid", "0"], "LogMessage", &seen);
}

#[test]
fn a_log_with_fields_of_its_own() {
    let envelope = v1::Envelope {
        log_message: Some(log(Some("app-guid"), "APP/PROC/WEB", "0")),
        deployment: Some("d2".into()),
        job: Some(String::new()),
        index: Some("i2".into()),
        ip: Some("1.2.3.4".into()),
        ..tagged(EventType::LogMessage, &[])
    };
    let seen = [
        ("deployment", "d2"),
        ("index", "i2"),
        ("ip", "1.2.3.4"),
        ("job", ""),
        ("source_type", "APP/PROC/WEB"),
    ];
    assert_seen(&forward(envelope), ["app-guid", "0"], "LogMessage", &seen);
}

#[test]
fn value_metrics() {
    let event = v1::ValueMetric {
        name: "m".into(),
        value: 1.0,
        unit: "count".into(),
    };
    let plain = v1::Envelope {
        value_metric: Some(event.clone()),
        ..tagged(EventType::ValueMetric, &[])
    };
    assert_seen(&forward(plain), ["my-origin", ""], "ValueMetric", &[]);

    let with_instance = v1::Envelope {
        value_metric: Some(event),
        ..tagged(EventType::ValueMetric, &[("instance_id", "7")])
    };
    let seen = [("instance_id", "7")];
    assert_seen(
        &forward(with_instance),
        ["my-origin", "7"],
        "ValueMetric",
        &seen,
    );
}

#[test]
fn counters() {
    let event = v1::CounterEvent {
        name: "c".into(),
        delta: 5,
        total: Some(9),
    };
    for (more, instance_id) in [(&[][..], ""), (&[("instance_id", "7")], "7")] {
        let envelope = v1::Envelope {
            counter_event: Some(event.clone()),
            ..tagged(EventType::CounterEvent, more)
        };
        assert_seen(
            &forward(envelope),
            ["my-origin", instance_id],
            "CounterEvent",
            &[],
        );
    }
}

#[test]
fn errors() {
    let event = v1::Error {
        source: "src".into(),
        code: -3,
        message: "bad".into(),
    };
    let envelope = v1::Envelope {
        error: Some(event),
        ..tagged(EventType::Error, &[])
    };
    let seen = [("code", "-3"), ("source", "src")];
    assert_seen(&forward(envelope), ["my-origin", ""], "Error", &seen);
}

#[test]
fn containers() {
    let event = v1::ContainerMetric {
        application_id: "app-guid".into(),
        instance_index: 3,
        cpu_percentage: 12.5,
        memory_bytes: 1_048_576,
        disk_bytes: 2_097_152,
        memory_bytes_quota: Some(4_194_304),
        disk_bytes_quota: Some(8_388_608),
    };
    let envelope = v1::Envelope {
        container_metric: Some(event),
        ..tagged(EventType::ContainerMetric, &[])
    };
    let forwarded = forward(envelope);
    assert_seen(&forwarded, ["app-guid", "3"], "ContainerMetric", &[]);

    let Some(Message::Gauge(gauge)) = forwarded.message else {
        panic!("not a gauge")
    };
    let metric = |(name, metric): (&String, &v2::GaugeValue)| {
        format!("{name}={}{}", metric.value, metric.unit)
    };
    let seen = "cpu=12.5percentage disk=2097152bytes disk_quota=8388608bytes memory=1048576bytes \
                memory_quota=4194304bytes";
    assert_eq!(
        gauge
            .metrics
            .iter()
            .map(metric)
            .collect::<Vec<_>>()
            .join(" "),
        seen
    );
}

#[test]
fn requests() {
    let event = v1::HttpStartStop {
        start_timestamp: TIME,
        stop_timestamp: TIME + 5000,
        request_id: v1::Uuid {
            low: 0x1122_3344_5566_7788,
            high: 0x99aa_bbcc_ddee_ff00,
        },
        peer_type: v1::PeerType::Client.into(),
        method: v1::Method::Get.into(),
        uri: "http://a.example.com/x".into(),
        remote_address: "10.0.0.1:80".into(),
        user_agent: "curl/1".into(),
        status_code: 200,
        content_length: 77,
        application_id: Some(v1::Uuid {
            low: 0x7243_cc58_0bc1_7af4,
            high: 0x79d4_c3b2_a020_e67e,
        }),
        instance_index: Some(2),
        instance_id: Some("inst-guid".into()),
        forwarded: vec!["1.1.1.1".into(), "2.2.2.2".into()],
    };
    let envelope = v1::Envelope {
        http_start_stop: Some(event),
        ..tagged(EventType::HttpStartStop, &[])
    };
    let forwarded = forward(envelope);
    let seen = [
        ("content_length", "77"),
        ("forwarded", "1.1.1.1\n2.2.2.2"),
        ("method", "GET"),
        ("peer_type", "Client"),
        ("remote_address", "10.0.0.1:80"),
        ("request_id", "88776655-4433-2211-00ff-eeddccbbaa99"),
        ("routing_instance_id", "inst-guid"),
        ("status_code", "200"),
        ("uri", "http://a.example.com/x"),
        ("user_agent", "curl/1"),
    ];
    let ids = ["f47ac10b-58cc-4372-7ee6-20a0b2c3d479", "2"];
    assert_seen(&forwarded, ids, "HttpStartStop", &seen);
    let timer = v2::Timer {
        name: "http".into(),
        start: TIME,
        stop: TIME + 5000,
    };
    assert_eq!(forwarded.message, Some(Message::Timer(timer)));
}

/// A message of the first generation as Metron bridged it to dropsonde, without a timestamp.
const BRIDGED: &[u8] = b"\x0a\x06legacy\x10\x05\x42\x20\x0a\x05Hello\x10\x01\
    \x18\xf0\xcb\x94\xef\xd0\xac\xfb\x98\x13\x22\x03app\x2a\x03App\x32\x010";

#[test]
fn a_bridged_log_of_the_first_generation() {
    let envelope = v1::Envelope::decode(BRIDGED).unwrap();
    let event = v1::LogMessage {
        message: "Hello".into(),
        message_type: MessageType::Out.into(),
        timestamp: 1_383_147_578_860_054_000,
        app_id: Some("app".into()),
        source_type: Some("App".into()),
        source_instance: Some("0".into()),
    };
    assert_eq!(envelope.log_message, Some(event));
    assert_eq!(envelope.encode_to_vec(), BRIDGED);

    let converted = forward(envelope);
    let ids = [&*converted.source_id, &*converted.instance_id];
    assert_eq!(ids, ["app", "0"]);
    assert_eq!(converted.timestamp, 0);
    let log = v2::Log {
        payload: "Hello".into(),
        r#type: v2::log::Type::Out.into(),
    };
    assert_eq!(converted.message, Some(Message::Log(log)));
}
