//! What comes by the lanes of this host's shards.

use crate::partitions::Partitions;
use hydrant_engine::record::{Record, Version};
use hydrant_feed::convert::v2_envelope;
use hydrant_feed::counters::FeedCounter;
use hydrant_feed::lanes::Lanes;
use hydrant_feed::session::FrontendState;
use prost::Message as _;
use std::iter::once;
use std::sync::Arc;
use tokio::task::yield_now;

/// Keeps every record; until the shards are gone and all is read. The lanes have been asked for all.
pub(crate) async fn run(mut lanes: Lanes, partitions: Partitions, state: Arc<FrontendState>) {
    while lanes.wait().await {
        lanes.read(|_, record| keep(&record, &partitions, &state));
        yield_now().await;
    }
}

/// A v1 envelope is kept as the v2 envelope that a Doppler makes of it.
fn keep(record: &Record<'_>, partitions: &Partitions, state: &FrontendState) {
    state.feed.add(FeedCounter::Read, 1);
    let taken = match record.header.version {
        Version::V2 => partitions.put(once(record.envelope)),
        Version::V1 => {
            let envelope = v2_envelope(record).map(|envelope| envelope.encode_to_vec());
            partitions.put(envelope.into_iter())
        }
    };
    let outcome = match taken.count {
        0 => FeedCounter::NoForm,
        _ => FeedCounter::Messages,
    };
    state.feed.add(outcome, 1);
}
