//! All that is kept of one source.
//!
//! Its envelopes are numbered as they come. Logs and events are in other segments than metrics, and
//! timers in others again, so that who asks for one kind does not read the other.

use super::parts::Parts;
use super::sealed::{Kept, Press, Sealed};
use super::segment::{Open, Records, Summary};
use crate::limits::SEGMENT_BYTES;
use hydrant_engine::record::Kind;
use std::borrow::Cow;
use std::collections::VecDeque;

/// What kinds are kept together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Logs and events, and envelopes without a message.
    Texts,
    /// Counters and gauges.
    Metrics,
    /// Timers, of which there are many more.
    Timers,
}

impl Class {
    pub(crate) const ALL: [Self; 3] = [Self::Texts, Self::Metrics, Self::Timers];

    /// Where envelopes of a kind are.
    pub(super) const fn of(kind: Kind) -> Self {
        match kind {
            Kind::Counter | Kind::Gauge => Self::Metrics,
            Kind::Timer => Self::Timers,
            Kind::Log | Kind::Event | Kind::Error | Kind::Empty => Self::Texts,
        }
    }
}

/// The segments of a class, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Segments {
    pub(super) sealed: VecDeque<Sealed>,
    pub(super) open: Option<Open>,
}

/// A source and its envelopes.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) id: Box<[u8]>,
    /// Its xxh64.
    pub(super) hash: u64,
    pub(super) classes: [Segments; 3],
    /// The number of the newest envelope, and so how many there were.
    last: u64,
    /// The newest timestamp that there was, and not before 1970, as upstream has it.
    newest: i64,
    memory_bytes: usize,
    /// When the oldest of its segments was begun; `None` if it has none. Kept here, because segments are
    /// elsewhere in memory and everybody who puts asks.
    born: Option<u64>,
}

/// A v2 envelope that is to be kept, and has been checked.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'e> {
    /// The xxh64 of `source_id`.
    pub source_hash: u64,
    /// Its source.
    pub source_id: &'e [u8],
    /// What it says.
    pub kind: Kind,
    /// In nanoseconds since 1970.
    pub timestamp: i64,
    /// All of it.
    pub bytes: &'e [u8],
}

/// What every put needs, and nothing keeps.
#[derive(Debug)]
pub(super) struct Tools<'e> {
    pub(super) parts: Parts<'e>,
    pub(super) press: Press,
}

impl Tools<'_> {
    pub(super) fn new() -> Self {
        Self {
            parts: Parts::new(),
            press: Press::default(),
        }
    }

    /// The same for other envelopes.
    pub(super) fn recycle<'n>(self) -> Tools<'n> {
        Tools {
            parts: self.parts.recycle(),
            press: self.press,
        }
    }
}

/// What `Meta` says of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Envelopes that are there.
    pub count: u64,
    /// Envelopes that were there.
    pub expired: u64,
    /// The oldest timestamp of those that are there.
    pub oldest_timestamp: i64,
    /// The newest there was, not before 1970.
    pub newest_timestamp: i64,
}

/// A segment of either sort.
pub(super) enum Segment<'s> {
    Sealed(&'s Sealed),
    Open(&'s Open, Summary),
}

impl<'s> Segment<'s> {
    pub(super) const fn summary(&self) -> Summary {
        match self {
            Self::Sealed(sealed) => sealed.summary,
            Self::Open(_, summary) => *summary,
        }
    }

    /// Whether it may have metrics that are named so.
    pub(super) fn may_have(&self, is_named: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Self::Sealed(sealed) => sealed.names().may_have(is_named),
            Self::Open(open, _) => open.names().may_have(is_named),
        }
    }

    /// Its records, to keep.
    pub(super) fn share(&self) -> Kept {
        match self {
            Self::Sealed(sealed) => sealed.kept().clone(),
            Self::Open(open, _) => Kept::Plain(open.bytes_from(0).into()),
        }
    }

    pub(super) fn bytes(&self) -> Cow<'s, [u8]> {
        match self {
            Self::Sealed(sealed) => sealed.bytes(),
            Self::Open(open, _) => Cow::Owned(open.bytes_from(0)),
        }
    }
}

impl Segments {
    fn iter(&self) -> impl Iterator<Item = Segment<'_>> {
        let open = self.open.as_ref();
        let open = open.and_then(|open| Some(Segment::Open(open, open.summary()?)));
        self.sealed.iter().map(Segment::Sealed).chain(open)
    }

    fn front(&self) -> Option<Summary> {
        self.iter().next().map(|front| front.summary())
    }

    #[cfg(test)]
    fn memory_bytes(&self) -> usize {
        let open = self.open.as_ref().map_or(0, Open::memory_bytes);
        let sealed: usize = self.sealed.iter().map(Sealed::memory_bytes).sum();
        open + sealed
    }

    /// Takes the oldest segment out; gives its memory.
    fn drop_oldest(&mut self) -> usize {
        match self.sealed.pop_front() {
            Some(sealed) => sealed.memory_bytes(),
            None => self.open.take().map_or(0, |open| open.memory_bytes()),
        }
    }
}

impl Source {
    pub(super) fn new(id: &[u8], hash: u64) -> Self {
        Self {
            id: id.into(),
            hash,
            classes: Default::default(),
            last: 0,
            newest: 0,
            memory_bytes: size_of::<Self>() + id.len(),
            born: None,
        }
    }

    /// Takes sealed segments in, which are older than all that is to come.
    pub(super) fn restore(&mut self, class: Class, sealed: Sealed) {
        let summary = sealed.summary;
        self.last = self.last.max(summary.last);
        self.newest = self.newest.max(summary.newest);
        self.memory_bytes += sealed.memory_bytes();
        self.classes[class as usize].sealed.push_back(sealed);
        self.born = self.find_born();
    }

