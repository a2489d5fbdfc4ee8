//! dropsonde's `events.Envelope` (proto2): required fields and closed enums are checked too.
//!
//! Two departures from the letter. Strings are held to UTF-8, which proto2 leaves open and half of
//! the clients insist on. And `method` may be 0, which no `.proto` lists: dropsonde's own HTTP
//! instrumentation sends it for methods that it does not know.

use super::scan::{FIXED64, LENGTH, Scan, VARINT, key};
use super::{Envelope, Source};
use crate::counters::Loss;
use crate::record::{Kind, SourceRule, Version};

/// What was seen of required things, a bit each, over all occurrences of a message; and which enums
/// stand at a value that their readers do not know.
#[derive(Clone, Copy, Default)]
struct Seen(u64);

impl Seen {
    #[inline]
    fn mark(&mut self, bits: u64) {
        self.0 |= bits;
    }

    #[inline]
    fn has(self, bits: u64) -> bool {
        self.0 & bits == bits
    }

    /// Whether a message is absent, or there with all that it requires.
    #[inline]
    fn is_whole(self, message: u64, required: u64) -> bool {
        !self.has(message) || self.has(required)
    }

    /// Notes an enum's value: the last one counts.
    #[inline]
    fn choose(&mut self, bad: u64, is_known: bool) {
        self.0 = if is_known {
            self.0 & !bad
        } else {
            self.0 | bad
        };
    }
}

const ORIGIN_BIT: u64 = 1;
const EVENT_TYPE_BIT: u64 = 1 << 1;
const HTTP: u64 = 1 << 2;
const HTTP_REQUIRED: u64 = 0x3ff << 3; // fields 1 to 10
const REQUEST_ID: u64 = 1 << 5; // field 3 of them
const REQUEST_ID_PARTS: u64 = 3 << 13;
const APP_UUID: u64 = 1 << 15;
const APP_UUID_PARTS: u64 = 3 << 16;
const LOG: u64 = 1 << 18;
const LOG_REQUIRED: u64 = 7 << 19;
const VALUE: u64 = 1 << 22;
const VALUE_REQUIRED: u64 = 7 << 23;
const COUNTER: u64 = 1 << 26;
const COUNTER_REQUIRED: u64 = 3 << 27;
const ERROR: u64 = 1 << 29;
const ERROR_REQUIRED: u64 = 7 << 30;
const CONTAINER: u64 = 1 << 33;
const CONTAINER_REQUIRED: u64 = 31 << 34;
const EVENT_TYPE_BAD: u64 = 1 << 40;
const MESSAGE_TYPE_BAD: u64 = 1 << 41;
const PEER_TYPE_BAD: u64 = 1 << 42;
const METHOD_BAD: u64 = 1 << 43;
const ANY_BAD: u64 = EVENT_TYPE_BAD | MESSAGE_TYPE_BAD | PEER_TYPE_BAD | METHOD_BAD;

/// The fields that routing may need, gathered while checking.
#[derive(Default)]
struct Found<'b> {
    seen: Seen,
    event_type: u64,
    timestamp: i64,
    origin: &'b [u8],
    deployment: &'b [u8],
    job: &'b [u8],
    source_tag: Option<&'b [u8]>,
    log_app: &'b [u8],
    container_app: &'b [u8],
    http_app: [u64; 2],
}

pub(super) fn envelope(bytes: &[u8], source_rule: SourceRule) -> Result<Envelope<'_>, Loss> {
    let mut found = Found::default();
    fields(&mut Scan::new(bytes), &mut found)?;
    check(found.seen)?;
    let (kind, event) = match found.event_type {
        4 => (Kind::Timer, HTTP),
        5 => (Kind::Log, LOG),
        6 => (Kind::Gauge, VALUE),
        7 => (Kind::Counter, COUNTER),
        8 => (Kind::Error, ERROR),
        _ => (Kind::Gauge, CONTAINER),
    };
    Ok(Envelope {
        bytes,
        version: Version::V1,
        kind,
        source: source(&found, source_rule),
        source_rule,
        timestamp: found.timestamp,
        has_event: found.seen.has(event),
    })
}

