//! What a v2 envelope says, found in its bytes in one pass.

use crate::wire::fields::{
    COUNTER, Counter, EVENT, GAUGE, INSTANCE_ID, LOG, Log, Metric, SOURCE_ID, TAGS, TIMER,
    TIMESTAMP, Tag, Timer, counter, log, named_metric, tag, timer,
};
use crate::wire::read::{BYTES_1, Number, Reader};
use crate::wire::sorted::Sorted;

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
pub(super) enum Message<'e> {
    Log(Log<'e>),
    Counter(Counter<'e>),
    Gauge,
    Timer(Timer<'e>),
    Event,
}

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
        let (key, tag) = tag(entry)?;
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
