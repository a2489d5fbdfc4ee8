//! What was said of late, by source, within a bound of memory.
//!
//! A store belongs to one thread. Each source has segments of records (`segment`), which are full one
//! after the other and are pressed then (`sealed`). What has to go is dropped a segment at a time:
//! of the source that has most; only when none has more than its floor, of the one whose segment
//! is the oldest. So a flood drowns itself first, and quiet sources keep what they have.

mod blocks;
mod dictionary;
mod envelope;
mod parts;
mod read;
mod saved;
mod sealed;
mod segment;
mod series;
mod source;
mod timers;
mod varint;

pub use read::{Found, Query};
pub use saved::{Extent, Restored, Segments};
pub use series::{Metrics, Series};
pub use source::{Arrived, Meta};

use crate::limits::FLOOR_BYTES;
use hashbrown::HashTable;
use slab::Slab;
use source::{Source, Tools};
use std::collections::BTreeSet;
use std::hint::black_box;
use std::ops::Range;

/// More of them would not fit into what a core may have under way.
const FETCHED_TOGETHER: usize = 32;

/// How much a store may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of memory for all sources.
    pub memory_bytes: usize,
    /// Envelopes of a source, at least 1.
    pub count_per_source: u64,
}

/// Envelopes by source.
#[derive(Debug)]
pub struct Store {
    bounds: Bounds,
    sources: Slab<Source>,
    /// Keys of `sources`, by their hash.
    by_id: HashTable<usize>,
    /// Bytes and keys of the sources that have more than their floor.
    large: BTreeSet<(usize, usize)>,
    /// When each source's oldest segment was begun, and its key.
    by_age: BTreeSet<(u64, usize)>,
    /// `None` while somebody has them.
    tools: Option<Tools<'static>>,
    memory_bytes: usize,
    taken: u64,
    count: u64,
    /// Envelopes that it and those that it was restored from have taken: tells segments apart by age.
    clock: u64,
}

