//! Envelopes as a file tells them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::value::Data;
use hydrant_proto::v2::{self, Envelope};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// One envelope, or `count` of them, each `step` ns after the one before; their numbers grow by
/// `slope`. In the text of a log `{n}` stands for which it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelopes {
    source: String,
    time: i64,
    #[serde(default)]
    instance: String,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    deprecated: BTreeMap<String, Value>,
    log: Option<Log>,
    counter: Option<Counter>,
    /// Units and values by name.
    gauge: Option<BTreeMap<String, (String, Number)>>,
    timer: Option<Timer>,
    event: Option<Event>,
    #[serde(default = "one")]
    count: u32,
    #[serde(default)]
    step: i64,
    #[serde(default)]
    slope: f64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Value {
    text: Option<String>,
    integer: Option<i64>,
    decimal: Option<Number>,
}

/// A text, or bytes in base64; `pad` letters come behind it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    #[serde(default)]
    text: String,
    bytes: Option<String>,
    #[serde(default)]
    err: bool,
    #[serde(default)]
    pad: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counter {
    name: String,
    delta: u64,
    total: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Timer {
    name: String,
    start: i64,
    stop: i64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    title: String,
    body: String,
}

/// A number, or a text that is one: JSON has no infinities.
#[derive(Clone, Copy, Debug)]
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text.parse().ok(),
            other => other.as_f64(),
        };
        number
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("not a number"))
    }
}

const fn one() -> u32 {
    1
}

impl Envelopes {
    pub(super) fn all(&self) -> impl Iterator<Item = Envelope> {
        (0..self.count).map(|number| Envelope {
            timestamp: self.time + i64::from(number) * self.step,
            source_id: self.source.clone(),
            instance_id: self.instance.clone(),
            deprecated_tags: self.deprecated_tags(),
            tags: self.tags.clone(),
            message: self.message(number),
        })
    }

    fn deprecated_tags(&self) -> BTreeMap<String, v2::Value> {
        let value = |value: &Value| {
            let text = value.text.clone().map(Data::Text);
            let integer = value.integer.map(Data::Integer);
            let decimal = value.decimal.map(|Number(decimal)| Data::Decimal(decimal));
            v2::Value {
                data: text.or(integer).or(decimal),
            }
        };
        let tags = self.deprecated.iter();
        tags.map(|(name, tag)| (name.clone(), value(tag))).collect()
    }

    fn message(&self, number: u32) -> Option<Message> {
        let more = f64::from(number) * self.slope;
        let log = self.log.as_ref().map(|log| log.message(number));
        let counter = self.counter.as_ref().map(|counter| {
            Message::Counter(v2::Counter {
                name: counter.name.clone(),
                delta: counter.delta,
                total: counter.total + whole(more).unsigned_abs(),
            })
        });
        let gauge = self.gauge.as_ref().map(|metrics| {
            let metrics = metrics.iter().map(|(name, (unit, Number(value)))| {
                // -0 is to stay what it is.
                let value = if more == 0.0 { *value } else { value + more };
                let unit = unit.clone();
                (name.clone(), v2::GaugeValue { unit, value })
            });
            Message::Gauge(v2::Gauge {
                metrics: metrics.collect(),
            })
        });
        let timer = self.timer.as_ref().map(|timer| {
            Message::Timer(v2::Timer {
                name: timer.name.clone(),
                start: timer.start,
                stop: timer.stop + whole(more),
            })
        });
        let event = self.event.as_ref().map(|event| {
            let (title, body) = (event.title.clone(), event.body.clone());
            Message::Event(v2::Event { title, body })
        });
        log.or(counter).or(gauge).or(timer).or(event)
    }
}

impl Log {
    fn message(&self, number: u32) -> Message {
        let mut payload = match &self.bytes {
            Some(bytes) => BASE64_STANDARD.decode(bytes).unwrap(),
            None => self.text.replace("{n}", &number.to_string()).into_bytes(),
        };
        payload.resize(payload.len() + self.pad, b'x');
        let r#type = i32::from(self.err);
        Message::Log(v2::Log {
            payload: payload.into(),
            r#type,
        })
    }
}

/// Slopes of whole numbers are whole.
#[expect(clippy::cast_possible_truncation, reason = "it is compared")]
fn whole(number: f64) -> i64 {
    let whole = number as i64;
    assert_eq!(whole as f64, number);
    whole
}
