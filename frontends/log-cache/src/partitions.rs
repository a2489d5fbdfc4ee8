//! The store's parts: sources are spread over them by their hash, and each part is one thread's at a
//! time.

use crate::cluster::Cluster;
use crate::store::{Arrived, Bounds, Extent, Found, Meta, Query, Restored, Series, Store};
use hydrant_engine::counters::Loss;
use hydrant_engine::decode::{self, Envelope, Source};
use hydrant_engine::record::{SourceRule, Version, source_hash};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Envelopes for which a part is locked at a time.
const PUT_TOGETHER: usize = 128;

/// Stores that together are one.
#[derive(Clone, Debug)]
pub struct Partitions(Arc<[Mutex<Store>]>);

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Envelopes that are kept.
    pub count: u64,
    /// Envelopes that another node keeps.
    pub elsewhere: u64,
    /// Why others are not, each by name.
    pub losses: Vec<Loss>,
}

/// How full the parts are together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Bytes of memory.
    pub memory_bytes: usize,
    /// Envelopes that are there, and that ever were.
    pub count: u64,
    /// See `count`.
    pub taken: u64,
    /// Sources.
    pub source_count: usize,
}

impl Partitions {
    /// So many parts, each with an equal share of the memory.
    pub fn new(count: usize, bounds: Bounds) -> Self {
        let share = Bounds {
            memory_bytes: bounds.memory_bytes / count.max(1),
            ..bounds
        };
        let stores = (0..count.max(1)).map(|_| Mutex::new(Store::new(share)));
        Self(stores.collect())
    }

    /// Keeps v2 envelopes, as they come.
    pub fn put<'e, E: AsRef<[u8]> + ?Sized + 'e>(
        &self,
        envelopes: impl Iterator<Item = &'e E>,
    ) -> Taken {
        self.put_where(envelopes, |_, _| true)
    }

    /// Keeps those v2 envelopes that are ours to keep; the others go to the nodes that keep them, if there
    /// are others.
    pub(crate) fn share<'e, E: AsRef<[u8]> + ?Sized + 'e>(
        &self,
        envelopes: impl Iterator<Item = &'e E>,
        cluster: Option<&Cluster>,
    ) -> Taken {
        match cluster {
            None => self.put(envelopes),
            Some(cluster) => self.put_where(envelopes, |hash, bytes| cluster.keeps(hash, bytes)),
        }
    }

    fn put_where<'e, E: AsRef<[u8]> + ?Sized + 'e>(
        &self,
        envelopes: impl Iterator<Item = &'e E>,
        mut keeps: impl FnMut(u64, &[u8]) -> bool,
    ) -> Taken {
        let mut taken = Taken::default();
        // Of each part those that are to be put together.
        let mut waiting: Vec<Vec<Arrived<'e>>> = vec![Vec::new(); self.count()];
        for envelope in envelopes {
            let bytes = envelope.as_ref();
            let arrived = match decode::envelope(bytes, Version::V2, SourceRule::DeploymentJob) {
                Ok(envelope) => arrived(&envelope),
                Err(loss) => {
                    taken.losses.push(loss);
                    continue;
                }
            };
            if !keeps(arrived.source_hash, bytes) {
                taken.elsewhere += 1;
                continue;
            }
            let part = self.part(arrived.source_hash);
            waiting[part].push(arrived);
            if waiting[part].len() == PUT_TOGETHER {
                self.put_waiting(part, &mut waiting[part]);
            }
            taken.count += 1;
        }
        for (part, waiting) in waiting.iter_mut().enumerate() {
            self.put_waiting(part, waiting);
        }
        taken
    }

    fn put_waiting(&self, part: usize, waiting: &mut Vec<Arrived<'_>>) {
        if !waiting.is_empty() {
            self.lock(part).put(waiting);
            waiting.clear();
        }
    }

    /// Appends to `batch` what a query finds of a source.
    pub fn read(&self, source_id: &[u8], query: &Query, batch: &mut Vec<u8>) -> Found {
        let hash = source_hash(source_id);
        self.lock(self.part(hash))
            .read(hash, source_id, query, batch)
    }