/// The source id by the rules of upstream's conversion to v2: the app if there is one, else the tag
/// `source_id`, else what `rule` says.
fn source<'b>(found: &Found<'b>, rule: SourceRule) -> Source<'b> {
    let app: &[u8] = match found.event_type {
        4 if found.http_app != [0, 0] => return Source::Uuid(found.http_app),
        5 => found.log_app,
        9 => found.container_app,
        _ => &[],
    };
    if !app.is_empty() {
        return Source::Text(app);
    }
    match (found.source_tag, rule) {
        (Some([]) | None, SourceRule::Origin) => Source::Text(found.origin),
        (Some(tag), _) => Source::Text(tag),
        (None, SourceRule::DeploymentJob) => Source::DeploymentJob {
            deployment: found.deployment,
            job: found.job,
        },
    }
}

fn check(seen: Seen) -> Result<(), Loss> {
    let whole = seen.has(ORIGIN_BIT | EVENT_TYPE_BIT)
        && seen.is_whole(LOG, LOG_REQUIRED)
        && seen.is_whole(HTTP, HTTP_REQUIRED)
        && seen.is_whole(REQUEST_ID, REQUEST_ID_PARTS)
        && seen.is_whole(APP_UUID, APP_UUID_PARTS)
        && seen.is_whole(VALUE, VALUE_REQUIRED)
        && seen.is_whole(COUNTER, COUNTER_REQUIRED)
        && seen.is_whole(ERROR, ERROR_REQUIRED)
        && seen.is_whole(CONTAINER, CONTAINER_REQUIRED);
    if !whole {
        Err(Loss::Required)
    } else if seen.0 & ANY_BAD != 0 {
        Err(Loss::Enum)
    } else {
        Ok(())
    }
}

fn fields<'b>(scan: &mut Scan<'b>, found: &mut Found<'b>) -> Result<(), Loss> {
    while scan.has_more() {
        let field_key = scan.varint()?;
        match field_key {
            STRING_1 => {
                found.origin = scan.string()?;
                found.seen.mark(ORIGIN_BIT);
            }
            VARINT_2 => {
                found.event_type = enum_value(scan.varint()?);
                found.seen.mark(EVENT_TYPE_BIT);
                found
                    .seen
                    .choose(EVENT_TYPE_BAD, matches!(found.event_type, 4..=9));
            }
            TIMESTAMP => found.timestamp = scan.varint()?.cast_signed(),
            LOG_MESSAGE => scan.nested(|scan| log_message(scan, found))?,
            HTTP_START_STOP => scan.nested(|scan| http_start_stop(scan, found))?,
            VALUE_METRIC => scan.nested(|scan| value_metric(scan, &mut found.seen))?,
            COUNTER_EVENT => scan.nested(|scan| counter_event(scan, &mut found.seen))?,
            ERROR_EVENT => scan.nested(|scan| error(scan, &mut found.seen))?,
            CONTAINER_METRIC => scan.nested(|scan| container_metric(scan, found))?,
            DEPLOYMENT => found.deployment = scan.string()?,
            JOB => found.job = scan.string()?,
            INDEX | IP => scan.skip_string()?,
            TAGS => scan.nested(|scan| tag(scan, found))?,
            _ => scan.unknown(
                field_key,
                &[1, 2, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17],
                0,
            )?,
        }
    }
    Ok(())
}

const TIMESTAMP: u64 = key(6, VARINT);
const HTTP_START_STOP: u64 = key(7, LENGTH);
const LOG_MESSAGE: u64 = key(8, LENGTH);
const VALUE_METRIC: u64 = key(9, LENGTH);
const COUNTER_EVENT: u64 = key(10, LENGTH);
const ERROR_EVENT: u64 = key(11, LENGTH);
const CONTAINER_METRIC: u64 = key(12, LENGTH);
const DEPLOYMENT: u64 = key(13, LENGTH);
const JOB: u64 = key(14, LENGTH);
const INDEX: u64 = key(15, LENGTH);
const IP: u64 = key(16, LENGTH);
const TAGS: u64 = key(17, LENGTH);

/// An entry of `map<string, string>`; `source_id` is remembered.
fn tag<'b>(scan: &mut Scan<'b>, found: &mut Found<'b>) -> Result<(), Loss> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    while scan.has_more() {
        let field_key = scan.varint()?;
        match field_key {
            STRING_1 => name = scan.string()?,
            STRING_2 => value = scan.string()?,
            _ => scan.unknown(field_key, &[1, 2], 1)?,
        }
    }
    if name == b"source_id" {
        found.source_tag = Some(value);
    }
    Ok(())
}

