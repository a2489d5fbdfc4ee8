//! The parts of a v2 envelope, each found in its bytes in one pass. Texts are as the envelope has them:
//! who has checked the envelope has checked that they are UTF-8.
//!
//! Everything gives `None` where bytes are not for certain what they look like: a field that nobody
//! knows, a message that comes twice and is to be merged, bytes that end too soon.

use super::read::{BYTES_1, BYTES_2, DOUBLE_2, Number, Reader, VARINT_2, VARINT_3};

/// The keys of an envelope's fields, with their types.
pub const TIMESTAMP: u8 = 1 << 3;
/// See [`TIMESTAMP`].
pub const SOURCE_ID: u8 = 2 << 3 | 2;
/// See [`TIMESTAMP`].
pub const LOG: u8 = 4 << 3 | 2;
/// See [`TIMESTAMP`].
pub const COUNTER: u8 = 5 << 3 | 2;
/// See [`TIMESTAMP`].
pub const GAUGE: u8 = 6 << 3 | 2;
/// See [`TIMESTAMP`].
pub const TIMER: u8 = 7 << 3 | 2;
/// See [`TIMESTAMP`].
pub const INSTANCE_ID: u8 = 8 << 3 | 2;
/// See [`TIMESTAMP`].
pub const TAGS: u8 = 9 << 3 | 2;
/// See [`TIMESTAMP`].
pub const EVENT: u8 = 10 << 3 | 2;

/// An entry of `map<string, string>`.
#[derive(Clone, Copy, Debug)]
pub struct Tag<'e> {
    /// The value.
    pub value: &'e [u8],
    /// Key and value as the map's entry in v2, if that is what it is in v1.
    pub entry: Option<&'e [u8]>,
}

/// A log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Log<'e> {
    /// What was logged.
    pub payload: &'e [u8],
    /// Its number, of which readers take the low 32 bits.
    pub r#type: u64,
}

/// A counter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counter<'e> {
    /// Its name.
    pub name: &'e [u8],
    /// How much it grew.
    pub delta: Number<'e>,
    /// What it stands at.
    pub total: Number<'e>,
}

/// A timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer<'e> {
    /// Its name, which v1 has no place for.
    pub name: &'e [u8],
    /// When it began, in nanoseconds since 1970.
    pub start: Number<'e>,
    /// When it ended.
    pub stop: Number<'e>,
}

/// A value of a gauge.
#[derive(Clone, Copy, Debug, Default)]
pub struct Metric<'e> {
    /// What it is counted in.
    pub unit: &'e [u8],
    /// How much it is.
    pub value: f64,
}

/// An event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Event<'e> {
    /// What happened, in short.
    pub title: &'e [u8],
    /// The rest.
    pub body: &'e [u8],
}

/// An entry of `map<string, string>`.
#[inline(always)]
pub fn tag(entry: &[u8]) -> Option<(&[u8], Tag<'_>)> {
    plain_tag(entry).or_else(|| any_tag(entry))
}

/// An entry of `map<string, string>` in the form that nearly everybody writes, v1 too: a short key,
/// then a short value, neither empty.
#[inline(always)]
fn plain_tag(entry: &[u8]) -> Option<(&[u8], Tag<'_>)> {
    let [BYTES_1, key_bytes @ 1..0x80, rest @ ..] = entry else {
        return None;
    };
    let (key, rest) = rest.split_at_checked(usize::from(*key_bytes))?;
    let [BYTES_2, value_bytes @ 1..0x80, value @ ..] = rest else {
        return None;
    };
    let entry = Some(entry);
    (value.len() == usize::from(*value_bytes)).then_some((key, Tag { value, entry }))
}

#[cold]
fn any_tag(entry: &[u8]) -> Option<(&[u8], Tag<'_>)> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    let mut reader = Reader::new(entry);
    while let Some(key) = reader.key() {
        match key {
            BYTES_1 => name = reader.bytes()?,
            BYTES_2 => value = reader.bytes()?,
            _ => return None,
        }
    }
    Some((name, Tag { value, entry: None }))
}

/// A log.
#[inline(always)]
pub fn log(bytes: &[u8]) -> Option<Log<'_>> {
    let mut log = Log::default();
    let mut reader = Reader::new(bytes);
    while let Some(key) = reader.key() {
        match key {
            BYTES_1 => log.payload = reader.bytes()?,
            VARINT_2 => log.r#type = reader.varint()?,
            _ => return None,
        }
    }
    Some(log)
}

/// A counter.
pub fn counter(bytes: &[u8]) -> Option<Counter<'_>> {
    let mut counter = Counter::default();
    let mut reader = Reader::new(bytes);
    while let Some(key) = reader.key() {
        match key {
            BYTES_1 => counter.name = reader.bytes()?,
            VARINT_2 => counter.delta = reader.number()?,
            VARINT_3 => counter.total = reader.number()?,
            _ => return None,
        }
    }
    Some(counter)
}

/// A timer, which looks like a counter on the wire.
pub fn timer(bytes: &[u8]) -> Option<Timer<'_>> {
    counter(bytes).map(|timer| Timer {
        name: timer.name,
        start: timer.delta,
        stop: timer.total,
    })
}

/// An entry of `map<string, GaugeValue>`. `None` also if it has two values, which are to be merged.
pub fn named_metric(entry: &[u8]) -> Option<(&[u8], Metric<'_>)> {
    let (mut name, mut value): (&[u8], _) = (&[], None);
    let mut reader = Reader::new(entry);
    while let Some(key) = reader.key() {
        match key {
            BYTES_1 => name = reader.bytes()?,
            BYTES_2 if value.is_none() => value = Some(metric(reader.bytes()?)?),
            _ => return None,
        }
    }
    Some((name, value.unwrap_or_default()))
}

fn metric(bytes: &[u8]) -> Option<Metric<'_>> {
    let mut metric = Metric::default();
    let mut reader = Reader::new(bytes);
    while let Some(key) = reader.key() {
        match key {
            BYTES_1 => metric.unit = reader.bytes()?,
            DOUBLE_2 => metric.value = reader.double()?,
            _ => return None,
        }
    }
    Some(metric)
}

/// An event.
pub fn event(bytes: &[u8]) -> Option<Event<'_>> {
    let mut event = Event::default();
    let mut reader = Reader::new(bytes);
    while let Some(key) = reader.key() {
        match key {
            BYTES_1 => event.title = reader.bytes()?,
            BYTES_2 => event.body = reader.bytes()?,
            _ => return None,
        }
    }
    Some(event)
}
