//! What comes by the lanes of this host's shards.

use crate::cluster::Cluster;
use crate::limits::LANE_BATCH_BYTES;
use crate::partitions::Partitions;
use hydrant_engine::record::{Record, Version};
use hydrant_feed::convert::v2_envelope;
use hydrant_feed::counters::FeedCounter;
use hydrant_feed::lanes::Lanes;
use hydrant_feed::session::FrontendState;
use prost::Message as _;
use std::ops::Range;
use std::sync::Arc;
use tokio::task::yield_now;

/// Where envelopes are kept.
pub(crate) struct Keeping {
    pub(crate) partitions: Partitions,
    /// Who keeps the others, if there are others.
    pub(crate) cluster: Option<Arc<Cluster>>,
}

/// Keeps every record, or sends it to the node that does; until the shards are gone and all is read. The
/// lanes have been asked for all.
pub(crate) async fn run(mut lanes: Lanes, keeping: Keeping, state: Arc<FrontendState>) {
    let mut batch = Batch::default();
    while lanes.wait().await {
        lanes.read(|_, record| {
            batch.push(&record);
            if batch.bytes.len() >= LANE_BATCH_BYTES {
                batch.keep(&keeping, &state);
            }
        });
        batch.keep(&keeping, &state);
        yield_now().await;
    }
}

/// Records as v2 envelopes. They are copied because many are kept faster than as many one by one.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    envelopes: Vec<Range<usize>>,
    /// How many records were read.
    read: u64,
}

impl Batch {
    /// A v1 envelope is kept as the v2 envelope that a Doppler makes of it.
    fn push(&mut self, record: &Record<'_>) {
        self.read += 1;
        let start = self.bytes.len();
        match record.header.version {
            Version::V2 => self.bytes.extend_from_slice(record.envelope),
            Version::V1 => {
                let Some(envelope) = v2_envelope(record) else {
                    return;
                };
                self.bytes.extend(envelope.encode_to_vec());
            }
        }
        self.envelopes.push(start..self.bytes.len());
    }

    /// Keeps all of them; it is empty then.
    fn keep(&mut self, keeping: &Keeping, state: &FrontendState) {
        let cluster = keeping.cluster.as_deref();
        let envelopes = self.envelopes.iter();
        let envelopes = envelopes.map(|place| &self.bytes[place.clone()]);
        let taken = keeping.partitions.share(envelopes, cluster);
        let messages = taken.count + taken.elsewhere;
        state.feed.add(FeedCounter::Read, self.read);
        state.feed.add(FeedCounter::Messages, messages);
        state.feed.add(FeedCounter::NoForm, self.read - messages);
        self.bytes.clear();
        self.envelopes.clear();
        self.read = 0;
    }
}
