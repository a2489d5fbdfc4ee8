//! An envelope as a line needs it, read from its bytes without objects between.

use hydrant_engine::record::{Record, Version};
use hydrant_feed::convert::v2_envelope;
use hydrant_feed::wire::fields::{
    self, COUNTER, EVENT, Event, GAUGE, INSTANCE_ID, LOG, Log, Metric, SOURCE_ID, TAGS, TIMER,
    TIMESTAMP,
};
use hydrant_feed::wire::read::{BYTES_1, Reader};
use hydrant_feed::wire::sorted::Sorted;
use hydrant_proto::v2::Envelope;
use hydrant_proto::v2::envelope::Message;
use std::mem;

/// What a v2 envelope says. Texts are UTF-8, because the engine has checked them.
#[derive(Debug, Default)]
pub(crate) struct View<'e> {
    /// In nanoseconds since 1970.
    pub(crate) timestamp: i64,
    pub(crate) source_id: &'e [u8],
    pub(crate) instance_id: &'e [u8],
    /// All tags, in the order of their names' bytes. Of deprecated ones upstream sends none.
    pub(crate) tags: Sorted<'e, &'e [u8]>,
    pub(crate) names: Names<'e>,
    /// `None`: there is none, or of a kind that this version does not know.
    pub(crate) message: Option<Said<'e>>,
    /// A gauge's values by their name.
    pub(crate) metrics: Sorted<'e, Metric<'e>>,
}

/// The tags that header fields are made of.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Names<'e> {
    pub(crate) organization: Option<&'e [u8]>,
    pub(crate) space: Option<&'e [u8]>,
    pub(crate) app: Option<&'e [u8]>,
    pub(crate) source_type: Option<&'e [u8]>,
}

