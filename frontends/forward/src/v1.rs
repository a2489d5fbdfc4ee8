//! What an agent does to a v1 envelope: the source id's tag, the fields that say where we are, totals of
//! counters. Upstream's unmarshaller, tagger and aggregator, with totals that are bounded.

use crate::config::{ForwardConfig, V1Tags};
use crate::limits::TOTALS_MAX;
use crate::totals::{CounterId, Totals};
use crate::wire::{entry, put, put_entry};
use hydrant_engine::decode::fields;
use hydrant_engine::record::{Kind, SourceRule};
use hydrant_proto::v1::Envelope;
use prost::Message;

const ORIGIN: u64 = 1;
const TAGS: u32 = 17;
const SOURCE_ID: &str = "source_id";
/// Deployment, job, index, IP.
const FIELDS: [u32; 4] = [13, 14, 15, 16];

/// Changes v1 envelopes.
#[derive(Debug)]
pub(crate) struct Version1 {
    defaults: [Option<String>; 4],
    totals: Option<Totals>,
}

impl Version1 {
    pub(crate) fn new(config: &ForwardConfig) -> Self {
        let V1Tags {
            deployment,
            job,
            index,
            ip,
        } = config.v1.clone();
        Self {
            defaults: [deployment, job, index, ip],
            totals: config.totals.then(|| Totals::up_to(TOTALS_MAX)),
        }
    }

    /// Counters whose totals were forgotten.
    pub(crate) fn forgotten(&self) -> u64 {
        self.totals.as_ref().map_or(0, Totals::forgotten)
    }

    /// The envelope with what it lacks: itself, or what is made of it in `out`.
    pub(crate) fn tagged<'e>(
        &self,
        rule: SourceRule,
        envelope: &'e [u8],
        out: &'e mut Vec<u8>,
    ) -> &'e [u8] {
        let (mut has, mut origin, mut source_id): (_, &[u8], &[u8]) = ([false; 4], &[], &[]);
        for (number, field) in fields(envelope) {
            if number == u64::from(TAGS) {
                let (key, value) = entry(field);
                if key == SOURCE_ID.as_bytes() {
                    source_id = value;
                }
            } else if number == ORIGIN {
                origin = field;
            } else if let Some(at) = FIELDS.iter().position(|own| u64::from(*own) == number) {
                has[at] = true;
            }
        }
        out.clear();
        out.extend_from_slice(envelope);
        for ((field, default), has) in FIELDS.iter().zip(&self.defaults).zip(has) {
            if let Some(default) = default.as_ref().filter(|_| !has) {
                put(out, *field, default.as_bytes());
            }
        }
        // Only agents name the origin as the source, and only who emits over UDP has an agent of us.
        if rule == SourceRule::Origin && source_id.is_empty() {
            // It is UTF-8: the engine has checked it.
            put_entry(out, TAGS, SOURCE_ID, &String::from_utf8_lossy(origin));
        }
        out
    }

    /// A tagged envelope as it is sent on in v1: a counter gets its total. Nothing if it cannot be read,
    /// which the engine has excluded.
    pub(crate) fn totalled<'e>(
        &mut self,
        kind: Kind,
        tagged: &'e [u8],
        out: &'e mut Vec<u8>,
    ) -> Option<&'e [u8]> {
        let Some(totals) = self.totals.as_mut().filter(|_| kind == Kind::Counter) else {
            return Some(tagged);
        };
        let mut envelope = Envelope::decode(tagged).ok()?;
        let Some(counter) = &mut envelope.counter_event else {
            return Some(tagged);
        };
        let tags = envelope.tags.iter().flat_map(|(key, value)| [key, value]);
        let named = [&counter.name, &envelope.origin];
        let id = CounterId::of(named.into_iter().chain(tags));
        match counter.total() {
            0 => counter.total = Some(totals.add(id, counter.delta)),
            total => totals.set(id, total),
        }
        out.clear();
        // Room is no concern of a Vec's.
        envelope.encode(out).ok()?;
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_engine::decode::envelope as checked;
    use hydrant_engine::record::Version;
    use hydrant_proto::v1::CounterEvent;
    use hydrant_proto::v1::envelope::EventType;

    const HERE: &str = "[v1]\ndeployment = 'cf'\njob = 'j'\nindex = ''\nip = '10.0.0.1'\n";

    fn counter(delta: u64, total: Option<u64>) -> Envelope {
        Envelope {
            origin: "o".to_owned(),
            event_type: EventType::CounterEvent.into(),
            counter_event: Some(CounterEvent {
                name: "c".to_owned(),
                delta,
                total,
            }),
            ..Envelope::default()
        }
    }

    fn sent(version1: &mut Version1, envelope: &Envelope, rule: SourceRule) -> Envelope {
        let bytes = envelope.encode_to_vec();
        let (mut tagged, mut out) = (Vec::new(), Vec::new());
        let tagged = version1.tagged(rule, &bytes, &mut tagged);
        let sent = version1.totalled(Kind::Counter, tagged, &mut out).unwrap();
        checked(sent, Version::V1, rule).unwrap();
        Envelope::decode(sent).unwrap()
    }

    #[test]
    fn only_fields_that_are_absent_are_set() {
        let mut version1 = Version1::new(&toml::from_str(HERE).unwrap());
        let mut envelope = counter(1, Some(2));
        envelope.job = Some(String::new());
        let sent = sent(&mut version1, &envelope, SourceRule::Origin);
        assert_eq!(sent.deployment.as_deref(), Some("cf"));
        assert_eq!(sent.job.as_deref(), Some(""), "it said so");
        assert_eq!(sent.index.as_deref(), Some(""), "empty here");
        assert_eq!(sent.ip.as_deref(), Some("10.0.0.1"));
        assert_eq!(sent.tags["source_id"], "o");
    }

    #[test]
    fn a_source_that_is_named_stays() {
        let mut version1 = Version1::new(&ForwardConfig::default());
        let mut envelope = counter(1, Some(2));
        envelope.tags.insert(SOURCE_ID.to_owned(), "s".to_owned());
        assert_eq!(sent(&mut version1, &envelope, SourceRule::Origin), envelope);
        envelope.tags.insert(SOURCE_ID.to_owned(), String::new());
        let source = sent(&mut version1, &envelope, SourceRule::Origin);
        assert_eq!(source.tags[SOURCE_ID], "o", "an empty one is none");
        envelope.tags.clear();
        let of_doppler = SourceRule::DeploymentJob;
        assert_eq!(sent(&mut version1, &envelope, of_doppler), envelope);
    }

    #[test]
    fn deltas_get_totals_by_origin_and_tags() {
        let mut version1 = Version1::new(&ForwardConfig::default());
        let mut total = |envelope: &Envelope| {
            let sent = sent(&mut version1, envelope, SourceRule::Origin);
            sent.counter_event.unwrap().total.unwrap()
        };
        assert_eq!(total(&counter(5, None)), 5);
        assert_eq!(total(&counter(5, Some(0))), 10);
        assert_eq!(total(&counter(5, Some(7))), 7);
        assert_eq!(total(&counter(5, None)), 12);
        let mut other = counter(1, None);
        other.origin.push('2');
        assert_eq!(total(&other), 1);
        let mut other = counter(1, None);
        other.tags.insert("a".to_owned(), "b".to_owned());
        assert_eq!(total(&other), 1);
    }
}
