//! Reading a source: by time, kind and name, newest or oldest first.
//!
//! Envelopes are in order by their timestamp, and where that is equal as they came. A limit never
//! separates envelopes of the same timestamp: who asks for the next page asks from the last
//! timestamp plus one. (Upstream's `local_store_reader.go` means that too; its tree loses some.)

use super::envelope::write_element;
use super::segment::{Place, Records};
use super::source::{Class, Segment, Source};
use crate::names::NameFilter;
use hydrant_engine::record::{Kind, KindSet};
use hydrant_feed::wire::fields::{COUNTER, EVENT, GAUGE, LOG, TIMER};
use std::borrow::Cow;
use std::cmp::Reverse;

/// What to read.
#[derive(Debug)]
pub struct Query {
    /// From this timestamp on, in nanoseconds since 1970.
    pub start: i64,
    /// Up to and without this one.
    pub end: i64,
    /// Envelopes, and those that have the last one's timestamp.
    pub limit: usize,
    /// Of these kinds.
    pub kinds: KindSet,
    /// Whether the newest come first.
    pub descending: bool,
    /// Of metrics, those of such a name.
    pub names: Option<NameFilter>,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Envelopes.
    pub count: usize,
}

/// A record that is wanted, in the so-manieth of the segments that were read.
struct Candidate {
    place: Place,
    segment: usize,
}

struct Reading<'s, 'q> {
    query: &'q Query,
    hidden: u64,
    segments: Vec<Cow<'s, [u8]>>,
    candidates: Vec<Candidate>,
}

/// Appends what is found to an `EnvelopeBatch`.
pub(super) fn read(source: &Source, hidden: u64, query: &Query, batch: &mut Vec<u8>) -> Found {
    let mut reading = Reading {
        query,
        hidden,
        segments: Vec::new(),
        candidates: Vec::new(),
    };
    reading.look(source);
    reading.give(source, batch)
}

impl<'s> Reading<'s, '_> {
    fn look(&mut self, source: &'s Source) {
        let mut segments: Vec<_> = self
            .classes()
            .flat_map(|class| source.segments(class))
            .collect();
        segments.retain(|segment| self.may_have(segment));
        if self.query.descending {
            segments.sort_unstable_by_key(|segment| Reverse(segment.summary().newest));
        } else {
            segments.sort_unstable_by_key(|segment| segment.summary().oldest);
        }
        for segment in segments {
            if self.is_settled_before(&segment) {
                break;
            }
            self.look_into(&segment);
        }
    }

    fn classes(&self) -> impl Iterator<Item = Class> + use<> {
        let (kinds, has_names) = (self.query.kinds, self.query.names.is_some());
        let is_wanted = move |class: &Class| {
            let mut of_class = Kind::ALL
                .into_iter()
                .filter(|kind| Class::of(*kind) == *class);
            of_class.any(|kind| kinds.contains(kind)) && (!has_names || *class != Class::Texts)
        };
        Class::ALL.into_iter().filter(is_wanted)
    }

    fn may_have(&self, segment: &Segment<'_>) -> bool {
        let summary = segment.summary();
        summary.newest >= self.query.start
            && summary.oldest < self.query.end
            && summary.last > self.hidden
    }

    /// Whether enough is found already that comes before all of this segment and what follows it.
    fn is_settled_before(&mut self, segment: &Segment<'_>) -> bool {
        let limit = self.query.limit;
        if self.candidates.len() < limit {
            return false;
        }
        let Some(index) = limit.checked_sub(1) else {
            return true;
        };
        let timestamp = |candidate: &Candidate| candidate.place.timestamp;
        if self.query.descending {
            let by_time = |candidate: &Candidate| Reverse(timestamp(candidate));
            let (_, last, _) = self.candidates.select_nth_unstable_by_key(index, by_time);
            last.place.timestamp > segment.summary().newest
        } else {
            let (_, last, _) = self.candidates.select_nth_unstable_by_key(index, timestamp);
            last.place.timestamp < segment.summary().oldest
        }
    }

    fn look_into(&mut self, segment: &Segment<'s>) {
        let bytes = segment.bytes();
        let index = self.segments.len();
        let wanted = Records::of(&bytes).filter(|place| self.is_wanted(place, &bytes));
        let candidates = wanted.map(|place| Candidate {
            place,
            segment: index,
        });
        let candidates: Vec<_> = candidates.collect();
        self.candidates.extend(candidates);
        self.segments.push(bytes);
    }

    fn is_wanted(&self, place: &Place, segment: &[u8]) -> bool {
        let query = self.query;
        (query.start..query.end).contains(&place.timestamp)
            && place.number > self.hidden
            && kind(place, segment).is_some_and(|kind| query.kinds.contains(kind))
            && query
                .names
                .as_ref()
                .is_none_or(|names| names.has(place.key, &segment[place.message.clone()]))
    }

    fn give(mut self, source: &Source, batch: &mut Vec<u8>) -> Found {
        let order = |candidate: &Candidate| (candidate.place.timestamp, candidate.place.number);
        if self.query.descending {
            let by_time = |candidate: &Candidate| Reverse(order(candidate));
            self.candidates.sort_unstable_by_key(by_time);
        } else {
            self.candidates.sort_unstable_by_key(order);
        }
        let count = self.count();
        for candidate in &self.candidates[..count] {
            let segment = &self.segments[candidate.segment];
            let message = self.query.names.as_ref().and_then(|names| {
                let message = &segment[candidate.place.message.clone()];
                names.rewrite(candidate.place.key, message)
            });
            write_element(
                segment,
                &candidate.place,
                &source.id,
                message.as_deref(),
                batch,
            );
        }
        Found { count }
    }

    /// The limit, and what has the timestamp of the last within it.
    fn count(&self) -> usize {
        let limit = self.query.limit.min(self.candidates.len());
        let Some(last) = limit.checked_sub(1) else {
            return 0;
        };
        let timestamp = self.candidates[last].place.timestamp;
        let beyond = self.candidates[limit..].iter();
        let same = |candidate: &&Candidate| candidate.place.timestamp == timestamp;
        limit + beyond.take_while(same).count()
    }
}

/// What a record says; `None` if its bytes cannot be read, which the engine has excluded.
fn kind(place: &Place, segment: &[u8]) -> Option<Kind> {
    use super::segment::{NO_MESSAGE, WHOLE};
    Some(match place.key {
        LOG => Kind::Log,
        COUNTER => Kind::Counter,
        GAUGE => Kind::Gauge,
        TIMER => Kind::Timer,
        EVENT => Kind::Event,
        NO_MESSAGE => Kind::Empty,
        WHOLE => crate::whole::kind(&segment[place.message.clone()])?,
        _ => return None,
    })
}
