//! Protobuf's JSON form of envelopes, byte for byte as Go's protojson writes it when it is told to
//! write fields that are not set: 64-bit integers as strings, bytes in base64, maps in the order of
//! their keys, a oneof that is not set left out. Go puts a space behind some commas, depending on
//! the build of the program; we never do.

mod text;

use crate::v2::envelope::Message;
use crate::v2::log::Type;
use crate::v2::value::Data;
use crate::v2::{Counter, Envelope, Event, GaugeValue, Log, Timer, Value};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::collections::BTreeMap;
use text::push_double;
pub use text::{push_number, push_quoted_number, push_string};

/// Adds an envelope.
pub fn push_envelope(out: &mut String, envelope: &Envelope) {
    out.push_str("{\"timestamp\":");
    push_quoted_number(out, envelope.timestamp);
    out.push_str(",\"source_id\":");
    push_string(out, &envelope.source_id);
    out.push_str(",\"instance_id\":");
    push_string(out, &envelope.instance_id);
    out.push_str(",\"deprecated_tags\":");
    push_map(out, &envelope.deprecated_tags, push_value);
    out.push_str(",\"tags\":");
    push_map(out, &envelope.tags, |out, tag| push_string(out, tag));
    if let Some(message) = &envelope.message {
        push_message(out, message);
    }
    out.push('}');
}

fn push_message(out: &mut String, message: &Message) {
    match message {
        Message::Log(log) => push_log(out, log),
        Message::Counter(counter) => push_counter(out, counter),
        Message::Gauge(gauge) => {
            out.push_str(",\"gauge\":{\"metrics\":");
            push_map(out, &gauge.metrics, push_gauge_value);
            out.push('}');
        }
        Message::Timer(timer) => push_timer(out, timer),
        Message::Event(event) => push_event(out, event),
    }
}

fn push_log(out: &mut String, log: &Log) {
    out.push_str(",\"log\":{\"payload\":\"");
    BASE64_STANDARD.encode_string(&log.payload, out);
    out.push_str("\",\"type\":");
    match Type::try_from(log.r#type) {
        Ok(known) => push_string(out, known.as_str_name()),
        Err(_) => push_number(out, log.r#type), // As a number, for who knows it.
    }
    out.push('}');
}

fn push_counter(out: &mut String, counter: &Counter) {
    out.push_str(",\"counter\":{\"name\":");
    push_string(out, &counter.name);
    out.push_str(",\"delta\":");
    push_quoted_number(out, counter.delta);
    out.push_str(",\"total\":");
    push_quoted_number(out, counter.total);
    out.push('}');
}

fn push_gauge_value(out: &mut String, value: &GaugeValue) {
    out.push_str("{\"unit\":");
    push_string(out, &value.unit);
    out.push_str(",\"value\":");
    push_double(out, value.value);
    out.push('}');
}

fn push_timer(out: &mut String, timer: &Timer) {
    out.push_str(",\"timer\":{\"name\":");
    push_string(out, &timer.name);
    out.push_str(",\"start\":");
    push_quoted_number(out, timer.start);
    out.push_str(",\"stop\":");
    push_quoted_number(out, timer.stop);
    out.push('}');
}

fn push_event(out: &mut String, event: &Event) {
    out.push_str(",\"event\":{\"title\":");
    push_string(out, &event.title);
    out.push_str(",\"body\":");
    push_string(out, &event.body);
    out.push('}');
}

fn push_value(out: &mut String, value: &Value) {
    match &value.data {
        None => out.push_str("{}"),
        Some(data) => {
            push_data(out, data);
            out.push('}');
        }
    }
}

fn push_data(out: &mut String, data: &Data) {
    match data {
        Data::Text(text) => {
            out.push_str("{\"text\":");
            push_string(out, text);
        }
        Data::Integer(integer) => {
            out.push_str("{\"integer\":");
            push_quoted_number(out, *integer);
        }
        Data::Decimal(decimal) => {
            out.push_str("{\"decimal\":");
            push_double(out, *decimal);
        }
    }
}

/// Adds a map, which has the order of its keys' bytes already.
pub fn push_map<V>(
    out: &mut String,
    map: &BTreeMap<String, V>,
    push_value: impl Fn(&mut String, &V),
) {
    out.push('{');
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        push_string(out, key);
        out.push(':');
        push_value(out, value);
    }
    out.push('}');
}

#[cfg(test)]
mod tests;
