//! Calls of a node over gRPC.

use super::answer::Answer;
use super::shape;
use crate::grpc::{block_on, channel};
use bytes::Bytes;
use hydrant_proto::logcache::prom_ql::{
    InstantQueryRequest, InstantQueryResult, RangeQueryRequest, RangeQueryResult,
};
use hydrant_proto::logcache::{MetaRequest, MetaResponse, ReadRequest, ReadResponse, SendRequest};
use hydrant_proto::v2::{Envelope, EnvelopeBatch};
use hydrant_rpc::logcache::egress::EgressClient;
use hydrant_rpc::logcache::ingress::IngressClient;
use hydrant_rpc::logcache::promql::PromQLQuerierClient;
use prost::Message;
use serde::Deserialize;
use std::net::SocketAddr;
use tonic::Status;

/// A call by its name, and its request.
#[derive(Debug, Deserialize)]
#[serde(tag = "call", content = "request")]
pub(super) enum Call {
    Read(Read),
    Meta(Meta),
    InstantQuery(Instant),
    RangeQuery(Range),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub(super) struct Read {
    source_id: String,
    start_time: i64,
    end_time: i64,
    limit: i64,
    envelope_types: Vec<i32>,
    descending: bool,
    name_filter: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Meta {
    #[serde(default)]
    local_only: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Instant {
    query: String,
    time: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    query: String,
    #[serde(default)]
    start: String,
    #[serde(default)]
    end: String,
    #[serde(default)]
    step: String,
}

/// Bytes of a message that is taken in plaintext.
const SEND_BYTES: usize = 2 << 20;
/// Bytes of an answer that a client takes, more than any here.
const ANSWER_BYTES: usize = 100 << 20;

pub(super) struct Node {
    address: SocketAddr,
}

impl Node {
    pub(super) const fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Sends all, in order.
    pub(super) fn send(&self, envelopes: impl Iterator<Item = Envelope>) {
        block_on(async {
            let mut client = IngressClient::new(channel(self.address, None).await);
            let mut batch = Vec::new();
            let mut bytes = 0;
            for envelope in envelopes {
                bytes += envelope.encoded_len();
                batch.push(envelope);
                if bytes > SEND_BYTES {
                    client.send(request(&mut batch)).await.unwrap();
                    bytes = 0;
                }
            }
            client.send(request(&mut batch)).await.unwrap();
        });
    }

    pub(super) fn ask(&self, call: &Call) -> Answer {
        let said = block_on(async {
            let channel = channel(self.address, None).await;
            let mut egress =
                EgressClient::new(channel.clone()).max_decoding_message_size(ANSWER_BYTES);
            let mut querier =
                PromQLQuerierClient::new(channel).max_decoding_message_size(ANSWER_BYTES);
            let body = match call {
                Call::Read(asked) => {
                    let said = egress.read(asked.bytes()).await?;
                    shape::read(&decoded::<ReadResponse>(said))
                }
                Call::Meta(asked) => {
                    let local_only = asked.local_only;
                    let request = MetaRequest { local_only }.encode_to_vec();
                    let said = egress.meta(Bytes::from(request)).await?;
                    shape::meta(&decoded::<MetaResponse>(said))
                }
                Call::InstantQuery(asked) => {
                    let said = querier.instant_query(asked.bytes()).await?;
                    shape::instant(&decoded::<InstantQueryResult>(said))
                }
                Call::RangeQuery(asked) => {
                    let said = querier.range_query(asked.bytes()).await?;
                    shape::range(&decoded::<RangeQueryResult>(said))
                }
            };
            Ok::<_, Status>(body)
        });
        match said {
            Ok(body) => Answer::new(0, "", Vec::new(), body),
            Err(status) => {
                let code = i32::from(status.code());
                let code = u16::try_from(code).unwrap();
                Answer::new(code, status.message(), Vec::new(), String::new())
            }
        }
    }
}

fn request(batch: &mut Vec<Envelope>) -> Bytes {
    let batch = std::mem::take(batch);
    let request = SendRequest {
        envelopes: Some(EnvelopeBatch { batch }),
        local_only: false,
    };
    request.encode_to_vec().into()
}

fn decoded<M: Message + Default>(said: tonic::Response<Bytes>) -> M {
    M::decode(said.into_inner()).unwrap()
}

impl Read {
    fn bytes(&self) -> Bytes {
        let request = ReadRequest {
            source_id: self.source_id.clone(),
            start_time: self.start_time,
            end_time: self.end_time,
            limit: self.limit,
            envelope_types: self.envelope_types.clone(),
            descending: self.descending,
            name_filter: self.name_filter.clone(),
        };
        request.encode_to_vec().into()
    }
}

impl Instant {
    fn bytes(&self) -> Bytes {
        let (query, time) = (self.query.clone(), self.time.clone());
        InstantQueryRequest { query, time }.encode_to_vec().into()
    }
}

impl Range {
    fn bytes(&self) -> Bytes {
        let request = RangeQueryRequest {
            query: self.query.clone(),
            start: self.start.clone(),
            end: self.end.clone(),
            step: self.step.clone(),
        };
        request.encode_to_vec().into()
    }
}
