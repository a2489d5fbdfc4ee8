//! What waits for another node: envelopes, bounded in number and in bytes, the oldest lost first.
//!
//! An envelope is copied once, to the end of the newest parcel, as an element of an `EnvelopeBatch`.
//! What has to make room goes by parcels, each of which knows how many envelopes are in it.

use crate::limits::{PARCEL_BYTES, PEER_BATCH_BYTES_MAX};
use bytes::BytesMut;
use hydrant_rpc::batch::{element_bytes_max, push};
use prost::encoding::encode_varint;
use std::collections::VecDeque;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Field 1, a message: the batch of a `SendRequest`.
const BATCH: u8 = 0x0a;
/// Field 2, true: the node that gets it keeps it, whatever it thinks of the source.
const LOCAL_ONLY: [u8; 2] = [0x10, 1];

/// What may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OutboxBounds {
    /// Envelopes.
    pub(crate) count: u64,
    /// Bytes of memory.
    pub(crate) bytes: usize,
    /// As soon as so many wait it is time to send.
    pub(crate) batch_count: u64,
}

/// Envelopes on their way to another node.
#[derive(Debug)]
pub(crate) struct Outbox {
    bounds: OutboxBounds,
    waiting: Mutex<Waiting>,
    /// Rung when the first envelope waits, and when a batch does.
    bell: Notify,
}

/// **Invariant: `count` and `bytes` are sums over the parcels.**
#[derive(Debug, Default)]
struct Waiting {
    parcels: VecDeque<Parcel>,
    count: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Parcel {
    elements: BytesMut,
    count: u64,
}

/// Envelopes that leave together.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// A `SendRequest`.
    pub(crate) request: Vec<u8>,
    /// How many there are in it.
    pub(crate) count: u64,
}

impl Outbox {
    pub(crate) fn new(bounds: OutboxBounds) -> Self {
        Self {
            bounds,
            waiting: Mutex::default(),
            bell: Notify::new(),
        }
    }

    /// Adds an envelope and makes room for it; gives how many were lost for that. Only the new one is if
    /// it would not fit alone.
    #[must_use = "lost envelopes are counted"]
    pub(crate) fn push(&self, envelope: &[u8]) -> u64 {
        let needed = element_bytes_max(envelope.len());
        if needed > self.bounds.bytes {
            return 1;
        }
        let mut waiting = self.lock();
        let before = waiting.count;
        let mut lost = 0;
        let capacity = needed.max(PARCEL_BYTES).min(self.bounds.bytes);
        while waiting.count >= self.bounds.count
            || !waiting.has_room(needed) && waiting.bytes + capacity > self.bounds.bytes
        {
            lost += waiting.drop_oldest();
        }
        if !waiting.has_room(needed) {
            waiting.open(capacity);
        }
        waiting.append(envelope);
        let after = waiting.count;
        drop(waiting);
        let batch = self.bounds.batch_count;
        if before == 0 || (before < batch && after >= batch) {
            self.bell.notify_one();
        }
        lost
    }

    /// Returns when so many wait.
    pub(crate) async fn wait_for(&self, count: u64) {
        while self.count() < count {
            self.bell.notified().await;
        }
    }

    /// Returns when there is a whole batch.
    pub(crate) async fn wait_for_batch(&self) {
        self.wait_for(self.bounds.batch_count).await;
    }

    /// Whether there is a whole batch.
    pub(crate) fn has_batch(&self) -> bool {
        self.count() >= self.bounds.batch_count
    }

    /// How many wait.
    pub(crate) fn count(&self) -> u64 {
        self.lock().count
    }

