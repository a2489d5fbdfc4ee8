//! Fifteen minutes of a hundred counters, for a query to be asked of them.

use super::batches::now_ns;
use super::call::{SEND, call};
use crate::flow::error::FlowError;
use hydrant_proto::logcache::SendRequest;
use hydrant_proto::logcache::prom_ql::InstantQueryRequest;
use hydrant_proto::v2::envelope::Message;
use hydrant_proto::v2::{Counter, Envelope, EnvelopeBatch};
use prost::Message as _;
use tonic::transport::Channel;

const SERIES: usize = 100;
const WINDOW_S: u64 = 15 * 60;
const STEP_S: u64 = 15;

/// Envelopes that `fill` sends.
pub(super) const COUNT: u64 = SERIES as u64 * (WINDOW_S / STEP_S);

/// Sends them to a node.
///
/// # Errors
/// It refuses them.
pub(super) async fn fill(channel: &Channel) -> Result<(), FlowError> {
    let begin_s = now_ns() / 1_000_000_000 - WINDOW_S;
    for step in 0..WINDOW_S / STEP_S {
        let at_s = begin_s + step * STEP_S;
        let batch = (0..SERIES).map(|number| counter(number, step, at_s));
        let request = SendRequest {
            envelopes: Some(EnvelopeBatch {
                batch: batch.collect(),
            }),
            local_only: false,
        };
        call(channel, SEND, request.encode_to_vec().into()).await?;
    }
    Ok(())
}

fn counter(number: usize, step: u64, at_s: u64) -> Envelope {
    Envelope {
        timestamp: (at_s * 1_000_000_000).cast_signed(),
        source_id: source(number),
        instance_id: "0".to_owned(),
        message: Some(Message::Counter(Counter {
            name: "requests".to_owned(),
            delta: 7,
            total: 7 * (step + 1),
        })),
        ..Default::default()
    }
}

fn source(number: usize) -> String {
    format!("series-{number}")
}

/// The rate of all of them over the whole time.
pub(super) fn query() -> Vec<u8> {
    let sources: Vec<_> = (0..SERIES).map(source).collect();
    let query = format!(
        r#"rate(requests{{source_id=~"{}"}}[15m])"#,
        sources.join("|")
    );
    InstantQueryRequest {
        query,
        time: String::new(),
    }
    .encode_to_vec()
}