fn log_message<'b>(scan: &mut Scan<'b>, found: &mut Found<'b>) -> Result<(), Loss> {
    let mut seen = found.seen;
    seen.mark(LOG);
    while scan.has_more() {
        let field_key = scan.varint()?;
        match field_key {
            STRING_1 => {
                scan.skip_bytes()?; // `message` is bytes, not text
                seen.mark(1 << 19);
            }
            VARINT_2 => {
                let value = enum_value(scan.varint()?);
                seen.mark(1 << 20);
                seen.choose(MESSAGE_TYPE_BAD, matches!(value, 1..=2));
            }
            VARINT_3 => {
                scan.varint()?;
                seen.mark(1 << 21);
            }
            STRING_4 => found.log_app = scan.string()?,
            STRING_5 | STRING_6 => scan.skip_string()?,
            _ => scan.unknown(field_key, &[1, 2, 3, 4, 5, 6], 1)?,
        }
    }
    found.seen = seen;
    Ok(())
}

fn http_start_stop<'b>(scan: &mut Scan<'b>, found: &mut Found<'b>) -> Result<(), Loss> {
    let seen = &mut found.seen;
    seen.mark(HTTP);
    while scan.has_more() {
        let field_key = scan.varint()?;
        match field_key {
            VARINT_1 | VARINT_2 | VARINT_9 | VARINT_10 => {
                scan.varint()?;
                seen.mark(1 << (2 + (field_key >> 3)));
            }
            STRING_3 => {
                seen.mark(REQUEST_ID);
                scan.nested(|scan| uuid(scan, seen, 13, &mut [0; 2]))?;
            }
            VARINT_4 => {
                let value = enum_value(scan.varint()?);
                seen.mark(1 << 6);
                seen.choose(PEER_TYPE_BAD, matches!(value, 1..=2));
            }
            VARINT_5 => {
                let value = enum_value(scan.varint()?);
                seen.mark(1 << 7);
                seen.choose(METHOD_BAD, value <= 44);
            }
            STRING_6 | STRING_7 | STRING_8 => {
                scan.string()?;
                seen.mark(1 << (2 + (field_key >> 3)));
            }
            STRING_12 => {
                seen.mark(APP_UUID);
                let app = &mut found.http_app;
                scan.nested(|scan| uuid(scan, seen, 16, app))?;
            }
            VARINT_13 => scan.skip_varint()?,
            STRING_14 | STRING_15 => scan.skip_string()?,
            _ => scan.unknown(
                field_key,
                &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15],
                1,
            )?,
        }
    }
    Ok(())
}

/// A UUID's low and high words into `words`, as far as they are there; marks two bits from `bit` on.
fn uuid(scan: &mut Scan<'_>, seen: &mut Seen, bit: u64, words: &mut [u64; 2]) -> Result<(), Loss> {
    while scan.has_more() {
        let field_key = scan.varint()?;
        match field_key {
            VARINT_1 => {
                words[0] = scan.varint()?;
                seen.mark(1 << bit);
            }
            VARINT_2 => {
                words[1] = scan.varint()?;
                seen.mark(2 << bit);
            }
            _ => scan.unknown(field_key, &[1, 2], 2)?,
        }
    }
    Ok(())
}

fn value_metric(scan: &mut Scan<'_>, seen: &mut Seen) -> Result<(), Loss> {
    seen.mark(VALUE);
    while scan.has_more() {
        let field_key = scan.varint()?;
        match field_key {
            STRING_1 | STRING_3 => scan.skip_string()?,
            DOUBLE_2 => scan.skip_double()?,
            _ => {
                scan.unknown(field_key, &[1, 2, 3], 1)?;
                continue;
            }
        }
        seen.mark(1 << (22 + (field_key >> 3)));
    }
    Ok(())
}

fn counter_event(scan: &mut Scan<'_>, seen: &mut Seen) -> Result<(), Loss> {
    seen.mark(COUNTER);
    while scan.has_more() {
        let field_key = scan.varint()?;
        match field_key {
            STRING_1 => {
                scan.string()?;
                seen.mark(1 << 27);
            }
            VARINT_2 => {
                scan.varint()?;
                seen.mark(1 << 28);
            }
            VARINT_3 => scan.skip_varint()?,
            _ => scan.unknown(field_key, &[1, 2, 3], 1)?,
        }
    }
    Ok(())
}

