//! The series of a source that another node keeps: read from it page by page, as clients read, and looked
//! for in a store of their own, so that they are what that node would find.

use crate::limits::{PEER_SERIES_BYTES_MAX, READ_LIMIT_MAX};
use crate::peer::Peer;
use crate::store::{Arrived, Bounds, Series, Store};
use bytes::Bytes;
use hydrant_engine::decode;
use hydrant_engine::record::{SourceRule, Version, source_hash};
use hydrant_proto::logcache::{EnvelopeType, ReadRequest};
use hydrant_rpc::batch::elements;
use prost::Message as _;
use std::ops::Range;
use tonic::Status;

/// What has values.
const METRICS: [EnvelopeType; 3] = [
    EnvelopeType::Gauge,
    EnvelopeType::Counter,
    EnvelopeType::Timer,
];

/// Why the data of a source is not there. A query must not be answered without it. Clients may be told,
/// so that nodes are named by their numbers.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Away {
    /// The node could not be reached, or refused.
    #[error("source {source_id:?} is kept by {node}, which cannot be read: {problem}")]
    Unread {
        source_id: String,
        node: String,
        problem: String,
    },
    /// The node's answer is none.
    #[error("source {source_id:?} is kept by {node}, which gave what is no envelope")]
    Malformed { source_id: String, node: String },
    /// There is more than a query may read.
    #[error(
        "source {source_id:?} has more metrics in this time than a query may read from another node"
    )]
    TooMuch { source_id: String },
}

/// The series of a metric of a source within a window of time, in nanoseconds since 1970.
pub(crate) async fn series(
    peer: &Peer,
    source_id: &str,
    window: Range<i64>,
    is_named: &dyn Fn(&str) -> bool,
) -> Result<Vec<Series>, Away> {
    let bounds = Bounds {
        memory_bytes: PEER_SERIES_BYTES_MAX,
        count_per_source: u64::MAX,
    };
    let mut pages = Pages {
        peer,
        source_id,
        found: Store::new(bounds),
        hash: source_hash(source_id.as_bytes()),
    };
    let mut start = window.start;
    while start < window.end {
        match pages.read(start, window.end).await? {
            Some(last) => start = last.saturating_add(1).max(start.saturating_add(1)),
            None => break,
        }
    }
    let Pages { found, hash, .. } = pages;
    let metrics = found.metrics(hash, source_id.as_bytes(), &window, is_named);
    Ok(metrics.series(&window, is_named))
}

struct Pages<'p> {
    peer: &'p Peer,
    source_id: &'p str,
    found: Store,
    /// The hash of the source's id.
    hash: u64,
}

impl Pages<'_> {
    /// Reads a page; gives the timestamp of its last envelope if there may be more.
    async fn read(&mut self, start_time: i64, end_time: i64) -> Result<Option<i64>, Away> {
        let request = ReadRequest {
            source_id: self.source_id.to_owned(),
            start_time,
            end_time,
            limit: i64::try_from(READ_LIMIT_MAX).unwrap_or(i64::MAX),
            envelope_types: METRICS.map(i32::from).to_vec(),
            ..ReadRequest::default()
        };
        let answer = self.peer.read(request.encode_to_vec().into()).await;
        let answer = answer.map_err(|status| self.unread(&status))?;
        self.keep(&answer)
    }

    fn keep(&mut self, answer: &Bytes) -> Result<Option<i64>, Away> {
        let (mut count, mut last) = (0, None);
        for batch in elements(answer) {
            let Ok(batch) = batch else {
                return Err(self.malformed());
            };
            for element in elements(batch) {
                last = element.ok().and_then(|element| self.keep_one(element));
                if last.is_none() {
                    return Err(self.malformed());
                }
                count += 1;
            }
        }
        if self.found.count() < self.found.taken() {
            let source_id = self.source_id.to_owned();
            return Err(Away::TooMuch { source_id });
        }
        Ok(last.filter(|_| count >= READ_LIMIT_MAX))
    }

    /// Gives its timestamp; nothing if it is no envelope.
    fn keep_one(&mut self, element: &[u8]) -> Option<i64> {
        let envelope = decode::envelope(element, Version::V2, SourceRule::DeploymentJob).ok()?;
        let (kind, timestamp) = (envelope.kind, envelope.timestamp);
        self.found.put(&[Arrived {
            source_hash: self.hash,
            source_id: self.source_id.as_bytes(),
            kind,
            timestamp,
            bytes: element,
        }]);
        Some(timestamp)
    }

    fn unread(&self, status: &Status) -> Away {
        Away::Unread {
            source_id: self.source_id.to_owned(),
            node: self.peer.session.name.clone(),
            problem: status.message().to_owned(),
        }
    }

    fn malformed(&self) -> Away {
        Away::Malformed {
            source_id: self.source_id.to_owned(),
            node: self.peer.session.name.clone(),
        }
    }
}