/// An envelope's message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Said<'e> {
    Log(Log<'e>),
    Counter {
        name: &'e [u8],
        delta: u64,
        total: u64,
    },
    Gauge,
    Timer {
        name: &'e [u8],
        start: i64,
        stop: i64,
    },
    Event(Event<'e>),
}

impl<'e> View<'e> {
    /// Finds everything in one pass. `None` where it is not for certain what it looks like.
    fn read(&mut self, envelope: &'e [u8]) -> Option<()> {
        let mut reader = Reader::new(envelope);
        while let Some(key) = reader.key() {
            match key {
                TIMESTAMP => self.timestamp = reader.varint()?.cast_signed(),
                SOURCE_ID => self.source_id = reader.bytes()?,
                INSTANCE_ID => self.instance_id = reader.bytes()?,
                TAGS => self.tag(reader.bytes()?)?,
                LOG | COUNTER | GAUGE | TIMER | EVENT => self.message(key, reader.bytes()?)?,
                _ => return None,
            }
        }
        Some(())
    }

    #[inline(always)]
    fn tag(&mut self, entry: &'e [u8]) -> Option<()> {
        let (name, tag) = fields::tag(entry)?;
        self.set_tag(name, tag.value)
    }

    #[inline(always)]
    fn set_tag(&mut self, name: &'e [u8], value: &'e [u8]) -> Option<()> {
        match name {
            b"organization_name" => self.names.organization = Some(value),
            b"space_name" => self.names.space = Some(value),
            b"app_name" => self.names.app = Some(value),
            b"source_type" => self.names.source_type = Some(value),
            _ => (),
        }
        self.tags.insert(name, value)
    }

    #[inline(always)]
    fn message(&mut self, key: u8, bytes: &'e [u8]) -> Option<()> {
        if self.message.is_some() {
            return None;
        }
        self.message = Some(match key {
            LOG => Said::Log(fields::log(bytes)?),
            COUNTER => {
                let counter = fields::counter(bytes)?;
                Said::Counter {
                    name: counter.name,
                    delta: counter.delta.value(),
                    total: counter.total.value(),
                }
            }
            TIMER => {
                let timer = fields::timer(bytes)?;
                Said::Timer {
                    name: timer.name,
                    start: timer.start.value().cast_signed(),
                    stop: timer.stop.value().cast_signed(),
                }
            }
            EVENT => Said::Event(fields::event(bytes)?),
            _ => {
                self.gauge(bytes)?;
                Said::Gauge
            }
        });
        Some(())
    }

    fn gauge(&mut self, gauge: &'e [u8]) -> Option<()> {
        let mut reader = Reader::new(gauge);
        while let Some(key) = reader.key() {
            if key != BYTES_1 {
                return None;
            }
            let (name, metric) = fields::named_metric(reader.bytes()?)?;
            self.metrics.insert(name, metric)?;
        }
        Some(())
    }
}

impl<'e> View<'e> {
    /// A view of an envelope that is an object: what is rare on the wire comes by this way.
    #[cold]
    pub(crate) fn of(envelope: &'e Envelope) -> Self {
        let mut view = Self {
            timestamp: envelope.timestamp,
            source_id: envelope.source_id.as_bytes(),
            instance_id: envelope.instance_id.as_bytes(),
            message: envelope.message.as_ref().map(Said::of),
            ..Self::default()
        };
        // They come in order, so that there is place for all.
        for (name, value) in &envelope.tags {
            view.set_tag(name.as_bytes(), value.as_bytes());
        }
        if let Some(Message::Gauge(gauge)) = &envelope.message {
            for (name, metric) in &gauge.metrics {
                let value = metric.value;
                let unit = metric.unit.as_bytes();
                view.metrics.insert(name.as_bytes(), Metric { unit, value });
            }
        }
        view
    }
}

impl<'e> Said<'e> {
    fn of(message: &'e Message) -> Self {
        match message {
            Message::Log(log) => Self::Log(Log {
                payload: &log.payload,
                r#type: u64::from(log.r#type.cast_unsigned()),
            }),
            Message::Counter(counter) => Self::Counter {
                name: counter.name.as_bytes(),
                delta: counter.delta,
                total: counter.total,
            },
            Message::Gauge(_) => Self::Gauge,
            Message::Timer(timer) => Self::Timer {
                name: timer.name.as_bytes(),
                start: timer.start,
                stop: timer.stop,
            },
            Message::Event(event) => Self::Event(Event {
                title: event.title.as_bytes(),
                body: event.body.as_bytes(),
            }),
        }
    }
}

/// Views of one record after the other, in the same memory.
#[derive(Debug, Default)]
pub struct Views {
    tags: Sorted<'static, &'static [u8]>,
    metrics: Sorted<'static, Metric<'static>>,
}

impl Views {
    /// Shows the record to `look`, and gives what that gives. `None` if its bytes cannot be read,
    /// which the engine has excluded.
    pub(crate) fn show<T>(
        &mut self,
        record: &Record<'_>,
        look: impl FnOnce(&View<'_>) -> T,
    ) -> Option<T> {
        if record.header.version == Version::V2 {
            let mut view = View {
                tags: mem::take(&mut self.tags).recycle(),
                metrics: mem::take(&mut self.metrics).recycle(),
                ..View::default()
            };
            if view.read(record.envelope).is_some() {
                let shown = look(&view);
                self.tags = view.tags.recycle();
                self.metrics = view.metrics.recycle();
                return Some(shown);
            }
        }
        v2_envelope(record).map(|envelope| look(&View::of(&envelope)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_engine::clock::UnixNanos;
    use hydrant_engine::record::{Header, Kind, SourceRule};
    use hydrant_proto::v2::{Counter, Gauge, GaugeValue, Timer, Value, value};
    use prost::Message as _;

    fn shown(bytes: &[u8]) -> String {
        let header = Header {
            version: Version::V2,
            kind: Kind::Log,
            source_rule: SourceRule::Origin,
            source_hash: 0,
            received: UnixNanos(0),
        };
        let record = Record {
            header,
            envelope: bytes,
        };
        let look = |view: &View<'_>| format!("{view:?}");
        Views::default().show(&record, look).unwrap()
    }

    fn envelopes() -> Vec<Envelope> {
        let metric = |value| GaugeValue {
            unit: "u".to_owned(),
            value,
        };
        let messages = [
            Message::Counter(Counter {
                name: "c".to_owned(),
                delta: 300,
                total: u64::MAX,
            }),
            Message::Timer(Timer {
                name: "t".to_owned(),
                start: -1,
                stop: i64::MAX,
            }),
            Message::Gauge(Gauge {
                metrics: [("b", 1.5), ("a", 2.0)]
                    .map(|(name, value)| (name.to_owned(), metric(value)))
                    .into(),
            }),
        ];
        let tags = (0..100)
            .rev()
            .map(|number| (format!("t{number:02}"), "v".repeat(number)));
        let tags: std::collections::BTreeMap<_, _> = tags.collect();
        let envelope = |message| Envelope {
            timestamp: -5,
            source_id: "s".to_owned(),
            instance_id: "i".to_owned(),
            tags: tags.clone(),
            message: Some(message),
            ..Default::default()
        };
        messages.map(envelope).into()
    }

    #[test]
    fn bytes_and_objects_look_alike() {
        for envelope in envelopes() {
            let of_object = format!("{:?}", View::of(&envelope));
            assert_eq!(shown(&envelope.encode_to_vec()), of_object);
        }
    }

    #[test]
    fn what_is_rare_comes_by_way_of_objects() {
        for mut envelope in envelopes() {
            let plain = format!("{:?}", View::of(&envelope));
            let text = value::Data::Text("x".to_owned());
            let deprecated = Value { data: Some(text) };
            envelope.deprecated_tags.insert("d".to_owned(), deprecated);
            assert_eq!(shown(&envelope.encode_to_vec()), plain);
        }
        // A message that comes in two parts is one.
        let [mut first, mut second] = [Envelope::default(), Envelope::default()];
        let counter = |name: &str, delta| {
            Some(Message::Counter(Counter {
                name: name.to_owned(),
                delta,
                total: 0,
            }))
        };
        first.message = counter("c", 0);
        second.message = counter("", 7);
        let bytes = [first.encode_to_vec(), second.encode_to_vec()].concat();
        let merged = Envelope {
            message: counter("c", 7),
            ..Default::default()
        };
        assert_eq!(shown(&bytes), format!("{:?}", View::of(&merged)));
    }
}
