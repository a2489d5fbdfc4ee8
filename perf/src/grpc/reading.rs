//! The readers: streams of batches that are counted, or timed, and forgotten.

use crate::flow::balance::Wanted;
use crate::flow::batches::stamp;
use crate::flow::error::FlowError;
use crate::flow::measured::{Count, Ends, Group, Timing};
use crate::flow::schedule::histogram;
use crate::flow::trial::channels;
use crate::samples::app_guid;
use bytes::Bytes;
use hdrhistogram::Histogram;
use hydrant_proto::v2;
use hydrant_rpc::batch::elements;
use hydrant_rpc::channel::connect;
use hydrant_rpc::egress::EgressClient;
use prost::Message;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

/// Connections that readers of single apps share: those of a Reverse Log Proxy to one Doppler.
const APP_CONNECTIONS: usize = 20;

/// A stream of batches.
pub type Reader = Streaming<Bytes>;

/// Opens a stream for each, all of them groups of one. When this returns, the server keeps what is
/// sent for them. A firehose has a connection of its own; readers of apps share theirs.
///
/// # Errors
/// The server refuses.
pub async fn open(server: &Ends, wanted: &[Wanted]) -> Result<Vec<Group<Reader>>, FlowError> {
    let address = server.addresses.grpc.to_string();
    let tls = server.tls.as_ref();
    let is_app = |wanted: &&Wanted| matches!(wanted, Wanted::App(_));
    let app_count = wanted.iter().filter(is_app).count();
    let shared = channels(&address, tls, app_count.min(APP_CONNECTIONS)).await?;
    let mut turns = shared.iter().cycle();
    let mut groups = Vec::new();
    for wanted in wanted.iter().copied() {
        let channel = match (wanted, turns.next()) {
            (Wanted::App(_), Some(channel)) => channel.clone(),
            _ => connect(&address, tls).await?,
        };
        let members = vec![subscribe(channel, wanted).await?];
        groups.push(Group { wanted, members });
    }
    Ok(groups)
}

/// Counts until the server ends the stream. Times nothing.
///
/// # Errors
/// The server ends it with an error, or sends what is no batch.
pub async fn count(mut stream: Reader, received: Count) -> Result<Histogram<u64>, FlowError> {
    while let Some(batch) = stream.message().await.map_err(broken)? {
        let mut count = 0;
        for element in elements(&batch) {
            element.ok().ok_or_else(malformed)?;
            count += 1;
        }
        received.add(count);
    }
    Ok(histogram())
}

/// As [`count`]; takes down how long after it was due each envelope was here, in nanoseconds. A
/// batch is read at one moment.
///
/// # Errors
/// As [`count`]; an envelope without a stamp.
pub async fn time(
    mut stream: Reader,
    received: Count,
    timing: Timing,
) -> Result<Histogram<u64>, FlowError> {
    let mut latencies = histogram();
    while let Some(batch) = stream.message().await.map_err(broken)? {
        let now_ns = timing.schedule.now_ns();
        for element in elements(&batch) {
            let due_ns = element.ok().and_then(stamp).ok_or_else(malformed)?;
            if due_ns >= timing.from_ns {
                latencies.saturating_record(now_ns.saturating_sub(due_ns));
            }
            received.add(1);
        }
    }
    Ok(latencies)
}

async fn subscribe(channel: Channel, wanted: Wanted) -> Result<Reader, FlowError> {
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

fn broken(status: Status) -> FlowError {
    FlowError::Stream("a reader's stream", Box::new(status))
}

fn malformed() -> FlowError {
    let status = Status::data_loss("what came is not what was sent");
    FlowError::Stream("a reader's batch", Box::new(status))
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
