//! Envelopes to lane sets: which frontends want it.
//!
//! Demand is a value: each frontend worker publishes a snapshot, shards look at it once a turn. It
//! is the only edge that leads back.

use crate::limits::LANES_MAX;
use crate::record::{Header, KindSet};
use arc_swap::{ArcSwap, Cache};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// What a frontend worker wants, as an immutable snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    everywhere: KindSet,
    sources: HashMap<u64, KindSet, BuildHasherDefault<AlreadyHashed>>,
}

impl Demand {
    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Everything.
    pub fn all() -> Self {
        Self::default().with_kinds(KindSet::ALL)
    }

    /// And these kinds, of whatever source.
    #[must_use]
    pub fn with_kinds(mut self, kinds: KindSet) -> Self {
        self.everywhere = self.everywhere.union(kinds);
        self
    }

    /// And these kinds of the source with this hash.
    #[must_use]
    pub fn with_source(mut self, source_hash: u64, kinds: KindSet) -> Self {
        let entry = self.sources.entry(source_hash).or_default();
        *entry = entry.union(kinds);
        self
    }

    /// Whether an envelope with this header is wanted.
    #[inline]
    pub fn wants(&self, header: &Header) -> bool {
        self.everywhere.contains(header.kind)
            || !self.sources.is_empty() && self.wants_source(header)
    }

    fn wants_source(&self, header: &Header) -> bool {
        self.sources
            .get(&header.source_hash)
            .is_some_and(|kinds| kinds.contains(header.kind))
    }
}

/// Where a frontend worker publishes its demand and its shards see it.
#[derive(Clone, Debug, Default)]
pub struct DemandCell(Arc<ArcSwap<Demand>>);

impl DemandCell {
    /// Shards follow from their next turn on.
    pub fn publish(&self, demand: Demand) {
        self.0.store(Arc::new(demand));
    }

    /// What stands published.
    pub fn current(&self) -> Arc<Demand> {
        self.0.load_full()
    }
}

/// A set of lanes of one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneSet(u64);

impl LaneSet {
    /// Whether the lane is in the set.
    #[inline]
    pub fn contains(self, lane: usize) -> bool {
        self.0 & (1 << lane) != 0
    }

    #[inline]
    fn insert_if(&mut self, lane: usize, wanted: bool) {
        self.0 |= u64::from(wanted) << lane;
    }
}

/// A shard's view of every lane's demand, taken once a turn.
pub struct Routes {
    views: Vec<View>,
}

struct View {
    cache: Cache<Arc<ArcSwap<Demand>>, Arc<Demand>>,
    demand: Arc<Demand>,
}

impl Routes {
    /// One view a lane, in the lanes' order.
    ///
    /// # Panics
    /// If there are more than [`LANES_MAX`]; the config has been checked.
    pub fn new(cells: &[DemandCell]) -> Self {
        assert!(cells.len() <= LANES_MAX, "a lane set is one word");
        let view = |cell: &DemandCell| View {
            cache: Cache::new(cell.0.clone()),
            demand: cell.current(),
        };
        Self {
            views: cells.iter().map(view).collect(),
        }
    }

    /// Takes the demands that stand published now.
    pub fn refresh(&mut self) {
        for View { cache, demand } in &mut self.views {
            let current = cache.load();
            if !Arc::ptr_eq(current, demand) {
                *demand = current.clone();
            }
        }
    }

    /// The lanes that want an envelope with this header.
    #[inline]
    pub fn of(&self, header: &Header) -> LaneSet {
        let mut set = LaneSet::default();
        for (lane, view) in self.views.iter().enumerate() {
            set.insert_if(lane, view.demand.wants(header));
        }
        set
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.views.iter().map(|view| &view.demand))
            .finish()
    }
}

/// Source hashes are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        // Only `write_u64` is called for a u64 key; any other key still hashes to something.
        self.0 = bytes
            .iter()
            .fold(self.0, |hash, byte| hash.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixNanos;
    use crate::record::{Kind, SourceRule, Version};

    fn header(kind: Kind, source_hash: u64) -> Header {
        Header {
            version: Version::V2,
            kind,
            source_rule: SourceRule::DeploymentJob,
            source_hash,
            received: UnixNanos(0),
        }
    }

    #[test]
    fn wants_what_it_says() {
        let logs = KindSet::of(&[Kind::Log]);
        let demand = Demand::none()
            .with_source(7, logs)
            .with_kinds(KindSet::of(&[Kind::Event]));
        assert!(demand.wants(&header(Kind::Log, 7)));
        assert!(!demand.wants(&header(Kind::Log, 8)));
        assert!(!demand.wants(&header(Kind::Gauge, 7)));
        assert!(demand.wants(&header(Kind::Event, 9)));
        assert!(
            Kind::ALL
                .iter()
                .all(|kind| Demand::all().wants(&header(*kind, 1)))
        );
        assert!(
            Kind::ALL
                .iter()
                .all(|kind| !Demand::none().wants(&header(*kind, 1)))
        );
    }

    #[test]
    fn a_published_demand_is_seen_after_a_refresh() {
        let cells = [DemandCell::default(), DemandCell::default()];
        let mut routes = Routes::new(&cells);
        let log = header(Kind::Log, 7);
        assert_eq!(routes.of(&log), LaneSet::default());
        cells[1].publish(Demand::all());
        assert_eq!(routes.of(&log), LaneSet::default());
        routes.refresh();
        assert!(!routes.of(&log).contains(0));
        assert!(routes.of(&log).contains(1));
    }
}