    /// The series of a metric of a source within a window of time, in nanoseconds since 1970.
    pub fn series(
        &self,
        source_id: &[u8],
        window: Range<i64>,
        is_named: &dyn Fn(&str) -> bool,
    ) -> Vec<Series> {
        let hash = source_hash(source_id);
        let store = self.lock(self.part(hash));
        let metrics = store.metrics(hash, source_id, &window, is_named);
        // To take segments apart takes milliseconds, and others have to put.
        drop(store);
        metrics.series(&window, is_named)
    }

    /// Shows each source to `look`, one part after the other.
    pub fn meta(&self, mut look: impl FnMut(&[u8], Meta)) {
        for part in 0..self.0.len() {
            self.lock(part).meta().for_each(|(id, meta)| look(id, meta));
        }
    }

    /// Takes in what was saved of sources that they do not know, and drops what is then too much.
    pub fn restore(&self, restored: Restored) {
        for (id, segments) in restored.into_sources() {
            let hash = source_hash(&id);
            self.lock(self.part(hash)).restore(hash, &id, segments);
        }
    }

    /// How many parts there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Appends records of a part, from this place in it on; see [`Store::save`].
    pub fn save(
        &self,
        part: usize,
        from: usize,
        extent: Extent,
        bytes_max: usize,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        self.lock(part).save(from, extent, bytes_max, out)
    }

    /// Drops what is older than this, in nanoseconds since 1970.
    pub fn drop_older(&self, than: i64) {
        for part in 0..self.0.len() {
            self.lock(part).drop_older(than);
        }
    }

    /// How full they are.
    pub fn standing(&self) -> Standing {
        let mut all = Standing::default();
        for part in 0..self.0.len() {
            let store = self.lock(part);
            all.memory_bytes += store.memory_bytes();
            all.count += store.count();
            all.taken += store.taken();
            all.source_count += store.source_count();
        }
        all
    }

    /// The upper half of the hash: the lower one is what upstream's nodes divide sources by first.
    fn part(&self, hash: u64) -> usize {
        (hash >> 32) as usize % self.0.len()
    }

    fn lock(&self, part: usize) -> MutexGuard<'_, Store> {
        self.0[part].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn arrived<'e>(envelope: &Envelope<'e>) -> Arrived<'e> {
    let source_id = match envelope.source {
        Source::Text(id) => id,
        // Of v1 only.
        Source::Uuid(_) | Source::DeploymentJob { .. } => &[],
    };
    Arrived {
        source_hash: source_hash(source_id),
        source_id,
        kind: envelope.kind,
        timestamp: envelope.timestamp,
        bytes: envelope.bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_engine::record::KindSet;
    use hydrant_proto::v2;
    use prost::Message as _;

    #[test]
    fn parts_are_one_store() {
        let bounds = Bounds {
            memory_bytes: 1 << 20,
            count_per_source: 10,
        };
        let parts = Partitions::new(3, bounds);
        let envelope = |number: i64| {
            let source_id = format!("source-{}", number % 20);
            v2::Envelope {
                timestamp: number,
                source_id,
                ..Default::default()
            }
            .encode_to_vec()
        };
        let mut envelopes: Vec<_> = (0..400).map(envelope).collect();
        envelopes.push(b"\xff".to_vec());
        let taken = parts.put(envelopes.iter());
        assert_eq!((taken.count, taken.losses.len()), (400, 1));
        let query = Query {
            start: 0,
            end: i64::MAX,
            limit: 100,
            kinds: KindSet::ALL,
            descending: false,
            names: None,
        };
        let mut batch = Vec::new();
        assert_eq!(parts.read(b"source-7", &query, &mut batch).count, 10);
        let mut metas = Vec::new();
        parts.meta(|id, meta| metas.push((id.to_vec(), meta.count, meta.expired)));
        assert_eq!(metas.len(), 20);
        assert!(
            metas
                .iter()
                .all(|(_, count, expired)| (*count, *expired) == (10, 10))
        );
        let standing = parts.standing();
        assert_eq!((standing.taken, standing.source_count), (400, 20));
        assert!((0..3).all(|part| parts.lock(part).source_count() > 0));
        parts.drop_older(i64::MAX);
        assert_eq!(parts.standing().count, 0);
    }
}