fn error(scan: &mut Scan<'_>, seen: &mut Seen) -> Result<(), Loss> {
    seen.mark(ERROR);
    while scan.has_more() {
        let field_key = scan.varint()?;
        match field_key {
            STRING_1 | STRING_3 => scan.skip_string()?,
            VARINT_2 => scan.skip_varint()?,
            _ => {
                scan.unknown(field_key, &[1, 2, 3], 1)?;
                continue;
            }
        }
        seen.mark(1 << (29 + (field_key >> 3)));
    }
    Ok(())
}

fn container_metric<'b>(scan: &mut Scan<'b>, found: &mut Found<'b>) -> Result<(), Loss> {
    found.seen.mark(CONTAINER);
    while scan.has_more() {
        let field_key = scan.varint()?;
        match field_key {
            STRING_1 => found.container_app = scan.string()?,
            DOUBLE_3 => scan.skip_double()?,
            VARINT_2 | VARINT_4 | VARINT_5 => scan.skip_varint()?,
            VARINT_6 | VARINT_7 => {
                scan.varint()?;
                continue;
            }
            _ => {
                scan.unknown(field_key, &[1, 2, 3, 4, 5, 6, 7], 1)?;
                continue;
            }
        }
        found.seen.mark(1 << (33 + (field_key >> 3)));
    }
    Ok(())
}

/// An enum's number: readers take the low 32 bits, and no enum here goes beyond a few dozen.
#[inline]
fn enum_value(varint: u64) -> u64 {
    varint & 0xffff_ffff
}

/// A UUID's text: the bytes of the low word, then of the high one, both little-endian.
pub(super) fn uuid_text([low, high]: [u64; 2]) -> [u8; 36] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; 36];
    let mut places = (0..36).filter(|place| !matches!(place, 8 | 13 | 18 | 23));
    for byte in low.to_le_bytes().into_iter().chain(high.to_le_bytes()) {
        for digit in [byte >> 4, byte & 15] {
            if let Some(place) = places.next() {
                text[place] = DIGITS[usize::from(digit)];
            }
        }
    }
    text
}

const STRING_1: u64 = key(1, LENGTH);
const STRING_2: u64 = key(2, LENGTH);
const STRING_3: u64 = key(3, LENGTH);
const STRING_4: u64 = key(4, LENGTH);
const STRING_5: u64 = key(5, LENGTH);
const STRING_6: u64 = key(6, LENGTH);
const STRING_7: u64 = key(7, LENGTH);
const STRING_8: u64 = key(8, LENGTH);
const STRING_12: u64 = key(12, LENGTH);
const STRING_14: u64 = key(14, LENGTH);
const STRING_15: u64 = key(15, LENGTH);
const VARINT_1: u64 = key(1, VARINT);
const VARINT_2: u64 = key(2, VARINT);
const VARINT_3: u64 = key(3, VARINT);
const VARINT_4: u64 = key(4, VARINT);
const VARINT_5: u64 = key(5, VARINT);
const VARINT_6: u64 = key(6, VARINT);
const VARINT_7: u64 = key(7, VARINT);
const VARINT_9: u64 = key(9, VARINT);
const VARINT_10: u64 = key(10, VARINT);
const VARINT_13: u64 = key(13, VARINT);
const DOUBLE_2: u64 = key(2, FIXED64);
const DOUBLE_3: u64 = key(3, FIXED64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_text_follows_the_reference() {
        let text = uuid_text([0x7243_cc58_0bc1_7af4, 0x79d4_c3b2_a020_e67e]);
        assert_eq!(&text, b"f47ac10b-58cc-4372-7ee6-20a0b2c3d479");
    }

    #[test]
    fn the_bits_of_messages_do_not_overlap() {
        let groups = [
            ORIGIN_BIT | EVENT_TYPE_BIT,
            HTTP | HTTP_REQUIRED,
            REQUEST_ID_PARTS,
            APP_UUID | APP_UUID_PARTS,
            LOG | LOG_REQUIRED,
            VALUE | VALUE_REQUIRED,
            COUNTER | COUNTER_REQUIRED,
            ERROR | ERROR_REQUIRED,
            CONTAINER | CONTAINER_REQUIRED,
            ANY_BAD,
        ];
        let mut all = 0;
        for group in groups {
            assert_eq!(all & group, 0);
            all |= group;
        }
        assert_eq!(REQUEST_ID, 1 << (2 + 3));
    }
}