    /// Takes the oldest: all that wait, or 1 MiB of them and at least one parcel.
    pub(crate) fn take(&self) -> Option<Batch> {
        let mut waiting = self.lock();
        let mut taken = vec![waiting.take_oldest()?];
        let mut bytes = taken[0].elements.len();
        while let Some(next) = waiting.parcels.front() {
            bytes += next.elements.len();
            if bytes > PEER_BATCH_BYTES_MAX {
                break;
            }
            taken.extend(waiting.take_oldest());
        }
        drop(waiting);
        Some(batch(&taken))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn batch(parcels: &[Parcel]) -> Batch {
    let bytes: usize = parcels.iter().map(|parcel| parcel.elements.len()).sum();
    let mut request = Vec::with_capacity(element_bytes_max(bytes) + LOCAL_ONLY.len());
    request.push(BATCH);
    encode_varint(bytes as u64, &mut request);
    for parcel in parcels {
        request.extend_from_slice(&parcel.elements);
    }
    request.extend_from_slice(&LOCAL_ONLY);
    let count = parcels.iter().map(|parcel| parcel.count).sum();
    Batch { request, count }
}

impl Waiting {
    fn has_room(&self, bytes: usize) -> bool {
        self.parcels
            .back()
            .is_some_and(|parcel| parcel.elements.capacity() - parcel.elements.len() >= bytes)
    }

    fn open(&mut self, capacity: usize) {
        let elements = BytesMut::with_capacity(capacity);
        self.bytes += elements.capacity();
        self.parcels.push_back(Parcel { elements, count: 0 });
    }

    fn append(&mut self, envelope: &[u8]) {
        if let Some(parcel) = self.parcels.back_mut() {
            push(&mut parcel.elements, envelope);
            parcel.count += 1;
            self.count += 1;
        }
    }

    fn take_oldest(&mut self) -> Option<Parcel> {
        let parcel = self.parcels.pop_front()?;
        // Its capacity from the beginning: it does not grow.
        self.bytes -= parcel.elements.capacity();
        self.count -= parcel.count;
        Some(parcel)
    }

    /// Nothing waits any more if there is no parcel.
    fn drop_oldest(&mut self) -> u64 {
        match self.take_oldest() {
            Some(parcel) => parcel.count,
            None => mem::take(&mut self.count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydrant_proto::logcache::SendRequest;
    use hydrant_proto::v2::Envelope;
    use prost::Message as _;

    const BOUNDS: OutboxBounds = OutboxBounds {
        count: 1_000,
        bytes: 4 * PARCEL_BYTES,
        batch_count: 100,
    };

    fn envelope(timestamp: i64, bytes: usize) -> Vec<u8> {
        let source_id = "x".repeat(bytes);
        let envelope = Envelope {
            timestamp,
            source_id,
            ..Default::default()
        };
        envelope.encode_to_vec()
    }

    fn timestamps(batch: &Batch) -> Vec<i64> {
        let request = SendRequest::decode(&batch.request[..]).unwrap();
        assert!(request.local_only);
        let batch = request.envelopes.unwrap().batch;
        batch.iter().map(|envelope| envelope.timestamp).collect()
    }

    #[test]
    fn what_waits_leaves_in_order() {
        let outbox = Outbox::new(BOUNDS);
        assert_eq!(outbox.take(), None);
        for number in 0..150 {
            assert_eq!(outbox.push(&envelope(number, 10)), 0);
        }
        assert!(outbox.has_batch());
        let batch = outbox.take().unwrap();
        assert_eq!(batch.count, 150);
        assert!(timestamps(&batch).into_iter().eq(0..150));
        assert_eq!((outbox.count(), outbox.take()), (0, None));
    }

    #[test]
    fn the_oldest_make_room_and_each_is_counted() {
        for (bytes, sent) in [(10, 5_000), (1_000, 500)] {
            let outbox = Outbox::new(BOUNDS);
            let mut lost = 0;
            for number in 0..sent {
                lost += outbox.push(&envelope(number, bytes));
                let waiting = outbox.lock();
                assert!(waiting.bytes <= BOUNDS.bytes && waiting.count <= BOUNDS.count);
            }
            assert!(lost > 0);
            assert_eq!(outbox.count() + lost, sent.cast_unsigned());
            let mut left = Vec::new();
            while let Some(batch) = outbox.take() {
                left.extend(timestamps(&batch));
            }
            assert!(left.into_iter().eq(lost.cast_signed()..sent));
            assert_eq!(outbox.lock().bytes, 0);
        }
    }

    #[test]
    fn one_that_cannot_fit_costs_itself_alone() {
        let outbox = Outbox::new(BOUNDS);
        assert_eq!(outbox.push(&envelope(1, 10)), 0);
        assert_eq!(outbox.push(&envelope(2, BOUNDS.bytes)), 1);
        assert_eq!(outbox.push(&envelope(3, 2 * PARCEL_BYTES)), 0);
        assert_eq!(outbox.count(), 2);
        assert_eq!(timestamps(&outbox.take().unwrap()), [1, 3]);
    }

    #[test]
    fn a_batch_is_bounded_in_bytes() {
        let outbox = Outbox::new(OutboxBounds {
            bytes: 64 << 20,
            ..BOUNDS
        });
        for number in 0..900 {
            assert_eq!(outbox.push(&envelope(number, 10_000)), 0);
        }
        let mut sizes = Vec::new();
        while let Some(batch) = outbox.take() {
            assert!(batch.request.len() <= PEER_BATCH_BYTES_MAX + 16);
            sizes.push(batch.count);
        }
        assert!(sizes.len() >= 8, "{sizes:?}");
        assert_eq!(sizes.iter().sum::<u64>(), 900);
    }
}
