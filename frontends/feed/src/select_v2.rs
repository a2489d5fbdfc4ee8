//! What a v2 subscriber asks for: `loggregator.v2.Selector`, by the rules of upstream's Doppler.

use hydrant_engine::decode::{fields, source};
use hydrant_engine::record::{Kind, KindSet, Record, source_hash};
use hydrant_engine::route::Demand;
use hydrant_proto::v2::{self, selector::Message};

/// One selector of a request: each is a subscription of its own, so that an envelope that two of
/// them select arrives twice, as it does upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SelectorV2 {
    source: Option<SourceId>,
    message: Wanted,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct SourceId {
    hash: u64,
    id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Wanted {
    Log,
    Counter(Option<String>),
    /// Exactly these metrics, in order; `None` for any.
    Gauge(Option<Vec<String>>),
    Timer,
    Event,
}

const COUNTER: u64 = 5;
const GAUGE: u64 = 6;

impl SelectorV2 {
    /// The selector, if it names a kind; one that does not selects nothing.
    pub fn of(selector: &v2::Selector) -> Option<Self> {
        let named = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        let message = match selector.message.as_ref()? {
            Message::Log(_) => Wanted::Log,
            Message::Counter(counter) => Wanted::Counter(named(&counter.name)),
            Message::Gauge(gauge) => Wanted::Gauge(sorted(&gauge.names)),
            Message::Timer(_) => Wanted::Timer,
            Message::Event(_) => Wanted::Event,
        };
        let source = named(&selector.source_id).map(|id| SourceId {
            hash: source_hash(id.as_bytes()),
            id,
        });
        Some(Self { source, message })
    }

    /// The hash of the only source that it selects, if there is one.
    pub fn source_hash(&self) -> Option<u64> {
        self.source.as_ref().map(|source| source.hash)
    }

    /// `demand` and what this selector needs.
    #[must_use]
    pub fn add_to(&self, demand: Demand) -> Demand {
        match &self.source {
            Some(source) => demand.with_source(source.hash, self.kinds()),
            None => demand.with_kinds(self.kinds()),
        }
    }

    /// Whether it may select envelopes of this kind.
    pub const fn selects_kind(&self, kind: Kind) -> bool {
        self.kinds().contains(kind)
    }

    /// Whether the record may be selected; a cheap look at its header.
    #[inline]
    pub fn may_select(&self, record: &Record<'_>) -> bool {
        self.kinds().contains(record.header.kind)
            && self
                .source_hash()
                .is_none_or(|hash| hash == record.header.source_hash)
    }

    /// Whether a record that may be selected is: hashes can be made to collide, ids cannot.
    /// `envelope` is the record as a v2 envelope.
    pub fn selects(&self, record: &Record<'_>, envelope: &[u8]) -> bool {
        let is_source = |own: &SourceId| source(record).is(own.id.as_bytes());
        self.source.as_ref().is_none_or(is_source) && self.selects_names(envelope)
    }

    fn selects_names(&self, envelope: &[u8]) -> bool {
        match &self.message {
            Wanted::Counter(Some(name)) => counter_name(envelope) == name.as_bytes(),
            Wanted::Gauge(Some(names)) => {
                let found = gauge_names(envelope);
                found.len() == names.len()
                    && found
                        .iter()
                        .zip(names)
                        .all(|(found, name)| *found == name.as_bytes())
            }
            _ => true,
        }
    }

    const fn kinds(&self) -> KindSet {
        match self.message {
            // A v1 Error is a log in v2.
            Wanted::Log => KindSet::of(&[Kind::Log, Kind::Error]),
            Wanted::Counter(_) => KindSet::of(&[Kind::Counter]),
            Wanted::Gauge(_) => KindSet::of(&[Kind::Gauge]),
            Wanted::Timer => KindSet::of(&[Kind::Timer]),
            Wanted::Event => KindSet::of(&[Kind::Event]),
        }
    }
}

/// What deterministic groups are split by, as upstream: CRC-64 of a counter's name, the sum over the
/// names of a gauge's metrics; nothing for other kinds, which are split at random there.
pub fn name_hash(kind: Kind, envelope: &[u8]) -> Option<u64> {
    match kind {
        Kind::Counter => Some(crc64(counter_name(envelope))),
        Kind::Gauge => Some(
            gauge_names(envelope)
                .into_iter()
                .map(crc64)
                .fold(0, u64::wrapping_add),
        ),
        _ => None,
    }
}

/// Go's `crc64.ECMA`.
fn crc64(bytes: &[u8]) -> u64 {
    const CRC: crc::Crc<u64> = crc::Crc::<u64>::new(&crc::CRC_64_XZ);
    CRC.checksum(bytes)
}

/// The last field 1 of the messages in field `number`.
fn counter_name(envelope: &[u8]) -> &[u8] {
    let counters = fields(envelope).filter(|(number, _)| *number == COUNTER);
    let names =
        counters.flat_map(|(_, counter)| fields(counter).filter(|(number, _)| *number == 1));
    names.last().map_or(&[], |(_, name)| name)
}

/// The names of the metrics in order, each once.
fn gauge_names(envelope: &[u8]) -> Vec<&[u8]> {
    let gauges = fields(envelope).filter(|(number, _)| *number == GAUGE);
    let metrics = gauges.flat_map(|(_, gauge)| fields(gauge).filter(|(number, _)| *number == 1));
    let name = |(_, entry)| fields(entry).filter(|(number, _)| *number == 1).last();
    let mut names: Vec<_> = metrics
        .map(|metric| name(metric).map_or(&[][..], |(_, name)| name))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn sorted(names: &[String]) -> Option<Vec<String>> {
    if names.is_empty() {
        return None;
    }
    let mut names = names.to_vec();
    names.sort_unstable();
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_engine::clock::UnixNanos;
    use hydrant_engine::decode;
    use hydrant_engine::record::{SourceRule, Version};
    use hydrant_proto::v2::envelope::Message as Content;
    use prost::Message as _;

    fn selector(source_id: &str, message: Message) -> SelectorV2 {
        let selector = v2::Selector {
            source_id: source_id.to_owned(),
            message: Some(message),
        };
        SelectorV2::of(&selector).unwrap()
    }

    fn counter(name: &str) -> Message {
        Message::Counter(v2::CounterSelector { name: name.into() })
    }

    fn gauge(names: &[&str]) -> Message {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Message::Gauge(v2::GaugeSelector { names })
    }

    fn envelope(source: &str, message: Content) -> Vec<u8> {
        v2::Envelope {
            source_id: source.into(),
            message: Some(message),
            ..Default::default()
        }
        .encode_to_vec()
    }

    fn a_counter(name: &str) -> Vec<u8> {
        let name = name.to_owned();
        envelope(
            "s",
            Content::Counter(v2::Counter {
                name,
                ..Default::default()
            }),
        )
    }

    fn a_gauge(names: &[&str]) -> Vec<u8> {
        let metric = |name: &&str| ((*name).to_owned(), v2::GaugeValue::default());
        let metrics = names.iter().map(metric).collect();
        envelope("s", Content::Gauge(v2::Gauge { metrics }))
    }

    fn selects(selector: &SelectorV2, bytes: &[u8]) -> bool {
        let checked = decode::envelope(bytes, Version::V2, SourceRule::DeploymentJob).unwrap();
        let record = Record {
            header: checked.header(UnixNanos(0)),
            envelope: bytes,
        };
        let wanted = selector.add_to(Demand::none()).wants(&record.header);
        let selected = selector.may_select(&record) && selector.selects(&record, bytes);
        assert!(wanted || !selected, "what is selected is demanded");
        selected
    }

    #[test]
    fn kinds_and_sources() {
        let log = envelope("s", Content::Log(v2::Log::default()));
        let logs = |source| selector(source, Message::Log(v2::LogSelector {}));
        assert!(selects(&logs(""), &log));
        assert!(selects(&logs("s"), &log));
        assert!(!selects(&logs("t"), &log));
        assert!(!selects(&logs(""), &a_counter("c")));
        let timers = selector("s", Message::Timer(v2::TimerSelector {}));
        assert!(selects(
            &timers,
            &envelope("s", Content::Timer(v2::Timer::default()))
        ));
        let events = selector("", Message::Event(v2::EventSelector {}));
        assert!(selects(
            &events,
            &envelope("x", Content::Event(v2::Event::default()))
        ));
        assert!(!selects(&events, &log));
        assert_eq!(SelectorV2::of(&v2::Selector::default()), None);
    }

    #[test]
    fn names_are_exact_and_a_gauges_names_are_a_set() {
        assert!(selects(&selector("", counter("")), &a_counter("c")));
        assert!(selects(&selector("", counter("c")), &a_counter("c")));
        assert!(!selects(&selector("", counter("c")), &a_counter("cc")));
        assert!(selects(&selector("", gauge(&[])), &a_gauge(&["a", "b"])));
        assert!(selects(
            &selector("", gauge(&["b", "a"])),
            &a_gauge(&["a", "b"])
        ));
        assert!(!selects(
            &selector("", gauge(&["a"])),
            &a_gauge(&["a", "b"])
        ));
        assert!(!selects(
            &selector("", gauge(&["a", "a"])),
            &a_gauge(&["a"])
        ));
        assert!(!selects(
            &selector("", gauge(&["a", "a"])),
            &a_gauge(&["a", "b"])
        ));
    }

    #[test]
    fn an_equal_hash_is_not_enough() {
        let mut forged = selector("t", counter(""));
        if let Some(source) = &mut forged.source {
            source.hash = source_hash(b"s");
        }
        assert!(!selects(&forged, &a_counter("c")));
    }

    /// The vectors of upstream's tests.
    #[test]
    fn names_hash_as_upstream() {
        assert_eq!(crc64(b""), 0);
        assert_eq!(crc64(b"123456789"), 0x995d_c9bb_df19_39fa);
        assert_eq!(
            name_hash(Kind::Counter, &a_counter("hash")),
            Some(0x232e_ec78_c114_cc40)
        );
        let other = name_hash(Kind::Counter, &a_counter("other-hash"));
        assert_eq!(other, Some(0x3189_6233_e032_cbf1));
        assert_eq!(
            name_hash(Kind::Gauge, &a_gauge(&["a"])),
            Some(0x3302_8477_2e65_2b05)
        );
        assert_eq!(
            name_hash(Kind::Gauge, &a_gauge(&["a", "b"])),
            Some(0xa7ab_8315_b3e7_ff36)
        );
        assert_eq!(name_hash(Kind::Log, &[]), None);
    }
}
