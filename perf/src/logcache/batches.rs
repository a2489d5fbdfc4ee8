//! Requests made ready before the clock starts, whose envelopes get the time at which they are sent.

use crate::mixes::{Generator, Mix};
use crate::samples::app_guid;
use bytes::{Bytes, BytesMut};
use hydrant_proto::logcache::SendRequest;
use hydrant_proto::v2::EnvelopeBatch;
use hydrant_rpc::batch::push;
use prost::Message as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// Any time between 1972 and 2262 is a varint of nine bytes, behind a byte of key: an envelope's first
/// field.
const STAMP_BYTES: usize = 9;
const STAMP_AT: usize = 1;
const MADE_AT: i64 = 1_700_000_000_000_000_000;
/// Spreads sources over requests: neighbours in one are of different sources.
const STRIDE: usize = 7919;

/// A `SendRequest`, and where in it the timestamps are.
#[derive(Debug)]
struct Request {
    bytes: Bytes,
    stamps: Vec<usize>,
}

/// Requests to be sent round and round.
#[derive(Debug)]
pub(super) struct Batches {
    requests: Vec<Request>,
    /// Envelopes of each.
    size: usize,
    /// Bytes of an envelope, in the mean.
    pub(super) mean_bytes: f64,
    pub(super) sources: usize,
}

impl Batches {
    /// At least one request of `size` envelopes; `count` envelopes or a few less.
    pub(super) fn new(mix: Mix, sources: usize, count: usize, size: usize) -> Self {
        let mut generator = Generator::new(mix, 7, MADE_AT, 1000);
        let (mut number, mut bytes) = (0, 0);
        let mut request = || {
            let mut batch = BytesMut::new();
            let mut stamps = Vec::with_capacity(size);
            for _ in 0..size {
                let envelope = generator.encode(number * STRIDE % sources);
                number += 1;
                bytes += envelope.len();
                push(&mut batch, &envelope);
                stamps.push(batch.len() - envelope.len() + STAMP_AT);
            }
            Request::new(&batch, stamps)
        };
        let requests: Vec<_> = (0..(count / size).max(1)).map(|_| request()).collect();
        Self {
            mean_bytes: bytes as f64 / (requests.len() * size) as f64,
            requests,
            size,
            sources,
        }
    }

    /// The source with this number.
    pub(super) fn source(&self, number: usize) -> String {
        app_guid(number % self.sources)
    }

    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// The request with this number, whose envelopes are of now. Costs a copy.
    pub(super) fn get(&self, number: usize) -> Bytes {
        let request = &self.requests[number % self.requests.len()];
        let mut bytes = BytesMut::from(&request.bytes[..]);
        let stamp = varint(now_ns());
        for at in &request.stamps {
            bytes[*at..*at + STAMP_BYTES].copy_from_slice(&stamp);
        }
        bytes.freeze()
    }
}

impl Request {
    fn new(batch: &[u8], mut stamps: Vec<usize>) -> Self {
        // What the generated type writes around a batch, for its bytes are those of its elements.
        let head = SendRequest {
            envelopes: Some(EnvelopeBatch::default()),
            local_only: false,
        };
        let mut bytes = head.encode_to_vec();
        bytes.pop(); // The batch's length, 0.
        prost::encoding::encode_varint(batch.len() as u64, &mut bytes);
        stamps.iter_mut().for_each(|at| *at += bytes.len());
        bytes.extend_from_slice(batch);
        Self {
            bytes: bytes.into(),
            stamps,
        }
    }
}

/// Nanoseconds since 1970.
pub(super) fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_nanos()).unwrap_or(0))
}

fn varint(number: u64) -> [u8; STAMP_BYTES] {
    let mut bytes = [0; STAMP_BYTES];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = (number >> (7 * index)).to_le_bytes()[0] | 0x80;
    }
    bytes[STAMP_BYTES - 1] &= 0x7f;
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_envelopes_of_a_request_are_of_now() {
        for mix in Mix::ALL {
            let batches = Batches::new(mix, 10, 95, 20);
            assert_eq!((batches.requests.len(), batches.size()), (4, 20));
            let before = now_ns();
            let request = SendRequest::decode(&batches.get(7)[..]).unwrap();
            let after = now_ns();
            assert!(!request.local_only);
            let envelopes = request.envelopes.unwrap().batch;
            assert_eq!(envelopes.len(), 20);
            for envelope in envelopes {
                let timestamp = envelope.timestamp.cast_unsigned();
                assert!((before..=after).contains(&timestamp), "{timestamp}");
                let known = (0..10).any(|number| batches.source(number) == envelope.source_id);
                assert!(known && envelope.message.is_some());
            }
        }
    }
}