    /// Reads of what `put` will need what is likely not in a cache; what it gives means nothing.
    #[inline]
    pub(super) fn fetch(&self, kind: Kind) -> u8 {
        let open = &self.classes[Class::of(kind) as usize].open;
        open.as_ref().map_or(0, Open::fetch)
    }

    /// Keeps an envelope; the store has taken `now` before. Its memory may have become more or less.
    pub(super) fn put<'e>(&mut self, envelope: &Arrived<'e>, now: u64, tools: &mut Tools<'e>) {
        let Arrived {
            kind, timestamp, ..
        } = *envelope;
        self.last += 1;
        self.newest = self.newest.max(timestamp);
        // What is begun now is not older than anything.
        self.born.get_or_insert(now);
        let number = self.last;
        let segments = &mut self.classes[Class::of(kind) as usize];
        let is_new = segments.open.is_none();
        let open = segments.open.get_or_insert_with(|| Open::new(now));
        let before = if is_new { 0 } else { open.memory_bytes() };
        let parts = &mut tools.parts;
        let is_put = parts
            .read(envelope.bytes)
            .and_then(|()| open.push(number, parts));
        if is_put.is_none() {
            open.push_whole(number, timestamp, envelope.bytes);
        }
        self.memory_bytes = self.memory_bytes + open.memory_bytes() - before;
        if open.length() >= SEGMENT_BYTES {
            self.seal(Class::of(kind), &mut tools.press);
        }
    }

    /// Ends the open segment of a class.
    fn seal(&mut self, class: Class, press: &mut Press) {
        let segments = &mut self.classes[class as usize];
        let Some(open) = segments.open.take() else {
            return;
        };
        self.memory_bytes -= open.memory_bytes();
        if let Some(sealed) = Sealed::of(&open, press) {
            self.memory_bytes += sealed.memory_bytes();
            segments.sealed.push_back(sealed);
        }
    }

    /// Bytes of memory that it has.
    pub(super) const fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// The segments of a class, the oldest first.
    pub(super) fn segments(&self, class: Class) -> impl Iterator<Item = Segment<'_>> {
        self.classes[class as usize].iter()
    }

    fn all_segments(&self) -> impl Iterator<Item = Segment<'_>> {
        Class::ALL
            .into_iter()
            .flat_map(|class| self.segments(class))
    }

    /// Envelopes with this number or less are not there any more if only so many may be.
    pub(super) const fn hidden(&self, count_max: u64) -> u64 {
        self.last.saturating_sub(count_max)
    }

    /// Drops segments of which no envelope is to be seen; gives how many envelopes that were.
    pub(super) fn drop_hidden(&mut self, hidden: u64) -> u64 {
        if hidden == 0 {
            return 0;
        }
        self.drop_while(|front| front.last <= hidden)
    }

    /// Drops its oldest segment; gives how many envelopes that were.
    pub(super) fn drop_oldest(&mut self) -> u64 {
        let classes = self.classes.iter_mut();
        let classes = classes.filter_map(|segments| Some((segments.front()?, segments)));
        let Some((front, oldest)) = classes.min_by_key(|(front, _)| front.first) else {
            return 0;
        };
        self.memory_bytes -= oldest.drop_oldest();
        self.born = self.find_born();
        u64::from(front.count)
    }

    /// Drops its oldest segments as long as nothing in them is as new as this; gives how many
    /// envelopes that were.
    pub(super) fn drop_older(&mut self, than: i64) -> u64 {
        self.drop_while(|front| front.newest < than)
    }

    /// Drops the oldest segments of each class as long as they are so; gives how many envelopes that were.
    fn drop_while(&mut self, is_to_go: impl Fn(&Summary) -> bool) -> u64 {
        let mut dropped = 0;
        for segments in &mut self.classes {
            while let Some(front) = segments.front().filter(&is_to_go) {
                self.memory_bytes -= segments.drop_oldest();
                dropped += u64::from(front.count);
            }
        }
        if dropped > 0 {
            self.born = self.find_born();
        }
        dropped
    }

    /// When its oldest segment was begun; `None` if it has none.
    pub(super) const fn born(&self) -> Option<u64> {
        self.born
    }

    /// The same, found anew.
    pub(super) fn find_born(&self) -> Option<u64> {
        let fronts = self.classes.iter().filter_map(Segments::front);
        fronts.map(|front| front.born).min()
    }

    /// What is there, without those that so many newer ones hide.
    pub(super) fn meta(&self, hidden: u64) -> Meta {
        let (mut count, mut oldest) = (0, i64::MAX);
        for segment in self.all_segments() {
            let summary = segment.summary();
            if summary.first > hidden {
                count += u64::from(summary.count);
                oldest = oldest.min(summary.oldest);
                continue;
            }
            let bytes = segment.bytes();
            for place in Records::of(&bytes).filter(|place| place.number > hidden) {
                count += 1;
                oldest = oldest.min(place.timestamp);
            }
        }
        Meta {
            count,
            expired: self.last - count,
            oldest_timestamp: if count == 0 { 0 } else { oldest },
            newest_timestamp: self.newest,
        }
    }

    /// Its memory, counted anew.
    #[cfg(test)]
    pub(super) fn recounted_bytes(&self) -> usize {
        let classes: usize = self.classes.iter().map(Segments::memory_bytes).sum();
        size_of::<Self>() + self.id.len() + classes
    }
}
