//! v2 envelopes brought into v1 from bytes to bytes, against the conversion with objects, which
//! says what is right.

#![cfg(test)]

mod memory;
mod raw;
// What the conversion with objects is tried with.
#[path = "../../../../proto/tests/conversion/strategies.rs"]
mod strategies;
mod typed;

use hydrant_engine::clock::UnixNanos;
use hydrant_engine::decode;
use hydrant_engine::record::{Record, SourceRule, Version};
use hydrant_feed::convert::V1Form;
use hydrant_proto::convert::to_v1;
use hydrant_proto::{v1, v2};
use prost::Message;

/// The record of a v2 envelope; `None` if the engine refuses it.
fn record(envelope: &[u8]) -> Option<Record<'_>> {
    let checked = decode::envelope(envelope, Version::V2, SourceRule::DeploymentJob).ok()?;
    let header = checked.header(UnixNanos(0));
    Some(Record { header, envelope })
}

fn messages(form: &mut V1Form, record: &Record<'_>) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    form.messages(record, |message| messages.push(message.to_vec()));
    messages
}

/// What the conversion with objects makes of an envelope.
fn with_objects(envelope: &[u8]) -> Vec<Vec<u8>> {
    let envelope = v2::Envelope::decode(envelope).unwrap();
    to_v1(envelope)
        .iter()
        .map(v1::Envelope::encode_to_vec)
        .collect()
}

/// Whether a form that has seen other envelopes gives the right messages, if there is a record.
fn is_right(form: &mut V1Form, envelope: &[u8]) -> bool {
    record(envelope).is_none_or(|record| messages(form, &record) == with_objects(envelope))
}