impl Store {
    /// An empty one.
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            sources: Slab::new(),
            by_id: HashTable::new(),
            large: BTreeSet::new(),
            by_age: BTreeSet::new(),
            tools: None,
            memory_bytes: 0,
            taken: 0,
            count: 0,
            clock: 0,
        }
    }

    /// Keeps v2 envelopes, which have been checked, in this order. What is then too much is dropped.
    ///
    /// Each is mostly of another source, so that nothing of what it needs is in a cache. That is
    /// fetched for some at a time, before the first of them is kept: the memory has it under way together.
    pub fn put(&mut self, envelopes: &[Arrived<'_>]) {
        self.taken += envelopes.len() as u64;
        self.count += envelopes.len() as u64;
        let mut tools = self.tools.take().map_or_else(Tools::new, Tools::recycle);
        for together in envelopes.chunks(FETCHED_TOGETHER) {
            let mut keys = [0; FETCHED_TOGETHER];
            for (key, envelope) in keys.iter_mut().zip(together) {
                *key = self.source(envelope.source_hash, envelope.source_id);
            }
            let keys = &keys[..together.len()];
            let sources = keys.iter().zip(together);
            let fetched = sources.map(|(key, envelope)| self.sources[*key].fetch(envelope.kind));
            black_box(fetched.fold(0, u8::wrapping_add));
            let mut are_keys_good = true;
            for (key, envelope) in keys.iter().zip(together) {
                let key = match are_keys_good {
                    true => *key,
                    false => self.source(envelope.source_hash, envelope.source_id),
                };
                self.put_at(key, envelope, &mut tools);
                // A source that has nothing any more is forgotten.
                are_keys_good &= !self.make_room();
            }
        }
        self.tools = Some(tools.recycle());
    }

    fn put_at<'e>(&mut self, key: usize, envelope: &Arrived<'e>, tools: &mut Tools<'e>) {
        let now = self.clock;
        self.clock += 1;
        let count_max = self.bounds.count_per_source;
        let change = change(&mut self.sources[key], |source| {
            source.put(envelope, now, tools);
            source.drop_hidden(source.hidden(count_max))
        });
        self.note(key, change);
    }

    /// Drops what is too much; gives whether that was anything.
    fn make_room(&mut self) -> bool {
        let mut has_dropped = false;
        while self.memory_bytes > self.bounds.memory_bytes && self.drop_one() {
            has_dropped = true;
        }
        has_dropped
    }

    fn source(&mut self, hash: u64, id: &[u8]) -> usize {
        let sources = &mut self.sources;
        let is_it = |key: &usize| *sources[*key].id == *id;
        if let Some(key) = self.by_id.find(hash, is_it) {
            return *key;
        }
        let source = Source::new(id, hash);
        self.memory_bytes += source.memory_bytes();
        let key = sources.insert(source);
        self.by_id
            .insert_unique(hash, key, |key| sources[*key].hash);
        key
    }

    /// Brings what is known of a source up to date after it has changed.
    fn note(&mut self, key: usize, change: Change) {
        let Change {
            before,
            after,
            dropped,
        } = change;
        self.count -= dropped;
        if before.memory_bytes != after.memory_bytes {
            self.memory_bytes = self.memory_bytes - before.memory_bytes + after.memory_bytes;
            if before.memory_bytes > FLOOR_BYTES {
                self.large.remove(&(before.memory_bytes, key));
            }
            if after.memory_bytes > FLOOR_BYTES {
                self.large.insert((after.memory_bytes, key));
            }
        }
        if before.born != after.born {
            before.born.map(|born| self.by_age.remove(&(born, key)));
            after.born.map(|born| self.by_age.insert((born, key)));
        }
        if after.born.is_none() {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: usize) {
        let source = self.sources.remove(key);
        self.memory_bytes -= source.memory_bytes();
        if let Ok(entry) = self.by_id.find_entry(source.hash, |other| *other == key) {
            entry.remove();
        }
    }

    /// Drops a segment; `false` if there is none.
    fn drop_one(&mut self) -> bool {
        let largest = self.large.last().map(|(_, key)| *key);
        let Some(key) = largest.or_else(|| self.by_age.first().map(|(_, key)| *key)) else {
            return false;
        };
        let change = change(&mut self.sources[key], Source::drop_oldest);
        self.note(key, change);
        true
    }

    /// Takes in what was saved of a source that it does not know, and drops what is then too much.
    pub fn restore(&mut self, source_hash: u64, source_id: &[u8], segments: Segments) {
        if segments.0.is_empty() {
            return;
        }
        let key = self.source(source_hash, source_id);
        let mut count = 0;
        let clock = &mut self.clock;
        let change = change(&mut self.sources[key], |source| {
            for (class, sealed) in segments.0 {
                count += u64::from(sealed.summary.count);
                *clock = (*clock).max(sealed.summary.born.saturating_add(1));
                source.restore(class, sealed);
            }
            0
        });
        self.taken += count;
        self.count += count;
        self.note(key, change);
        self.make_room();
    }

    /// Appends records of sources from this place on, until they are as long as this. Gives the place
    /// to go on from; nothing if all has been written.
    pub fn save(
        &mut self,
        from: usize,
        extent: Extent,
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        // A slab's keys are as many as it ever had at a time.
        for key in from..self.sources.capacity() {
            if let Some(source) = self.sources.get_mut(key) {
                saved::save(source, extent, out);
            }
            if out.len() >= bytes_max {
                return Some(key + 1);
            }
        }
        None
    }

    /// Drops what is older than this, in nanoseconds since 1970, a segment at a time.
    pub fn drop_older(&mut self, than: i64) {
        let keys: Vec<_> = self.sources.iter().map(|(key, _)| key).collect();
        for key in keys {
            let change = change(&mut self.sources[key], |source| source.drop_older(than));
            self.note(key, change);
        }
    }

    /// What is known of each source.
    pub fn meta(&self) -> impl Iterator<Item = (&[u8], Meta)> {
        let count_max = self.bounds.count_per_source;
        let sources = self.sources.iter();
        sources.map(move |(_, source)| (&*source.id, source.meta(source.hidden(count_max))))
    }

    /// Appends to `batch`, an `EnvelopeBatch`, what a query finds of this source.
    pub fn read(
        &self,
        source_hash: u64,
        source_id: &[u8],
        query: &Query,
        batch: &mut Vec<u8>,
    ) -> Found {
        let is_it = |key: &usize| *self.sources[*key].id == *source_id;
        let key = self.by_id.find(source_hash, is_it);
        key.map_or_else(Found::default, |key| {
            let source = &self.sources[*key];
            read::read(
                source,
                source.hidden(self.bounds.count_per_source),
                query,
                batch,
            )
        })
    }

    /// What of this source may have a metric within `window`, in nanoseconds since 1970.
    pub fn metrics(
        &self,
        source_hash: u64,
        source_id: &[u8],
        window: &Range<i64>,
        is_named: &dyn Fn(&str) -> bool,
    ) -> Metrics {
        let is_it = |key: &usize| *self.sources[*key].id == *source_id;
        let key = self.by_id.find(source_hash, is_it);
        key.map_or_else(Metrics::default, |key| {
            let source = &self.sources[*key];
            let hidden = source.hidden(self.bounds.count_per_source);
            series::metrics(source, hidden, window, is_named)
        })
    }

    /// Bytes of memory that it has.
    pub const fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Envelopes that it has. Those that newer ones of the same source hide are among them until the
    /// last of their segment is hidden.
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Envelopes that it has taken, ever.
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// Sources that it has something of.
    pub fn source_count(&self) -> usize {
        self.sources.len()
    }
}

/// What others have to know of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    memory_bytes: usize,
    born: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    before: Standing,
    after: Standing,
    /// Envelopes.
    dropped: u64,
}

fn change(source: &mut Source, act: impl FnOnce(&mut Source) -> u64) -> Change {
    let standing = |source: &Source| Standing {
        memory_bytes: source.memory_bytes(),
        born: source.born(),
    };
    let before = standing(source);
    let dropped = act(source);
    Change {
        before,
        after: standing(source),
        dropped,
    }
}

#[cfg(test)]
mod tests;
