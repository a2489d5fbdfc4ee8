//! What a v2 envelope says, found in its bytes in one pass.

use super::read::{BYTES_1, BYTES_2, DOUBLE_2, Number, Reader, VARINT_2, VARINT_3};
use super::sorted::Sorted;

/// The parts of a v2 envelope as v1 needs them. Texts are as the envelope has them: who has checked
/// the envelope has checked that they are UTF-8.
#[derive(Debug, Default)]
pub(super) struct Parts<'e> {
    pub(super) timestamp: Number<'e>,
    pub(super) source_id: &'e [u8],
    pub(super) instance_id: &'e [u8],
    /// The tags that are fields in v1.
    pub(super) origin: &'e [u8],
    pub(super) deployment: &'e [u8],
    pub(super) job: &'e [u8],
    pub(super) index: &'e [u8],
    pub(super) ip: &'e [u8],
    /// Whether it is an error of v1, which travels through v2 as a log.
    pub(super) was_error: bool,
    /// A tag that is a field in v1's logs.
    pub(super) source_type: Option<&'e [u8]>,
    /// All other tags.
    pub(super) tags: Sorted<'e, Tag<'e>>,
    pub(super) message: Option<Message<'e>>,
    /// A gauge's metrics by their name.
    pub(super) metrics: Sorted<'e, Metric<'e>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Tag<'e> {
    pub(super) value: &'e [u8],
    /// Key and value as the map's entry in v2, if that is what it is in v1.
    pub(super) entry: Option<&'e [u8]>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Message<'e> {
    Log(Log<'e>),
    Counter(Counter<'e>),
    Gauge,
    Timer(Timer<'e>),
    Event,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Log<'e> {
    pub(super) payload: &'e [u8],
    /// Its number, of which readers take the low 32 bits.
    pub(super) r#type: u64,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counter<'e> {
    pub(super) name: &'e [u8],
    pub(super) delta: Number<'e>,
    pub(super) total: Number<'e>,
}

/// A timer without its name, which v1 has no place for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timer<'e> {
    pub(super) start: Number<'e>,
    pub(super) stop: Number<'e>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Metric<'e> {
    pub(super) unit: &'e [u8],
    pub(super) value: f64,
}

const TIMESTAMP: u8 = 1 << 3;
const SOURCE_ID: u8 = 2 << 3 | 2;
const LOG: u8 = 4 << 3 | 2;
const COUNTER: u8 = 5 << 3 | 2;
const GAUGE: u8 = 6 << 3 | 2;
const TIMER: u8 = 7 << 3 | 2;
const INSTANCE_ID: u8 = 8 << 3 | 2;
const TAGS: u8 = 9 << 3 | 2;
const EVENT: u8 = 10 << 3 | 2;

impl<'e> Parts<'e> {
    /// Finds the parts of an envelope. `None` where they are not for certain what they look like:
    /// a message that comes twice and is to be merged, deprecated tags, a field that nobody knows,
    /// bytes that are no envelope.
    pub(super) fn read(&mut self, envelope: &'e [u8]) -> Option<()> {
        let mut reader = Reader::new(envelope);
        while let Some(key) = reader.key() {
            match key {
                TIMESTAMP => self.timestamp = reader.number()?,
                SOURCE_ID => self.source_id = reader.bytes()?,
                INSTANCE_ID => self.instance_id = reader.bytes()?,
                TAGS => self.tag(reader.bytes()?)?,
                LOG | COUNTER | GAUGE | TIMER | EVENT => self.message(key, reader.bytes()?)?,
                _ => return None,
            }
        }
        Some(())
    }

    /// Makes it a tag, over one of this name. `None`: there are too many tags.
    pub(super) fn set_tag(&mut self, key: &'static [u8], value: &'e [u8]) -> Option<()> {
        self.tags.insert(key, Tag { value, entry: None })
    }

    /// A tag that becomes a field of the event, "" if there is none; it is no tag any more.
    pub(super) fn take(&mut self, key: &[u8]) -> &'e [u8] {
        self.tags.take(key).map_or(&[], |tag| tag.value)
    }

    #[inline(always)]
    fn tag(&mut self, entry: &'e [u8]) -> Option<()> {
        let (key, tag) = plain_tag(entry).or_else(|| any_tag(entry))?;
        let part = match key {
            b"origin" => &mut self.origin,
            b"deployment" => &mut self.deployment,
            b"job" => &mut self.job,
            b"index" => &mut self.index,
            b"ip" => &mut self.ip,
            b"source_type" => self.source_type.insert(&[]),
            b"__v1_type" => {
                self.was_error = tag.value == b"Error";
                return Some(());
            }
            _ => return self.tags.insert(key, tag),
        };
        *part = tag.value;
        Some(())
    }

    #[inline(always)]
    fn message(&mut self, key: u8, bytes: &'e [u8]) -> Option<()> {
        if self.message.is_some() {
            return None;
        }
        self.message = Some(match key {
            LOG => Message::Log(log(bytes)?),
            COUNTER => Message::Counter(counter(bytes)?),
            GAUGE => {
                self.metrics(bytes)?;
                Message::Gauge
            }
            TIMER => Message::Timer(timer(bytes)?),
            _ => Message::Event,
        });
        Some(())
    }

    fn metrics(&mut self, gauge: &'e [u8]) -> Option<()> {
        let mut reader = Reader::new(gauge);
        while let Some(key) = reader.key() {
            match key {
                BYTES_1 => {
                    let (name, metric) = named_metric(reader.bytes()?)?;
                    self.metrics.insert(name, metric)?;
                }
                _ => return None,
            }
        }
        Some(())
    }
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

/// An entry of `map<string, string>`.
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

#[inline(always)]
fn log(bytes: &[u8]) -> Option<Log<'_>> {
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

fn counter(bytes: &[u8]) -> Option<Counter<'_>> {
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

/// On the wire a timer looks like a counter.
fn timer(bytes: &[u8]) -> Option<Timer<'_>> {
    counter(bytes).map(|timer| Timer {
        start: timer.delta,
        stop: timer.total,
    })
}

/// An entry of `map<string, GaugeValue>`. `None` also if it has two values, which are to be merged.
fn named_metric(entry: &[u8]) -> Option<(&[u8], Metric<'_>)> {
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
