//! What comes by the lanes of this host's shards.

use crate::cluster::Cluster;
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

/// Where envelopes are kept.
pub(crate) struct Keeping {
    pub(crate) partitions: Partitions,
    /// Who keeps the others, if there are others.
    pub(crate) cluster: Option<Arc<Cluster>>,
}

/// Keeps every record, or sends it to the node that does; until the shards are gone and all is read. The
/// lanes have been asked for all.
pub(crate) async fn run(mut lanes: Lanes, keeping: Keeping, state: Arc<FrontendState>) {
    while lanes.wait().await {
        lanes.read(|_, record| keep(&record, &keeping, &state));
        yield_now().await;
    }
}

/// A v1 envelope is kept as the v2 envelope that a Doppler makes of it.
fn keep(record: &Record<'_>, keeping: &Keeping, state: &FrontendState) {
    state.feed.add(FeedCounter::Read, 1);
    let (partitions, cluster) = (&keeping.partitions, keeping.cluster.as_deref());
    let taken = match record.header.version {
        Version::V2 => partitions.share(once(record.envelope), cluster),
        Version::V1 => {
            let envelope = v2_envelope(record).map(|envelope| envelope.encode_to_vec());
            partitions.share(envelope.into_iter(), cluster)
        }
    };
    let outcome = match taken.count + taken.elsewhere {
        0 => FeedCounter::NoForm,
        _ => FeedCounter::Messages,
    };
    state.feed.add(outcome, 1);
}
