//! What an agent does to a v2 envelope: the source id, tags, totals of counters.
//!
//! Upstream's receiver, tagger and aggregator, with these differences: totals are of an instance, where
//! upstream adds up those of all instances of a source; and they are forgotten a half at a time, the
//! least recently used, where upstream forgets all when there are over 10,000.

use crate::config::ForwardConfig;
use crate::limits::TOTALS_MAX;
use crate::totals::{CounterId, Totals};
use crate::wire::{entry, put, put_entry};
use hydrant_engine::decode::fields;
use hydrant_engine::record::Kind;
use hydrant_proto::v2::envelope::Message as Event;
use hydrant_proto::v2::value::Data;
use hydrant_proto::v2::{Counter, Envelope};
use prost::Message;

const SOURCE_ID: u32 = 2;
const DEPRECATED_TAGS: u64 = 3;
const TAGS: u32 = 9;
const ORIGIN: &str = "origin";

/// Changes v2 envelopes.
#[derive(Debug)]
pub(crate) struct Version2 {
    tags: Vec<DefaultTag>,
    totals: Option<Totals>,
    origin_mappings: u64,
}

/// A tag that envelopes get if they have none of its name.
#[derive(Debug)]
struct DefaultTag {
    key: String,
    value: String,
    /// The field as it lies in an envelope.
    field: Vec<u8>,
}

/// What is seen of an envelope without taking it apart.
#[derive(Default)]
struct Seen<'e> {
    source_id: &'e [u8],
    origin: Option<&'e [u8]>,
    /// Which of the default tags it has, a bit each.
    tags: u64,
    is_deprecated: bool,
}

impl Version2 {
    pub(crate) fn new(config: &ForwardConfig) -> Self {
        let tag = |(key, value): (&String, &String)| {
            let mut field = Vec::new();
            put_entry(&mut field, TAGS, key, value);
            DefaultTag {
                key: key.clone(),
                value: value.clone(),
                field,
            }
        };
        Self {
            tags: config.tags.iter().map(tag).collect(),
            totals: config.totals.then(|| Totals::up_to(TOTALS_MAX)),
            origin_mappings: 0,
        }
    }

    /// Envelopes whose source id was their origin because they had none.
    pub(crate) const fn origin_mappings(&self) -> u64 {
        self.origin_mappings
    }

    /// Counters whose totals were forgotten.
    pub(crate) fn forgotten(&self) -> u64 {
        self.totals.as_ref().map_or(0, Totals::forgotten)
    }

    /// The envelope as it is sent on: itself, or what is made of it in `out`. Nothing if it cannot be
    /// read, which the engine has excluded.
    pub(crate) fn of<'e>(
        &mut self,
        kind: Kind,
        envelope: &'e [u8],
        out: &'e mut Vec<u8>,
    ) -> Option<&'e [u8]> {
        let seen = self.look(envelope);
        if seen.is_deprecated || kind == Kind::Counter && self.totals.is_some() {
            let mut decoded = Envelope::decode(envelope).ok()?;
            self.change(&mut decoded);
            out.clear();
            // Room is no concern of a Vec's.
            decoded.encode(out).ok()?;
            return Some(out);
        }
        out.clear();
        self.append(&seen, envelope, out);
        Some(if out.is_empty() { envelope } else { out })
    }

    /// The same for an envelope that is there as an object.
    pub(crate) fn change(&mut self, envelope: &mut Envelope) {
        self.find_source(envelope);
        self.tag(envelope);
        self.total(envelope);
    }

    fn look<'e>(&self, envelope: &'e [u8]) -> Seen<'e> {
        let mut seen = Seen::default();
        for (number, field) in fields(envelope) {
            if number == u64::from(TAGS) {
                let (key, value) = entry(field);
                if key == ORIGIN.as_bytes() {
                    seen.origin = Some(value);
                }
                let tags = self.tags.iter().zip(0..);
                let same = tags.filter(|(tag, _)| tag.key.as_bytes() == key);
                seen.tags |= same.fold(0, |bits, (_, bit)| bits | 1 << bit);
            } else if number == u64::from(SOURCE_ID) {
                seen.source_id = field;
            } else if number == DEPRECATED_TAGS {
                seen.is_deprecated = true;
            }
        }
        seen
    }

    /// Writes envelope and what it lacks, if it lacks anything.
    fn append(&mut self, seen: &Seen<'_>, envelope: &[u8], out: &mut Vec<u8>) {
        for (tag, bit) in self.tags.iter().zip(0..) {
            if seen.tags & 1 << bit == 0 {
                begin(out, envelope);
                out.extend_from_slice(&tag.field);
            }
        }
        if let Some(origin) = seen.origin.filter(|_| seen.source_id.is_empty()) {
            self.origin_mappings += 1;
            begin(out, envelope);
            put(out, SOURCE_ID, origin);
        }
    }

    fn find_source(&mut self, envelope: &mut Envelope) {
        if !envelope.source_id.is_empty() {
            return;
        }
        let deprecated = || {
            let value = envelope.deprecated_tags.get(ORIGIN)?;
            Some(match &value.data {
                Some(Data::Text(text)) => text.clone(),
                _ => String::new(),
            })
        };
        let tag = envelope.tags.get(ORIGIN).cloned();
        if let Some(origin) = tag.or_else(deprecated) {
            self.origin_mappings += 1;
            envelope.source_id = origin;
        }
    }

    /// Deprecated tags become tags, and stay what they are too.
    fn tag(&self, envelope: &mut Envelope) {
        for (key, value) in &envelope.deprecated_tags {
            let text = value.data.as_ref().map_or_else(String::new, text);
            envelope.tags.insert(key.clone(), text);
        }
        for DefaultTag { key, value, .. } in &self.tags {
            if !envelope.tags.contains_key(key) {
                envelope.tags.insert(key.clone(), value.clone());
            }
        }
    }

    fn total(&mut self, envelope: &mut Envelope) {
        let (Some(totals), Some(Event::Counter(counter))) =
            (&mut self.totals, &mut envelope.message)
        else {
            return;
        };
        let Counter { name, delta, total } = counter;
        let tags = envelope.tags.iter().flat_map(|(key, value)| [key, value]);
        let named = [&*name, &envelope.source_id, &envelope.instance_id];
        let id = CounterId::of(named.into_iter().chain(tags));
        if *total == 0 && *delta != 0 {
            *total = totals.add(id, *delta);
        } else {
            totals.set(id, *total);
        }
    }
}

fn begin(out: &mut Vec<u8>, envelope: &[u8]) {
    if out.is_empty() {
        out.extend_from_slice(envelope);
    }
}

fn text(data: &Data) -> String {
    match data {
        Data::Text(text) => text.clone(),
        Data::Integer(integer) => integer.to_string(),
        // As Go's 'f' with as few digits as read back the same; Rust's differs in infinity only.
        Data::Decimal(decimal) if decimal.is_infinite() => {
            if *decimal > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
        }
        Data::Decimal(decimal) => decimal.to_string(),
    }
}

#[cfg(test)]
mod tests;
