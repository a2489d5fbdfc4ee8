//! Envelopes as JSON, one object a line. `--help` documents the fields.

use super::arguments::Kind;
use super::envelope;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hydrant_proto::uuid;
use hydrant_proto::v1::log_message::MessageType;
use hydrant_proto::v1::{Envelope, HttpStartStop, LogMessage, Method, PeerType};
use jiff::Timestamp;
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct Object<'e> {
    r#type: &'static str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_id: Option<Cow<'e, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<Cow<'e, str>>,
    origin: &'e str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<&'e str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<&'e str>,
    tags: &'e BTreeMap<String, String>,
    #[serde(flatten)]
    event: Event<'e>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Event<'e> {
    Log(Log<'e>),
    Counter {
        name: &'e str,
        delta: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    Value {
        name: &'e str,
        value: Number,
        unit: &'e str,
    },
    Container {
        cpu_percentage: Number,
        memory_bytes: u64,
        disk_bytes: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        memory_bytes_quota: Option<u64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        disk_bytes_quota: Option<u64>,
    },
    Http(Box<Http<'e>>),
    Error {
        source: &'e str,
        code: i32,
        message: &'e str,
    },
    /// An envelope whose event we do not know.
    Unknown {
        event_type: i32,
    },
}

#[derive(Serialize)]
struct Log<'e> {
    stream: &'static str,
    source_type: &'e str,
    #[serde(flatten)]
    message: Message<'e>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Message<'e> {
    Text { message: &'e str },
    Bytes { message_base64: String },
}

#[derive(Serialize)]
struct Http<'e> {
    method: &'static str,
    uri: &'e str,
    status_code: i32,
    start: String,
    stop: String,
    duration_ns: i64,
    content_length: i64,
    peer_type: &'static str,
    remote_address: &'e str,
    user_agent: &'e str,
    request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_id: Option<&'e str>,
    forwarded: &'e [String],
}

/// JSON has no infinity and no NaN; those are texts, as protobuf's JSON has them.
#[derive(Serialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Other(&'static str),
}

/// The envelope as one line, with its line feed.
pub(super) fn line(envelope: &Envelope) -> String {
    let kind = envelope::kind(envelope);
    let object = Object {
        r#type: kind.map_or("unknown", Kind::name),
        timestamp: time(envelope::timestamp_ns(envelope)),
        source_id: envelope::source_id(envelope),
        instance: envelope::instance(envelope),
        origin: &envelope.origin,
        deployment: given(envelope.deployment.as_deref()),
        job: given(envelope.job.as_deref()),
        index: given(envelope.index.as_deref()),
        ip: given(envelope.ip.as_deref()),
        tags: &envelope.tags,
        event: event(envelope),
    };
    // Texts and numbers only, under keys that are texts: there is nothing to fail.
    let mut line = serde_json::to_string(&object).unwrap_or_default();
    line.push('\n');
    line
}

fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

fn event(envelope: &Envelope) -> Event<'_> {
    if let Some(log) = &envelope.log_message {
        Event::Log(log_of(log))
    } else if let Some(http) = &envelope.http_start_stop {
        Event::Http(Box::new(http_of(http)))
    } else {
        metric(envelope)
    }
}

fn metric(envelope: &Envelope) -> Event<'_> {
    if let Some(counter) = &envelope.counter_event {
        Event::Counter {
            name: &counter.name,
            delta: counter.delta,
            total: counter.total,
        }
    } else if let Some(metric) = &envelope.value_metric {
        Event::Value {
            name: &metric.name,
            value: number(metric.value),
            unit: &metric.unit,
        }
    } else if let Some(metric) = &envelope.container_metric {
        Event::Container {
            cpu_percentage: number(metric.cpu_percentage),
            memory_bytes: metric.memory_bytes,
            disk_bytes: metric.disk_bytes,
            memory_bytes_quota: metric.memory_bytes_quota,
            disk_bytes_quota: metric.disk_bytes_quota,
        }
    } else if let Some(error) = &envelope.error {
        Event::Error {
            source: &error.source,
            code: error.code,
            message: &error.message,
        }
    } else {
        Event::Unknown {
            event_type: envelope.event_type,
        }
    }
}

fn log_of(log: &LogMessage) -> Log<'_> {
    let message = match std::str::from_utf8(&log.message) {
        Ok(message) => Message::Text { message },
        Err(_) => Message::Bytes {
            message_base64: BASE64_STANDARD.encode(&log.message),
        },
    };
    Log {
        stream: match log.message_type() {
            MessageType::Out => "out",
            MessageType::Err => "err",
        },
        source_type: log.source_type.as_deref().unwrap_or_default(),
        message,
    }
}

fn http_of(http: &HttpStartStop) -> Http<'_> {
    let method = Method::try_from(http.method);
    let peer_type = PeerType::try_from(http.peer_type);
    Http {
        method: method.map_or("", |method| method.as_str_name()),
        uri: &http.uri,
        status_code: http.status_code,
        start: time(http.start_timestamp),
        stop: time(http.stop_timestamp),
        duration_ns: http.stop_timestamp.saturating_sub(http.start_timestamp),
        content_length: http.content_length,
        peer_type: peer_type.map_or("", |peer_type| peer_type.as_str_name()),
        remote_address: &http.remote_address,
        user_agent: &http.user_agent,
        request_id: uuid::print(http.request_id),
        instance_id: given(http.instance_id.as_deref()),
        forwarded: &http.forwarded,
    }
}

