//! v2 envelopes into v1 without objects between: from bytes to bytes.

use super::events;
use super::scan::{Message, Parts};
use super::write::Writer;
use crate::wire::fields::{Metric, Tag};
use crate::wire::sorted::Sorted;
use hydrant_engine::record::{Record, Version};
use hydrant_proto::convert::to_v1;
use hydrant_proto::v1::envelope::EventType;
use hydrant_proto::v2;
use prost::Message as _;
use std::mem;

/// Brings records into v1, in memory that is used again: most need none of their own.
///
/// **Invariant: what it gives are the bytes of [`to_v1`]'s envelopes**, if the engine has checked
/// the record. What is rare goes through `to_v1` itself.
#[derive(Debug, Default)]
pub struct V1Form {
    event: Writer,
    envelope: Writer,
    tags: Sorted<'static, Tag<'static>>,
    metrics: Sorted<'static, Metric<'static>>,
}

impl V1Form {
    /// The record's v1 envelopes, one after the other to `each`: one as it came, or what a v2
    /// envelope becomes (none for an event, several for a gauge of several metrics).
    #[inline]
    pub fn messages(&mut self, record: &Record<'_>, mut each: impl FnMut(&[u8])) {
        match record.header.version {
            Version::V1 => each(record.envelope),
            Version::V2 => self.of_v2(record.envelope, each),
        }
    }

    fn of_v2(&mut self, envelope: &[u8], mut each: impl FnMut(&[u8])) {
        let mut parts = Parts {
            tags: mem::take(&mut self.tags).recycle(),
            metrics: mem::take(&mut self.metrics).recycle(),
            ..Parts::default()
        };
        if self.with_parts(&mut parts, envelope, &mut each).is_none() {
            self.with_objects(envelope, &mut each);
        }
        self.tags = parts.tags.recycle();
        self.metrics = parts.metrics.recycle();
    }

    /// `None`, before anything is given: it is not for certain what it looks like.
    fn with_parts<'e>(
        &mut self,
        parts: &mut Parts<'e>,
        envelope: &'e [u8],
        mut each: impl FnMut(&[u8]),
    ) -> Option<()> {
        parts.read(envelope)?;
        if !parts.source_id.is_empty() {
            parts.set_tag(b"source_id", parts.source_id)?;
        }
        self.event.clear();
        match parts.message {
            // Its text may have to be mended.
            Some(Message::Log(_)) if parts.was_error => return None,
            Some(Message::Log(log)) => {
                events::log(parts, log, &mut self.event);
                each(self.around_event(parts, EventType::LogMessage));
            }
            Some(message) => return self.metric(parts, message, each),
            None => {}
        }
        Some(())
    }

    /// All but logs: a tag is a field of theirs, and stays a tag here.
    fn metric(
        &mut self,
        parts: &mut Parts<'_>,
        message: Message<'_>,
        mut each: impl FnMut(&[u8]),
    ) -> Option<()> {
        if let Some(source_type) = parts.source_type {
            parts.set_tag(b"source_type", source_type)?;
        }
        let event_type = match message {
            Message::Counter(counter) => {
                tag_instance(parts)?;
                events::counter(counter, &mut self.event);
                EventType::CounterEvent
            }
            Message::Timer(timer) => {
                events::timer(parts, timer, &mut self.event);
                EventType::HttpStartStop
            }
            Message::Gauge if events::container(parts, &mut self.event).is_some() => {
                EventType::ContainerMetric
            }
            Message::Gauge => return self.values(parts, each),
            Message::Log(_) | Message::Event => return Some(()),
        };
        each(self.around_event(parts, event_type));
        Some(())
    }

    fn values(&mut self, parts: &mut Parts<'_>, mut each: impl FnMut(&[u8])) -> Option<()> {
        tag_instance(parts)?;
        for (name, metric) in parts.metrics.iter() {
            self.event.clear();
            events::value(name, metric, &mut self.event);
            each(self.around_event(parts, EventType::ValueMetric));
        }
        Some(())
    }

    /// The envelope with the event that has been written.
    #[inline]
    fn around_event(&mut self, parts: &Parts<'_>, event_type: EventType) -> &[u8] {
        let envelope = &mut self.envelope;
        envelope.clear();
        envelope.bytes(1, parts.origin);
        envelope.int32(2, event_type.into());
        envelope.same_number(6, parts.timestamp);
        envelope.bytes(event_field(event_type), self.event.written());
        envelope.bytes(13, parts.deployment);
        envelope.bytes(14, parts.job);
        envelope.bytes(15, parts.index);
        envelope.bytes(16, parts.ip);
        for (key, tag) in parts.tags.iter() {
            match tag.entry {
                Some(entry) => envelope.bytes(17, entry),
                None => envelope.entry(17, key, tag.value),
            }
        }
        envelope.written()
    }

    /// The slow way, which says what is right.
    #[cold]
    fn with_objects(&mut self, envelope: &[u8], each: &mut dyn FnMut(&[u8])) {
        let Ok(envelope) = v2::Envelope::decode(envelope) else {
            return;
        };
        for converted in to_v1(envelope) {
            self.envelope.clear();
            converted.encode_raw(self.envelope.buffer());
            each(self.envelope.written());
        }
    }
}

/// For the events that have no field for it.
fn tag_instance(parts: &mut Parts<'_>) -> Option<()> {
    match parts.instance_id {
        b"" => Some(()),
        id => parts.set_tag(b"instance_id", id),
    }
}

const fn event_field(event_type: EventType) -> u32 {
    match event_type {
        EventType::HttpStartStop => 7,
        EventType::LogMessage => 8,
        EventType::ValueMetric => 9,
        EventType::CounterEvent => 10,
        EventType::Error => 11,
        EventType::ContainerMetric => 12,
    }
}
