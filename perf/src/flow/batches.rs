//! `EnvelopeBatch`es made ready before the clock starts, so that sending one costs as little as can
//! be.

use crate::pool::{Pool, PoolConfig};
use crate::samples::Sample;
use bytes::{Bytes, BytesMut};
use hydrant_rpc::batch::push;

/// An envelope's first field is its timestamp: a byte of key, then nine of varint for any time
/// between 1972 and 2262.
const TIMESTAMP_KEY: u8 = 0x08;
const TIMESTAMP_AT: usize = 1;
const TIMESTAMP_BYTES: usize = 9;
/// Stamps are nanoseconds from here.
const STAMP_ZERO: u64 = 1_700_000_000_000_000_000;

/// Batches to be sent round and round. An app's logs are spread over them: neighbours in a batch
/// are of different apps.
#[derive(Debug)]
pub struct ReadyBatches {
    batches: Vec<Bytes>,
    /// Envelopes of each.
    size: usize,
    /// Bytes from one envelope of a batch to the next.
    stride: usize,
    pool_count: usize,
    apps: usize,
}

impl ReadyBatches {
    /// Batches of `size` logs of `bytes` each, of `apps` apps; each app is in at least one.
    ///
    /// # Errors
    /// Says which figure is out of its bounds.
    pub fn new(size: usize, bytes: usize, apps: usize) -> Result<Self, String> {
        let pool = Pool::new(&PoolConfig {
            sample: Sample::LogV2,
            bytes,
            apps,
            malformed_period: 0,
            framed: false,
        })?;
        if !(1..=pool.count()).contains(&size) {
            return Err(format!("batches of {size}: 1 to {}", pool.count()));
        }
        let batch = |index| batch(&pool, index * size, size);
        let batches: Vec<_> = (0..pool.count().div_ceil(size)).map(batch).collect();
        Ok(Self {
            stride: batches[0].len() / size,
            batches,
            size,
            pool_count: pool.count(),
            apps,
        })
    }

    /// How many there are; never 0.
    pub fn count(&self) -> usize {
        self.batches.len()
    }

    /// Envelopes of each.
    pub const fn size(&self) -> usize {
        self.size
    }

    /// One as it is. Costs a reference count.
    pub fn get(&self, index: usize) -> Bytes {
        self.batches[index].clone()
    }

    /// One with `nanos` as the timestamp of all its envelopes, for [`stamp`] to read. Costs a copy.
    pub fn stamped(&self, index: usize, nanos: u64) -> Bytes {
        let mut batch = BytesMut::from(&self.batches[index][..]);
        let head = self.stride - self.envelope_bytes();
        let stamp = varint(STAMP_ZERO + nanos);
        for element in batch.chunks_mut(self.stride) {
            let at = head + TIMESTAMP_AT;
            element[at..at + TIMESTAMP_BYTES].copy_from_slice(&stamp);
        }
        batch.freeze()
    }

    /// How many apps there are.
    pub const fn apps(&self) -> usize {
        self.apps
    }

    /// The app of each envelope in one.
    pub fn apps_of(&self, index: usize) -> impl Iterator<Item = usize> {
        let first = index * self.size;
        (first..first + self.size).map(|place| place % self.pool_count % self.apps)
    }

    fn envelope_bytes(&self) -> usize {
        let mut elements = hydrant_rpc::batch::elements(&self.batches[0]);
        let envelope = elements.next().and_then(Result::ok);
        envelope.map_or(0, <[u8]>::len)
    }
}

/// What [`ReadyBatches::stamped`] wrote into an envelope; nothing if it did not.
pub fn stamp(envelope: &[u8]) -> Option<u64> {
    let (key, rest) = envelope.split_first()?;
    let varint = rest.get(..TIMESTAMP_BYTES)?;
    let is_stamp = *key == TIMESTAMP_KEY && varint[TIMESTAMP_BYTES - 1] < 0x80;
    let digits = varint.iter().rev().map(|byte| u64::from(byte & 0x7f));
    let nanos = digits.fold(0, |nanos, digit| nanos << 7 | digit);
    nanos.checked_sub(STAMP_ZERO).filter(|_| is_stamp)
}

fn batch(pool: &Pool, first: usize, size: usize) -> Bytes {
    let mut batch = BytesMut::new();
    for place in first..first + size {
        push(&mut batch, pool.slice(place % pool.count(), 1));
    }
    batch.freeze()
}

/// Of a number that takes nine bytes.
fn varint(number: u64) -> [u8; TIMESTAMP_BYTES] {
    let mut bytes = [0; TIMESTAMP_BYTES];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = (number >> (7 * index)).to_le_bytes()[0] | 0x80;
    }
    bytes[TIMESTAMP_BYTES - 1] &= 0x7f;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::app_guid;
    use hydrant_proto::v2;
    use prost::Message;

    fn envelopes(batch: &[u8]) -> Vec<v2::Envelope> {
        v2::EnvelopeBatch::decode(batch).unwrap().batch
    }

    #[test]
    fn every_app_is_where_it_is_said_to_be() {
        let ready = ReadyBatches::new(70, 250, 1500).unwrap();
        assert_eq!((ready.count(), ready.size()), (22, 70));
        for app in [0, 39, 40, 1499] {
            let guid = app_guid(app);
            let mut found = 0;
            for index in 0..ready.count() {
                let batch = envelopes(&ready.get(index));
                let of_app = batch.iter().filter(|envelope| envelope.source_id == guid);
                let count = of_app.count();
                let said = ready.apps_of(index).filter(|one| *one == app).count();
                assert_eq!(said, count, "app {app}, batch {index}");
                found += count;
            }
            assert_eq!(found, 1 + usize::from(app < 40), "app {app}");
        }
    }

    #[test]
    fn a_stamp_is_read_back_and_nothing_else_is_changed() {
        let ready = ReadyBatches::new(10, 250, 10).unwrap();
        let plain = envelopes(&ready.get(3));
        for nanos in [0, 1, 127, 128, 3_600_000_000_000] {
            for (envelope, plain) in envelopes(&ready.stamped(3, nanos)).iter().zip(&plain) {
                assert_eq!(stamp(&envelope.encode_to_vec()), Some(nanos));
                let timestamp = plain.timestamp;
                let unstamped = v2::Envelope {
                    timestamp,
                    ..envelope.clone()
                };
                assert_eq!(unstamped, *plain);
            }
        }
        assert_eq!(stamp(b"\x08\x01"), None);
        assert_eq!(stamp(b"\x12\x01a"), None);
    }

    #[test]
    fn figures_out_of_bounds_are_refused() {
        assert!(ReadyBatches::new(0, 250, 10).unwrap_err().contains("of 0"));
        assert!(ReadyBatches::new(1, 5, 10).unwrap_err().contains("least"));
    }
}