const fn number(value: f64) -> Number {
    if value.is_finite() {
        Number::Finite(value)
    } else if value.is_nan() {
        Number::Other("NaN")
    } else if value.is_sign_positive() {
        Number::Other("Infinity")
    } else {
        Number::Other("-Infinity")
    }
}

/// RFC 3339 with all nine digits, so that texts sort as times do.
fn time(nanos: i64) -> String {
    let time = Timestamp::from_nanosecond(nanos.into()).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{time:.9}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_proto::v1::{ContainerMetric, CounterEvent, Error, Uuid, ValueMetric};
    use serde_json::{Value, json};

    fn of(envelope: &Envelope) -> Value {
        let line = line(envelope);
        assert_eq!(line.find('\n'), Some(line.len() - 1));
        serde_json::from_str(&line).unwrap()
    }

    fn log(message: &'static [u8]) -> Envelope {
        Envelope {
            origin: "rep".into(),
            job: Some("cell".into()),
            ip: Some(String::new()),
            timestamp: Some(1),
            log_message: Some(LogMessage {
                message: message.into(),
                message_type: MessageType::Err.into(),
                timestamp: 1_383_147_578_860_054_000,
                app_id: Some("a".into()),
                source_type: Some("APP/PROC/WEB".into()),
                source_instance: Some("2".into()),
            }),
            ..Envelope::default()
        }
    }

    #[test]
    fn a_log_has_its_own_time_and_only_the_fields_that_are_known() {
        assert_eq!(
            of(&log(b"two\nlines")),
            json!({
                "type": "log", "timestamp": "2013-10-30T15:39:38.860054000Z", "source_id": "a",
                "instance": "2", "origin": "rep", "job": "cell", "tags": {}, "stream": "err",
                "source_type": "APP/PROC/WEB", "message": "two\nlines",
            })
        );
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_as_base64() {
        let object = of(&log(b"\xff\x00"));
        assert_eq!(object["message_base64"], "/wA=");
        assert_eq!(object.get("message"), None);
    }

    #[test]
    fn metrics_have_their_fields() {
        let mut envelope = Envelope {
            counter_event: Some(CounterEvent {
                name: "n".into(),
                delta: u64::MAX,
                total: None,
            }),
            ..Envelope::default()
        };
        envelope.tags.insert("source_id".into(), "router".into());
        let object = of(&envelope);
        assert_eq!(object["type"], "counter");
        assert_eq!(object["source_id"], "router");
        assert_eq!(
            (&object["delta"], object.get("total")),
            (&json!(u64::MAX), None)
        );
        let envelope = Envelope {
            container_metric: Some(ContainerMetric {
                application_id: "a".into(),
                instance_index: 3,
                cpu_percentage: 0.5,
                memory_bytes: 1,
                disk_bytes: 2,
                memory_bytes_quota: Some(3),
                disk_bytes_quota: None,
            }),
            ..Envelope::default()
        };
        let object = of(&envelope);
        assert_eq!(object["type"], "container");
        assert_eq!(
            (&object["instance"], &object["source_id"]),
            (&json!("3"), &json!("a"))
        );
        assert_eq!(object["memory_bytes_quota"], 3);
    }

    #[test]
    fn what_json_has_no_number_for_is_a_text() {
        for (value, expected) in [
            (1.5, json!(1.5)),
            (f64::NAN, json!("NaN")),
            (f64::NEG_INFINITY, json!("-Infinity")),
        ] {
            let metric = ValueMetric {
                name: "load".into(),
                value,
                unit: "x".into(),
            };
            let envelope = Envelope {
                value_metric: Some(metric),
                ..Envelope::default()
            };
            assert_eq!(of(&envelope)["value"], expected);
        }
    }

    #[test]
    fn a_request_has_its_times_and_ids() {
        let id = Uuid {
            low: 0x7243_cc58_0bc1_7af4,
            high: 0x79d4_c3b2_020e_67a5,
        };
        let http = HttpStartStop {
            start_timestamp: 1,
            stop_timestamp: 1_000_000_001,
            request_id: id,
            application_id: Some(id),
            method: 0,
            peer_type: PeerType::Server.into(),
            status_code: 200,
            instance_index: Some(0),
            ..HttpStartStop::default()
        };
        let object = of(&Envelope {
            http_start_stop: Some(http),
            ..Envelope::default()
        });
        assert_eq!(object["source_id"], "f47ac10b-58cc-4372-a567-0e02b2c3d479");
        assert_eq!(object["request_id"], object["source_id"]);
        assert_eq!(object["duration_ns"], 1_000_000_000);
        assert_eq!(
            (&object["method"], &object["peer_type"]),
            (&json!(""), &json!("Server"))
        );
    }

    #[test]
    fn what_is_not_known_is_said() {
        let envelope = Envelope {
            event_type: 42,
            ..Envelope::default()
        };
        let object = of(&envelope);
        assert_eq!(object["type"], "unknown");
        assert_eq!(object["event_type"], 42);
        let envelope = Envelope {
            error: Some(Error::default()),
            ..Envelope::default()
        };
        assert_eq!(of(&envelope)["type"], "error");
    }
}
