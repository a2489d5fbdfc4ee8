//! `loggregator.v2.Envelope` (proto3). Enums are open: any number passes, as in every client.

use super::scan::{FIXED64, LENGTH, Scan, VARINT, key};
use super::{Envelope, Source};
use crate::counters::Loss;
use crate::record::{Kind, SourceRule, Version};

pub(super) fn envelope(bytes: &[u8]) -> Result<Envelope<'_>, Loss> {
    let mut scan = Scan::new(bytes);
    let mut source: &[u8] = &[];
    let mut timestamp = 0;
    let mut kind = Kind::Empty;
    while scan.has_more() {
        match scan.varint()? {
            TIMESTAMP => timestamp = scan.varint()?.cast_signed(),
            SOURCE_ID => source = scan.string()?,
            INSTANCE_ID => scan.skip_string()?,
            TAGS => scan.nested(tag)?,
            LOG => kind = message(&mut scan, Kind::Log, log)?,
            COUNTER => kind = message(&mut scan, Kind::Counter, counter)?,
            GAUGE => kind = message(&mut scan, Kind::Gauge, gauge)?,
            TIMER => kind = message(&mut scan, Kind::Timer, counter)?,
            EVENT => kind = message(&mut scan, Kind::Event, event)?,
            DEPRECATED_TAGS => scan.nested(deprecated_tag)?,
            other => scan.unknown(other, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0)?,
        }
        scan.skip_plain_entries(TAGS_BYTE);
    }
    Ok(Envelope {
        bytes,
        version: Version::V2,
        kind,
        source: Source::Text(source),
        source_rule: SourceRule::DeploymentJob,
        timestamp,
        has_event: true,
    })
}

const TIMESTAMP: u64 = key(1, VARINT);
const SOURCE_ID: u64 = key(2, LENGTH);
const DEPRECATED_TAGS: u64 = key(3, LENGTH);
const LOG: u64 = key(4, LENGTH);
const COUNTER: u64 = key(5, LENGTH);
const GAUGE: u64 = key(6, LENGTH);
const TIMER: u64 = key(7, LENGTH);
const INSTANCE_ID: u64 = key(8, LENGTH);
const TAGS: u64 = key(9, LENGTH);
const EVENT: u64 = key(10, LENGTH);

const TAGS_BYTE: u8 = TAGS.to_le_bytes()[0];

/// Checks the message of the envelope's oneof; the last one of them counts.
#[inline(always)]
fn message(
    scan: &mut Scan<'_>,
    kind: Kind,
    fields: impl FnOnce(&mut Scan<'_>) -> Result<(), Loss>,
) -> Result<Kind, Loss> {
    scan.nested(fields)?;
    Ok(kind)
}

/// An entry of `map<string, string>`.
fn tag(scan: &mut Scan<'_>) -> Result<(), Loss> {
    while scan.has_more() {
        match scan.varint()? {
            STRING_1 | STRING_2 => scan.skip_string()?,
            other => scan.unknown(other, &[1, 2], 1)?,
        }
    }
    Ok(())
}

/// An entry of `map<string, Value>`.
fn deprecated_tag(scan: &mut Scan<'_>) -> Result<(), Loss> {
    while scan.has_more() {
        match scan.varint()? {
            STRING_1 => scan.skip_string()?,
            MESSAGE_2 => scan.nested(value)?,
            other => scan.unknown(other, &[1, 2], 1)?,
        }
    }
    Ok(())
}

fn value(scan: &mut Scan<'_>) -> Result<(), Loss> {
    while scan.has_more() {
        match scan.varint()? {
            STRING_1 => scan.skip_string()?,
            VARINT_2 => scan.skip_varint()?,
            DOUBLE_3 => scan.skip_double()?,
            other => scan.unknown(other, &[1, 2, 3], 2)?,
        }
    }
    Ok(())
}

#[inline(always)]
fn log(scan: &mut Scan<'_>) -> Result<(), Loss> {
    while scan.has_more() {
        match scan.varint()? {
            BYTES_1 => scan.skip_bytes()?,
            VARINT_2 => scan.skip_varint()?,
            other => scan.unknown(other, &[1, 2], 1)?,
        }
    }
    Ok(())
}

/// Counter and Timer have the same shape: a name and two numbers.
fn counter(scan: &mut Scan<'_>) -> Result<(), Loss> {
    while scan.has_more() {
        match scan.varint()? {
            STRING_1 => scan.skip_string()?,
            VARINT_2 | VARINT_3 => scan.skip_varint()?,
            other => scan.unknown(other, &[1, 2, 3], 1)?,
        }
    }
    Ok(())
}

fn event(scan: &mut Scan<'_>) -> Result<(), Loss> {
    while scan.has_more() {
        match scan.varint()? {
            STRING_1 | STRING_2 => scan.skip_string()?,
            other => scan.unknown(other, &[1, 2], 1)?,
        }
    }
    Ok(())
}

fn gauge(scan: &mut Scan<'_>) -> Result<(), Loss> {
    while scan.has_more() {
        match scan.varint()? {
            MESSAGE_1 => scan.nested(metric)?,
            other => scan.unknown(other, &[1], 1)?,
        }
    }
    Ok(())
}

/// An entry of `map<string, GaugeValue>`.
fn metric(scan: &mut Scan<'_>) -> Result<(), Loss> {
    while scan.has_more() {
        match scan.varint()? {
            STRING_1 => scan.skip_string()?,
            MESSAGE_2 => scan.nested(gauge_value)?,
            other => scan.unknown(other, &[1, 2], 2)?,
        }
    }
    Ok(())
}

fn gauge_value(scan: &mut Scan<'_>) -> Result<(), Loss> {
    while scan.has_more() {
        match scan.varint()? {
            STRING_1 => scan.skip_string()?,
            DOUBLE_2 => scan.skip_double()?,
            other => scan.unknown(other, &[1, 2], 3)?,
        }
    }
    Ok(())
}

const STRING_1: u64 = key(1, LENGTH);
const STRING_2: u64 = key(2, LENGTH);
const BYTES_1: u64 = key(1, LENGTH);
const MESSAGE_1: u64 = key(1, LENGTH);
const MESSAGE_2: u64 = key(2, LENGTH);
const VARINT_2: u64 = key(2, VARINT);
const VARINT_3: u64 = key(3, VARINT);
const DOUBLE_2: u64 = key(2, FIXED64);
const DOUBLE_3: u64 = key(3, FIXED64);
