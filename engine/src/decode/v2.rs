//! `loggregator.v2.Envelope` (proto3). Enums are open: any number passes, as in every client.

use super::scan::{FIXED64, LENGTH, Scan, VARINT, key, unknown};
use super::{Envelope, Source};
use crate::counters::Loss;
use crate::record::{Kind, SourceRule, Version};

pub(super) fn envelope(bytes: &[u8]) -> Result<Envelope<'_>, Loss> {
    let mut scan = Scan::new(bytes);
    let end = bytes.len();
    let mut source: &[u8] = &[];
    let mut timestamp = 0;
    let mut kind = Kind::Empty;
    while let Some(field_key) = scan.field(end)? {
        match field_key {
            TIMESTAMP => timestamp = scan.varint(end)?.cast_signed(),
            SOURCE_ID => source = scan.string(end)?,
            INSTANCE_ID => _ = scan.string(end)?,
            TAGS => tag(&mut scan, end)?,
            LOG => kind = message(&mut scan, end, Kind::Log, log)?,
            COUNTER => kind = message(&mut scan, end, Kind::Counter, counter)?,
            GAUGE => kind = message(&mut scan, end, Kind::Gauge, gauge)?,
            TIMER => kind = message(&mut scan, end, Kind::Timer, timer)?,
            EVENT => kind = message(&mut scan, end, Kind::Event, event)?,
            DEPRECATED_TAGS => deprecated_tag(&mut scan, end)?,
            _ => unknown(
                &mut scan,
                field_key,
                &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
                end,
                0,
            )?,
        }
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

/// Checks the message of the envelope's oneof; the last one of them counts.
#[inline]
fn message(
    scan: &mut Scan<'_>,
    end: usize,
    kind: Kind,
    fields: impl Fn(&mut Scan<'_>, usize) -> Result<(), Loss>,
) -> Result<Kind, Loss> {
    let message_end = scan.enter(end)?;
    fields(scan, message_end)?;
    Ok(kind)
}

/// An entry of `map<string, string>`.
#[inline]
fn tag(scan: &mut Scan<'_>, end: usize) -> Result<(), Loss> {
    let end = scan.enter(end)?;
    while let Some(field_key) = scan.field(end)? {
        match field_key {
            STRING_1 | STRING_2 => _ = scan.string(end)?,
            _ => unknown(scan, field_key, &[1, 2], end, 1)?,
        }
    }
    Ok(())
}

/// An entry of `map<string, Value>`.
fn deprecated_tag(scan: &mut Scan<'_>, end: usize) -> Result<(), Loss> {
    let end = scan.enter(end)?;
    while let Some(field_key) = scan.field(end)? {
        match field_key {
            STRING_1 => _ = scan.string(end)?,
            MESSAGE_2 => value(scan, end)?,
            _ => unknown(scan, field_key, &[1, 2], end, 1)?,
        }
    }
    Ok(())
}

fn value(scan: &mut Scan<'_>, end: usize) -> Result<(), Loss> {
    let end = scan.enter(end)?;
    while let Some(field_key) = scan.field(end)? {
        match field_key {
            STRING_1 => _ = scan.string(end)?,
            VARINT_2 => _ = scan.varint(end)?,
            DOUBLE_3 => scan.fixed64(end)?,
            _ => unknown(scan, field_key, &[1, 2, 3], end, 2)?,
        }
    }
    Ok(())
}

#[inline]
fn log(scan: &mut Scan<'_>, end: usize) -> Result<(), Loss> {
    while let Some(field_key) = scan.field(end)? {
        match field_key {
            BYTES_1 => scan.skip_bytes(end)?,
            VARINT_2 => _ = scan.varint(end)?,
            _ => unknown(scan, field_key, &[1, 2], end, 1)?,
        }
    }
    Ok(())
}

/// Counter and Timer have the same shape: a name and two numbers.
fn counter(scan: &mut Scan<'_>, end: usize) -> Result<(), Loss> {
    while let Some(field_key) = scan.field(end)? {
        match field_key {
            STRING_1 => _ = scan.string(end)?,
            VARINT_2 | VARINT_3 => _ = scan.varint(end)?,
            _ => unknown(scan, field_key, &[1, 2, 3], end, 1)?,
        }
    }
    Ok(())
}

fn timer(scan: &mut Scan<'_>, end: usize) -> Result<(), Loss> {
    counter(scan, end)
}

fn event(scan: &mut Scan<'_>, end: usize) -> Result<(), Loss> {
    while let Some(field_key) = scan.field(end)? {
        match field_key {
            STRING_1 | STRING_2 => _ = scan.string(end)?,
            _ => unknown(scan, field_key, &[1, 2], end, 1)?,
        }
    }
    Ok(())
}

fn gauge(scan: &mut Scan<'_>, end: usize) -> Result<(), Loss> {
    while let Some(field_key) = scan.field(end)? {
        match field_key {
            MESSAGE_1 => metric(scan, end)?,
            _ => unknown(scan, field_key, &[1], end, 1)?,
        }
    }
    Ok(())
}

/// An entry of `map<string, GaugeValue>`.
fn metric(scan: &mut Scan<'_>, end: usize) -> Result<(), Loss> {
    let end = scan.enter(end)?;
    while let Some(field_key) = scan.field(end)? {
        match field_key {
            STRING_1 => _ = scan.string(end)?,
            MESSAGE_2 => gauge_value(scan, end)?,
            _ => unknown(scan, field_key, &[1, 2], end, 2)?,
        }
    }
    Ok(())
}

fn gauge_value(scan: &mut Scan<'_>, end: usize) -> Result<(), Loss> {
    let end = scan.enter(end)?;
    while let Some(field_key) = scan.field(end)? {
        match field_key {
            STRING_1 => _ = scan.string(end)?,
            DOUBLE_2 => scan.fixed64(end)?,
            _ => unknown(scan, field_key, &[1, 2], end, 3)?,
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
