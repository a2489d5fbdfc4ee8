//! The readers: streams of batches that are counted, or timed, and forgotten.

use super::batches::stamp;
use super::error::GrpcError;
use super::schedule::{Schedule, histogram};
use crate::samples::app_guid;
use bytes::Bytes;
use hdrhistogram::Histogram;
use hydrant_proto::v2;
use hydrant_rpc::batch::elements;
use hydrant_rpc::egress::EgressClient;
use prost::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// What a reader asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The logs of all apps.
    Firehose,
    /// The logs of the app with this number.
    App(usize),
}

/// A reader's count, for whoever watches.
#[derive(Clone, Debug)]
pub struct Reading {
    /// What it asks for.
    pub wanted: Wanted,
    received: Arc<AtomicU64>,
}

impl Reading {
    /// Nothing received so far.
    pub fn new(wanted: Wanted) -> Self {
        let received = Arc::default();
        Self { wanted, received }
    }

    /// Envelopes received.
    pub fn received(&self) -> u64 {
        self.received.load(Relaxed)
    }

    /// Counts until the server ends the stream.
    ///
    /// # Errors
    /// The server ends it with an error, or sends what is no batch.
    pub async fn count(self, mut stream: Streaming<Bytes>) -> Result<(), GrpcError> {
        while let Some(batch) = stream.message().await.map_err(broken)? {
            let mut count = 0;
            for element in elements(&batch) {
                element.ok().ok_or_else(malformed)?;
                count += 1;
            }
            self.received.fetch_add(count, Relaxed);
        }
        Ok(())
    }

    /// As [`count`](Self::count); takes down how long after it was due each envelope was here, in
    /// nanoseconds, if it was due from `from_ns` on. A batch is read at one moment.
    ///
    /// # Errors
    /// As [`count`](Self::count); an envelope without a stamp.
    pub async fn time(
        self,
        mut stream: Streaming<Bytes>,
        schedule: Schedule,
        from_ns: u64,
    ) -> Result<Histogram<u64>, GrpcError> {
        let mut latencies = histogram();
        while let Some(batch) = stream.message().await.map_err(broken)? {
            let now_ns = schedule.now_ns();
            for element in elements(&batch) {
                let due_ns = element.ok().and_then(stamp).ok_or_else(malformed)?;
                if due_ns >= from_ns {
                    latencies.saturating_record(now_ns.saturating_sub(due_ns));
                }
                self.received.fetch_add(1, Relaxed);
            }
        }
        Ok(latencies)
    }
}

/// Opens a reader's stream. When this returns, the server keeps what is sent for it.
///
/// # Errors
/// The server refuses.
pub async fn open(channel: Channel, wanted: Wanted) -> Result<Streaming<Bytes>, GrpcError> {
    let request = request(wanted).encode_to_vec();
    let opened = EgressClient::new(channel)
        .batched_receiver(Bytes::from(request))
        .await;
    Ok(opened.map_err(broken)?.into_inner())
}

/// As go-loggregator asks.
fn request(wanted: Wanted) -> v2::EgressBatchRequest {
    let source_id = match wanted {
        Wanted::Firehose => String::new(),
        Wanted::App(app) => app_guid(app),
    };
    let message = Some(v2::selector::Message::Log(v2::LogSelector {}));
    v2::EgressBatchRequest {
        selectors: vec![v2::Selector { source_id, message }],
        use_preferred_tags: true,
        ..Default::default()
    }
}

fn broken(status: Status) -> GrpcError {
    GrpcError::Stream("a reader's stream", Box::new(status))
}

fn malformed() -> GrpcError {
    let status = Status::data_loss("what came is not what was sent");
    GrpcError::Stream("a reader's batch", Box::new(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apps_of_the_requests_are_those_of_the_samples() {
        assert_eq!(request(Wanted::Firehose).selectors[0].source_id, "");
        let guid = app_guid(7);
        assert_eq!(request(Wanted::App(7)).selectors[0].source_id, guid);
    }
}
