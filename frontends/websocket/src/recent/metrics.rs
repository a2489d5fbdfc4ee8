//! The newest container metric of each instance of an app, as v1 envelopes.

use hydrant_engine::clock::UnixNanos;

/// What the allocator needs beside what it is asked for, in bytes, at most.
pub(super) const ALLOCATION_BYTES: usize = 16;

/// Instances of an app of which one is kept. No foundation runs an app so often; who makes up
/// indexes shall not make the list long.
pub(super) const INSTANCES_MAX: usize = 10_000;

/// **Invariant: in the order of their index, which none share.**
#[derive(Debug, Default)]
pub(super) struct Metrics {
    instances: Vec<Metric>,
    envelope_bytes: usize,
}

/// A container metric.
#[derive(Clone, Debug)]
pub(super) struct Metric {
    /// The instance.
    pub(super) index: i32,
    /// When it was measured.
    pub(super) time: UnixNanos,
    /// All of it, in v1.
    pub(super) envelope: Box<[u8]>,
}

/// What became of a container metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    /// It is the first of its instance.
    First,
    /// It took the place of an older one.
    Newer,
    /// A newer one is there; it was not taken.
    Late,
    /// There are too many instances, or too many bytes; it was not taken.
    Full,
}

impl Metrics {
    /// How many are held.
    pub(super) const fn count(&self) -> usize {
        self.instances.len()
    }

    /// Memory of all that is not within `Self`, in bytes.
    pub(super) const fn bytes(&self) -> usize {
        self.envelope_bytes + self.instances.capacity() * size_of::<Metric>()
    }

    /// Whether one of this instance would need more memory: the moment to let those go that are too
    /// old.
    pub(super) fn would_grow(&self, index: i32) -> bool {
        self.is_at_capacity() && self.place(index).is_err()
    }

    /// Takes a metric unless a newer one of its instance is there, as long as all take no more than
    /// so many bytes.
    pub(super) fn put(&mut self, metric: Metric, bytes_max: usize) -> Put {
        match self.place(metric.index) {
            Ok(place) if self.instances[place].time > metric.time => Put::Late,
            Ok(place) => self.replace(place, metric, bytes_max),
            Err(place) => self.insert(place, metric, bytes_max),
        }
    }

    /// Forgets those measured before `oldest`. Returns how many.
    pub(super) fn expire(&mut self, oldest: UnixNanos) -> usize {
        let held = self.count();
        self.instances.retain(|metric| metric.time >= oldest);
        self.envelope_bytes = self.instances.iter().map(envelope_bytes).sum();
        held - self.count()
    }

    /// All of them, by instance.
    pub(super) fn envelopes(&self) -> impl Iterator<Item = &[u8]> {
        self.instances.iter().map(|metric| metric.envelope.as_ref())
    }

    /// Where an instance is, or would be.
    fn place(&self, index: i32) -> Result<usize, usize> {
        self.instances
            .binary_search_by_key(&index, |metric| metric.index)
    }

    fn replace(&mut self, place: usize, metric: Metric, bytes_max: usize) -> Put {
        let (removed, added) = (
            envelope_bytes(&self.instances[place]),
            envelope_bytes(&metric),
        );
        if self.bytes() - removed + added > bytes_max {
            return Put::Full;
        }
        self.envelope_bytes = self.envelope_bytes - removed + added;
        self.instances[place] = metric;
        Put::Newer
    }

    fn insert(&mut self, place: usize, metric: Metric, bytes_max: usize) -> Put {
        let added = envelope_bytes(&metric);
        if self.count() == INSTANCES_MAX || self.bytes_with_another(added) > bytes_max {
            return Put::Full;
        }
        self.envelope_bytes += added;
        self.reserve();
        self.instances.insert(place, metric);
        Put::First
    }

    const fn is_at_capacity(&self) -> bool {
        self.instances.len() == self.instances.capacity()
    }

    fn bytes_with_another(&self, envelope_bytes: usize) -> usize {
        let grown = match self.is_at_capacity() {
            true => self.capacity_after() * size_of::<Metric>(),
            false => self.instances.capacity() * size_of::<Metric>(),
        };
        self.envelope_bytes + envelope_bytes + grown
    }

    /// Twice as many: most apps have one instance, and few have many.
    fn capacity_after(&self) -> usize {
        (self.instances.capacity() * 2).clamp(1, INSTANCES_MAX)
    }

    fn reserve(&mut self) {
        if self.is_at_capacity() {
            let more = self.capacity_after() - self.count();
            self.instances.reserve_exact(more);
        }
    }
}

const fn envelope_bytes(metric: &Metric) -> usize {
    metric.envelope.len() + ALLOCATION_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const BYTES_MAX: usize = 10_000_000;

    fn metric(index: i32, time: u64) -> Metric {
        Metric {
            index,
            time: UnixNanos(time),
            envelope: format!("{index} at {time}").into_bytes().into(),
        }
    }

    fn texts(metrics: &Metrics) -> Vec<&str> {
        let texts = metrics.envelopes().map(str::from_utf8);
        texts.collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn the_newest_of_each_instance_stays() {
        let mut metrics = Metrics::default();
        assert_eq!(metrics.put(metric(7, 5), BYTES_MAX), Put::First);
        assert_eq!(metrics.put(metric(-1, 5), BYTES_MAX), Put::First);
        assert_eq!(metrics.put(metric(7, 4), BYTES_MAX), Put::Late);
        assert_eq!(metrics.put(metric(-1, 6), BYTES_MAX), Put::Newer);
        assert_eq!(texts(&metrics), ["-1 at 6", "7 at 5"]);
        assert_eq!(metrics.expire(UnixNanos(6)), 1);
        assert_eq!(texts(&metrics), ["-1 at 6"]);
    }

    #[test]
    fn there_is_an_end_to_instances_and_to_bytes() {
        let mut metrics = Metrics::default();
        for index in 0..10_000 {
            assert_eq!(metrics.put(metric(index, 1), BYTES_MAX), Put::First);
        }
        assert_eq!(metrics.put(metric(-1, 1), BYTES_MAX), Put::Full);
        assert_eq!(metrics.put(metric(9, 2), BYTES_MAX), Put::Newer);
        let bytes = metrics.bytes();
        assert_eq!(metrics.put(metric(9, 1_000), bytes), Put::Full);
        assert_eq!(metrics.put(metric(9, 3), bytes), Put::Newer);
        let mut small = Metrics::default();
        assert_eq!(small.put(metric(1, 1), 40), Put::Full);
        assert_eq!((small.count(), small.bytes()), (0, 0));
    }

    #[test]
    fn bytes_are_those_of_what_is_there() {
        let mut metrics = Metrics::default();
        let mut model = BTreeMap::new();
        let mut random = 1_u64;
        for _ in 0..2_000 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let index = i32::try_from(random >> 58).unwrap();
            let time = random >> 40;
            let new = metric(index, time);
            if metrics.put(new.clone(), BYTES_MAX) != Put::Late {
                model.insert(index, new);
            }
            if time.is_multiple_of(50) {
                let expired = metrics.expire(UnixNanos(time / 2));
                let held = model.len();
                model.retain(|_, metric| metric.time >= UnixNanos(time / 2));
                assert_eq!(expired, held - model.len());
            }
            let envelopes: Vec<&[u8]> = model.values().map(|metric| &metric.envelope[..]).collect();
            assert!(metrics.envelopes().eq(envelopes.iter().copied()));
            let bytes: usize = envelopes.iter().map(|bytes| bytes.len() + 16).sum();
            assert_eq!(metrics.envelope_bytes, bytes);
        }
    }
}
