//! A node, asked over a connection as its clients ask it.

use crate::config::LogCacheConfig;
use crate::counters::NodeCounter;
use crate::node::{Node, start};
use hydrant_engine::counters::Loss;
use hydrant_proto::logcache::{MetaRequest, MetaResponse, ReadRequest, ReadResponse, SendRequest};
use hydrant_proto::v2::envelope::Message as Said;
use hydrant_proto::v2::{Envelope, EnvelopeBatch, Log};
use hydrant_rpc::codec::RawCodec;
use prost::Message;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Status};

struct Rig {
    node: Node,
    runtime: tokio::runtime::Runtime,
    channel: Channel,
}

impl Rig {
    fn new() -> Self {
        let config = LogCacheConfig {
            address: "127.0.0.1:0".parse().unwrap(),
            ..Default::default()
        };
        let node = start(&config, None, None).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let channel = Channel::from_shared(format!("http://{}", node.address)).unwrap();
        let channel = runtime.block_on(channel.connect()).unwrap();
        Self {
            node,
            runtime,
            channel,
        }
    }

    fn ask(&self, path: &'static str, request: Vec<u8>) -> Result<Vec<u8>, Status> {
        let mut client = tonic::client::Grpc::new(self.channel.clone());
        self.runtime.block_on(async {
            client.ready().await.unwrap();
            let request = tonic::Request::new(request.into());
            let path = PathAndQuery::from_static(path);
            let answer = client.unary(request, path, RawCodec).await?;
            let bytes: bytes::Bytes = answer.into_inner();
            Ok(bytes.to_vec())
        })
    }

    fn send(&self, envelopes: Vec<Envelope>) {
        let request = SendRequest {
            envelopes: Some(EnvelopeBatch { batch: envelopes }),
            local_only: true,
        };
        let answer = self.ask("/logcache.v1.Ingress/Send", request.encode_to_vec());
        assert_eq!(answer.unwrap(), b"");
    }

    fn read(&self, request: &ReadRequest) -> Vec<Envelope> {
        let answer = self.ask("/logcache.v1.Egress/Read", request.encode_to_vec());
        let response = ReadResponse::decode(&answer.unwrap()[..]).unwrap();
        let batch = response.envelopes;
        batch.expect("a batch, even if it is empty").batch
    }
}

fn log(source_id: &str, timestamp: i64) -> Envelope {
    let log = Log {
        payload: format!("line {timestamp}").into(),
        r#type: 0,
    };
    Envelope {
        timestamp,
        source_id: source_id.to_owned(),
        message: Some(Said::Log(log)),
        ..Default::default()
    }
}

#[test]
fn what_is_sent_is_read_again() {
    let rig = Rig::new();
    let sent: Vec<_> = (1..=250).map(|timestamp| log("app", timestamp)).collect();
    rig.send(sent.clone());
    rig.send(vec![log("other", 7)]);
    let request = ReadRequest {
        source_id: "app".to_owned(),
        ..Default::default()
    };
    assert_eq!(rig.read(&request), sent[..100]);
    let newest = ReadRequest {
        descending: true,
        limit: 1000,
        ..request.clone()
    };
    let newest = rig.read(&newest);
    assert!(newest.iter().eq(sent.iter().rev()));
    let nobody = ReadRequest {
        source_id: "nobody".to_owned(),
        ..request
    };
    assert_eq!(rig.read(&nobody), []);
    let answer = rig.ask(
        "/logcache.v1.Egress/Meta",
        MetaRequest::default().encode_to_vec(),
    );
    let meta = MetaResponse::decode(&answer.unwrap()[..]).unwrap().meta;
    let counts: Vec<_> = meta
        .iter()
        .map(|(id, meta)| (id.as_str(), meta.count))
        .collect();
    assert_eq!(counts, [("app", 250), ("other", 1)]);
    assert_eq!(
        (meta["app"].oldest_timestamp, meta["app"].newest_timestamp),
        (1, 250)
    );
    assert_eq!(rig.node.counters.get(NodeCounter::Ingress), 251);
    assert_eq!(rig.node.counters.get(NodeCounter::Egress), 350);
    rig.node.stop().unwrap();
}

#[test]
fn a_request_that_breaks_a_rule_is_told_so_as_upstream_does() {
    let rig = Rig::new();
    let request = ReadRequest {
        limit: 1001,
        ..Default::default()
    };
    let refused = rig.ask("/logcache.v1.Egress/Read", request.encode_to_vec());
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::Unknown);
    assert_eq!(refused.message(), "limit (1001) must be 1000 or less");
    let unknown = rig
        .ask("/logcache.v1.Orchestration/ListRanges", Vec::new())
        .unwrap_err();
    assert_eq!(unknown.code(), Code::Unimplemented);
    assert_eq!(
        unknown.message(),
        "unknown service logcache.v1.Orchestration"
    );
    assert_eq!(rig.node.counters.get(NodeCounter::RequestsInvalid), 2);
    rig.node.stop().unwrap();
}

#[test]
fn what_cannot_be_kept_is_counted_by_name_and_costs_nothing_else() {
    let rig = Rig::new();
    // Upstream's process dies of a request without envelopes.
    rig.ask("/logcache.v1.Ingress/Send", Vec::new()).unwrap();
    let good = log("app", 1).encode_to_vec();
    let bad = b"\x0a\x02\x12\xff";
    let good = [&[0x0a, good.len().try_into().unwrap()][..], &good].concat();
    let batch = [&good[..], bad, &good].concat();
    let request = [&[0x0a, batch.len().try_into().unwrap()][..], &batch].concat();
    let refused = rig.ask("/logcache.v1.Ingress/Send", request).unwrap_err();
    assert_eq!(refused.code(), Code::Internal);
    assert_eq!(rig.node.counters.get(NodeCounter::Ingress), 2);
    let cut = rig
        .ask("/logcache.v1.Ingress/Send", vec![0x0a, 0x7f, 1])
        .unwrap_err();
    assert_eq!(cut.code(), Code::Internal);
    assert_eq!(rig.node.counters.lost(Loss::Batch), 1);
    let lost = Loss::ALL.iter().map(|loss| rig.node.counters.lost(*loss));
    assert_eq!(lost.sum::<u64>(), 2);
    assert_eq!(rig.node.partitions.standing().taken, 2);
    rig.node.stop().unwrap();
}
