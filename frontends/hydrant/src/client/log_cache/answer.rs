//! Log Cache's answers, as its gateway and the proxy in front of it write them: numbers of 64 bits as
//! texts, bytes as base64, names with underscores or without.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::{Counter, Envelope, Event, Gauge, GaugeValue, Log, Timer, log};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// Of `read`.
#[derive(Deserialize)]
pub(super) struct Read {
    envelopes: Batch,
}

#[derive(Deserialize)]
struct Batch {
    #[serde(default)]
    batch: Vec<Said>,
}

impl Read {
    /// In the order in which they came.
    pub(super) fn envelopes(self) -> Vec<Envelope> {
        self.envelopes.batch.into_iter().map(Said::into).collect()
    }
}

/// Of `meta`.
#[derive(Deserialize)]
pub(super) struct Meta {
    #[serde(default)]
    pub(super) meta: BTreeMap<String, Info>,
}

/// What there is of a source. What is 0 may be left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    #[serde(deserialize_with = "number")]
    pub(super) count: i64,
    #[serde(deserialize_with = "number")]
    pub(super) expired: i64,
    #[serde(alias = "oldestTimestamp", deserialize_with = "number")]
    pub(super) oldest_timestamp: i64,
    #[serde(alias = "newestTimestamp", deserialize_with = "number")]
    pub(super) newest_timestamp: i64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    #[serde(deserialize_with = "number")]
    timestamp: i64,
    #[serde(alias = "sourceId")]
    source_id: String,
    #[serde(alias = "instanceId")]
    instance_id: String,
    #[serde(alias = "deprecatedTags")]
    deprecated_tags: BTreeMap<String, Tag>,
    tags: BTreeMap<String, String>,
    log: Option<SaidLog>,
    counter: Option<SaidCounter>,
    gauge: Option<SaidGauge>,
    timer: Option<SaidTimer>,
    event: Option<SaidEvent>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tag {
    text: Option<String>,
    integer: Option<Number>,
    decimal: Option<Number>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SaidLog {
    #[serde(deserialize_with = "bytes")]
    payload: Vec<u8>,
    r#type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SaidCounter {
    name: String,
    #[serde(deserialize_with = "number")]
    delta: u64,
    #[serde(deserialize_with = "number")]
    total: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SaidGauge {
    metrics: BTreeMap<String, SaidValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SaidValue {
    unit: String,
    #[serde(deserialize_with = "number")]
    value: f64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SaidTimer {
    name: String,
    #[serde(deserialize_with = "number")]
    start: i64,
    #[serde(deserialize_with = "number")]
    stop: i64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SaidEvent {
    title: String,
    body: String,
}

impl From<Said> for Envelope {
    fn from(said: Said) -> Self {
        let message = said.message();
        let mut tags = said.tags;
        for (name, tag) in said.deprecated_tags {
            let number = || tag.integer.or(tag.decimal).map(|number| number.text());
            let text = tag.text.or_else(number).unwrap_or_default();
            tags.entry(name).or_insert(text);
        }
        Self {
            timestamp: said.timestamp,
            source_id: said.source_id,
            instance_id: said.instance_id,
            tags,
            message,
            ..Self::default()
        }
    }
}

impl Said {
    fn message(&self) -> Option<Message> {
        let log = self.log.as_ref().map(|log| {
            let is_err = log.r#type.as_deref() == Some(log::Type::Err.as_str_name());
            let kind = if is_err {
                log::Type::Err
            } else {
                log::Type::Out
            };
            Message::Log(Log {
                payload: log.payload.clone().into(),
                r#type: kind.into(),
            })
        });
        let counter = self.counter.as_ref().map(|counter| {
            Message::Counter(Counter {
                name: counter.name.clone(),
                delta: counter.delta,
                total: counter.total,
            })
        });
        let gauge = self.gauge.as_ref().map(|gauge| {
            let value = |value: &SaidValue| GaugeValue {
                unit: value.unit.clone(),
                value: value.value,
            };
            let metrics = gauge.metrics.iter();
            let metrics = metrics.map(|(name, metric)| (name.clone(), value(metric)));
            Message::Gauge(Gauge {
                metrics: metrics.collect(),
            })
        });
        let timer = self.timer.as_ref().map(|timer| {
            Message::Timer(Timer {
                name: timer.name.clone(),
                start: timer.start,
                stop: timer.stop,
            })
        });
        let event = self.event.as_ref().map(|event| {
            Message::Event(Event {
                title: event.title.clone(),
                body: event.body.clone(),
            })
        });
        log.or(counter).or(gauge).or(timer).or(event)
    }
}

/// As protobuf's JSON has numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Text(String),
    Plain(serde_json::Number),
}

impl Number {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Plain(number) => number.to_string(),
        }
    }
}

/// A number or a text that is one; `Infinity` and `NaN` are floats.
fn number<'de, N, D>(deserializer: D) -> Result<N, D::Error>
where
    N: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    let text = Number::deserialize(deserializer)?.text();
    text.parse().map_err(serde::de::Error::custom)
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    BASE64_STANDARD
        .decode(text)
        .map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_proto::json::push_envelope;

    fn read(text: &str) -> Vec<Envelope> {
        serde_json::from_str::<Read>(text).unwrap().envelopes()
    }

    #[test]
    fn what_the_gateway_writes_is_read() {
        let messages = [
            Message::Log(Log {
                payload: b"a\xff\n"[..].into(),
                r#type: log::Type::Err.into(),
            }),
            Message::Counter(Counter {
                name: "c".to_owned(),
                delta: 1,
                total: u64::MAX,
            }),
            Message::Gauge(Gauge {
                metrics: [0.25, f64::NEG_INFINITY, 1e300]
                    .map(|value| {
                        let unit = "u".to_owned();
                        (value.to_string(), GaugeValue { unit, value })
                    })
                    .into(),
            }),
            Message::Timer(Timer {
                name: "t".to_owned(),
                start: i64::MIN,
                stop: i64::MAX,
            }),
            Message::Event(Event {
                title: "t".to_owned(),
                body: String::new(),
            }),
        ];
        let envelopes = messages.map(|message| Envelope {
            timestamp: -1,
            source_id: "s".to_owned(),
            instance_id: "1".to_owned(),
            tags: [("a".to_owned(), "b".to_owned())].into(),
            message: Some(message),
            ..Envelope::default()
        });
        let mut batch = Vec::new();
        for envelope in &envelopes {
            let mut text = String::new();
            push_envelope(&mut text, envelope);
            batch.push(text);
        }
        let text = format!("{{\"envelopes\":{{\"batch\":[{}]}}}}", batch.join(","));
        assert_eq!(read(&text), envelopes);
    }

    #[test]
    fn other_spellings_are_read_too() {
        let text = r#"{"envelopes":{"batch":[{"timestamp":5,"sourceId":"s","instanceId":"i",
            "deprecatedTags":{"x":{"text":"t"},"y":{"integer":"3"},"z":{"decimal":1.5},"a":{}},
            "tags":{"a":"b"},"unknown":[1]}]}}"#;
        let [envelope] = &read(text)[..] else {
            panic!("it is one")
        };
        assert_eq!((envelope.timestamp, &*envelope.source_id), (5, "s"));
        let tags: Vec<_> = envelope.tags.values().map(String::as_str).collect();
        assert_eq!(tags, ["b", "t", "3", "1.5"]);
        assert_eq!(read(r#"{"envelopes":{}}"#), []);
        let meta =
            r#"{"meta":{"a":{"count":"2","newestTimestamp":"7"},"b":{"oldest_timestamp":"1"}}}"#;
        let meta: Meta = serde_json::from_str(meta).unwrap();
        assert_eq!(
            (meta.meta["a"].count, meta.meta["a"].newest_timestamp),
            (2, 7)
        );
        assert_eq!(meta.meta["b"].oldest_timestamp, 1);
        serde_json::from_str::<Read>("{}").map(drop).unwrap_err();
        serde_json::from_str::<Meta>(r#"{"meta":{"a":{"count":"x"}}}"#)
            .map(drop)
            .unwrap_err();
    }
}
