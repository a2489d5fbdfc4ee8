//! Calls of a node by their bytes: what clients make of an answer is not what is measured.

use crate::flow::error::FlowError;
use bytes::Bytes;
use hydrant_rpc::codec::RawCodec;
use tonic::Request;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;

/// Larger than any answer that is asked for.
const ANSWER_BYTES_MAX: usize = 50 << 20;

pub(super) const SEND: &str = "/logcache.v1.Ingress/Send";
pub(super) const READ: &str = "/logcache.v1.Egress/Read";
pub(super) const QUERY: &str = "/logcache.v1.PromQLQuerier/InstantQuery";

/// One call and its answer.
pub(super) async fn call(
    channel: &Channel,
    path: &'static str,
    request: Bytes,
) -> Result<Bytes, FlowError> {
    let refused = |status| FlowError::Stream(path, Box::new(status));
    let mut client = Grpc::new(channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
    client.ready().await?;
    let path = PathAndQuery::from_static(path);
    let answered = client.unary(Request::new(request), path, RawCodec).await;
    Ok(answered.map_err(refused)?.into_inner())
}
