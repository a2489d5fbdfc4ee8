//! The bytes of upstream's syslog agent, from the v1 envelopes that its forwarder got.

use std::collections::BTreeMap;

use hydrant_proto::convert::{SourceFallback, to_v2};
use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v1::log_message::MessageType;
use hydrant_proto::v1::{
    ContainerMetric, CounterEvent, Envelope, Error, HttpStartStop, LogMessage, Method, PeerType,
    Uuid, ValueMetric,
};

use super::Format;
use hydrant_bindings::Framing;

const GOLDEN: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tests/golden/syslog.txt"
));
const AT_NS: i64 = 1_700_000_000_123_456_789;

#[test]
fn lines_are_upstreams_byte_for_byte() {
    let envelopes = envelopes();
    let format = Format::new("", true, Framing::default());
    let blocks = blocks();
    assert_eq!(blocks.len(), envelopes.len());
    for (name, bytes) in blocks {
        let envelope = to_v2(envelopes[name].clone(), SourceFallback::Origin);
        let mut out = Vec::new();
        let line_count = format.write_envelope(&envelope, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), bytes, "{name}");
        assert_eq!(
            line_count,
            if name == "container" { 5 } else { 1 },
            "{name}"
        );
    }
}

/// Names and bytes; the text before the first name says what the file is.
fn blocks() -> Vec<(&'static str, String)> {
    let mut blocks: Vec<(&str, String)> = Vec::new();
    for line in GOLDEN.split_inclusive('\n') {
        if let Some(name) = line.strip_prefix("== ") {
            blocks.push((name.trim_end(), String::new()));
        } else if let Some((_, bytes)) = blocks.last_mut() {
            bytes.push_str(line);
        }
    }
    blocks
}

fn envelopes() -> BTreeMap<&'static str, Envelope> {
    let mut envelopes = BTreeMap::from(logs());
    envelopes.extend(logs_that_differ_by_tags());
    envelopes.extend(metrics());
    envelopes.extend([
        ("error", error()),
        ("container", container()),
        ("http with app", http()),
    ]);
    envelopes
}

fn logs() -> [(&'static str, Envelope); 9] {
    [
        ("log basic OUT", log("hello", |_| ())),
        (
            "log ERR",
            log("oops", |log| log.message_type = MessageType::Err.into()),
        ),
        ("log empty msg", log("", |_| ())),
        ("log trailing newline + NULs", log("\0a\0b\0\n", |_| ())),
        (
            "log no app, no source_id (origin)",
            log("x", |log| log.app_id = None),
        ),
        (
            "log no source type / instance",
            log("x", |log| {
                log.source_type = None;
                log.source_instance = None;
            }),
        ),
        (
            "unicode source_type",
            log("x", |log| log.source_type = Some("TÄSK web こ".into())),
        ),
        (
            "ts whole second",
            Envelope {
                timestamp: Some(1_700_000_000_000_000_000),
                ..log("x", |_| ())
            },
        ),
        (
            "ts trailing zeros",
            Envelope {
                timestamp: Some(1_700_000_000_120_000_000),
                ..log("x", |_| ())
            },
        ),
    ]
}

fn logs_that_differ_by_tags() -> [(&'static str, Envelope); 3] {
    let app = [
        ("organization_name", "My Org_1"),
        ("space_name", "späce--"),
        ("app_name", "app.name"),
        ("instance_id", "0"),
    ];
    [
        ("log org/space/app tags", tagged(log("x", |_| ()), &app)),
        (
            "log only org tag",
            tagged(log("x", |_| ()), &[("organization_name", "o")]),
        ),
        (
            "explicit deployment/job/index/ip",
            Envelope {
                deployment: Some("d2".into()),
                job: Some(String::new()),
                index: Some("i2".into()),
                ip: Some("1.2.3.4".into()),
                ..log("x", |_| ())
            },
        ),
    ]
}

fn metrics() -> [(&'static str, Envelope); 4] {
    let instance = [("instance_id", "7")];
    [
        ("value 1048576", value(1_048_576.0)),
        ("value w/ instance_id tag", tagged(value(1.0), &instance)),
        ("counter delta5", counter(None)),
        (
            "counter delta5 total9 instance tag",
            tagged(counter(Some(9)), &instance),
        ),
    ]
}

/// What the forwarder makes of an envelope that says only where it is from.
fn envelope(event_type: EventType) -> Envelope {
    Envelope {
        origin: "my-origin".into(),
        event_type: event_type.into(),
        timestamp: Some(AT_NS),
        deployment: Some("dep".into()),
        job: Some("jobname".into()),
        index: Some("idx-guid".into()),
        ip: Some("10.9.8.7".into()),
        ..Envelope::default()
    }
}

fn tagged(mut envelope: Envelope, tags: &[(&str, &str)]) -> Envelope {
    envelope.tags.extend(
        tags.iter()
            .map(|(name, value)| ((*name).into(), (*value).into())),
    );
    envelope
}

fn log(message: &'static str, change: impl FnOnce(&mut LogMessage)) -> Envelope {
    let mut log = LogMessage {
        message: message.into(),
        message_type: MessageType::Out.into(),
        timestamp: AT_NS,
        app_id: Some("app-guid".into()),
        source_type: Some("APP/PROC/WEB".into()),
        source_instance: Some("0".into()),
    };
    change(&mut log);
    Envelope {
        log_message: Some(log),
        ..envelope(EventType::LogMessage)
    }
}

fn value(value: f64) -> Envelope {
    let metric = ValueMetric {
        name: "m".into(),
        value,
        unit: "count".into(),
    };
    Envelope {
        value_metric: Some(metric),
        ..envelope(EventType::ValueMetric)
    }
}

fn counter(total: Option<u64>) -> Envelope {
    let counter = CounterEvent {
        name: "c".into(),
        delta: 5,
        total,
    };
    Envelope {
        counter_event: Some(counter),
        ..envelope(EventType::CounterEvent)
    }
}

fn error() -> Envelope {
    let error = Error {
        source: "src".into(),
        code: -3,
        message: "bad".into(),
    };
    Envelope {
        error: Some(error),
        ..envelope(EventType::Error)
    }
}

fn container() -> Envelope {
    let metric = ContainerMetric {
        application_id: "app-guid".into(),
        instance_index: 3,
        cpu_percentage: 12.5,
        memory_bytes: 1_048_576,
        disk_bytes: 2_097_152,
        memory_bytes_quota: Some(4_194_304),
        disk_bytes_quota: Some(8_388_608),
    };
    Envelope {
        container_metric: Some(metric),
        ..envelope(EventType::ContainerMetric)
    }
}

fn http() -> Envelope {
    let request = HttpStartStop {
        start_timestamp: AT_NS,
        stop_timestamp: AT_NS + 5_000,
        request_id: Uuid {
            low: 0x1122_3344_5566_7788,
            high: 0x99aa_bbcc_ddee_ff00,
        },
        peer_type: PeerType::Client.into(),
        method: Method::Get.into(),
        uri: "http://a.example.com/x".into(),
        remote_address: "10.0.0.1:80".into(),
        user_agent: "curl/1 \"q\"]\\".into(),
        status_code: 200,
        content_length: 77,
        application_id: Some(Uuid {
            low: 0x7243_cc58_0bc1_7af4,
            high: 0x79d4_c3b2_a020_e67e,
        }),
        instance_index: Some(2),
        instance_id: Some("inst-guid".into()),
        forwarded: vec!["1.1.1.1".into(), "2.2.2.2".into()],
    };
    Envelope {
        http_start_stop: Some(request),
        ..envelope(EventType::HttpStartStop)
    }
}
