//! Some nodes in one process, and a client of each.

use crate::config::LogCacheConfig;
use crate::counters::NodeCounter;
use crate::node::{Node, start};
use crate::routing::node_of;
use hydrant_feed::counters::{SessionCounter, SessionCounters};
use hydrant_feed::session::SessionState;
use hydrant_proto::logcache::prom_ql::instant_query_result::Result as Answer;
use hydrant_proto::logcache::prom_ql::{InstantQueryRequest, InstantQueryResult};
use hydrant_proto::logcache::{
    MetaInfo, MetaRequest, MetaResponse, ReadRequest, ReadResponse, SendRequest,
};
use hydrant_proto::v2::envelope::Message as Said;
use hydrant_proto::v2::{Envelope, EnvelopeBatch, Gauge, GaugeValue, Log};
use hydrant_rpc::away::AWAY;
use hydrant_rpc::channel::channel;
use hydrant_rpc::logcache::egress::EgressClient;
use hydrant_rpc::logcache::ingress::IngressClient;
use hydrant_rpc::logcache::promql::PromQLQuerierClient;
use prost::Message;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::{Request as HttpRequest, Response as HttpResponse};
use tonic::server::NamedService;
use tonic::transport::{Channel, Server};
use tonic::{Response, Status};

const PATIENCE: Duration = Duration::from_secs(60);

/// A time at which all is that tests send.
pub(super) const NOW_S: i64 = 1_700_000_000;

/// Nodes by their index, of which some may be down.
pub(super) struct Rig {
    pub(super) nodes: Vec<Option<Node>>,
    config: LogCacheConfig,
    clients: Vec<Channel>,
    runtime: Runtime,
}

impl Rig {
    /// So many, all of which run.
    pub(super) fn new(count: usize) -> Self {
        let mut rig = Self::of(count, LogCacheConfig::default());
        (0..count).for_each(|index| rig.start(index));
        rig
    }

    /// So many, none of which runs.
    pub(super) fn of(count: usize, config: LogCacheConfig) -> Self {
        let runtime = runtime();
        let nodes = free_addresses(count);
        let clients = {
            let _within = runtime.enter();
            nodes.iter().map(|node| channel(node, None)).collect()
        };
        Self {
            nodes: (0..count).map(|_| None).collect(),
            config: LogCacheConfig { nodes, ..config },
            clients,
            runtime,
        }
    }

    /// Starts a node, with nothing kept.
    pub(super) fn start(&mut self, index: usize) {
        let config = LogCacheConfig {
            address: self.config.nodes[index].parse().unwrap(),
            node_index: index,
            ..self.config.clone()
        };
        self.nodes[index] = Some(start(&config, None, None).unwrap());
    }

    pub(super) fn stop(&mut self, index: usize) -> Arc<crate::counters::NodeCounters> {
        let node = self.nodes[index].take().unwrap();
        let counters = node.counters.clone();
        node.stop().unwrap();
        counters
    }

    /// Serves something else in a node's place.
    pub(super) fn serve<S>(&self, index: usize, service: S)
    where
        S: Service<HttpRequest<Body>, Response = HttpResponse<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        let address = self.config.nodes[index].parse().unwrap();
        let server = Server::builder().add_service(service);
        // Until the test's process ends.
        thread::spawn(move || runtime().block_on(server.serve(address)).unwrap());
    }

    pub(super) fn node(&self, index: usize) -> &Node {
        self.nodes[index].as_ref().unwrap()
    }

    /// What a node sent to another one.
    pub(super) fn sent(&self, from: usize, to: usize) -> Arc<SessionState> {
        let name = format!("node {to}");
        let mut sessions = self.node(from).worker.sessions().into_iter();
        sessions.find(|session| session.name == name).unwrap()
    }

    pub(super) fn counts(&self, from: usize, to: usize, counter: SessionCounter) -> u64 {
        self.sent(from, to).counters.get(counter)
    }

    pub(super) fn count(&self, node: usize, counter: NodeCounter) -> u64 {
        self.node(node).counters.get(counter)
    }

    /// How many envelopes a node keeps.
    pub(super) fn kept(&self, index: usize) -> u64 {
        self.node(index).partitions.standing().count
    }

    pub(super) fn send(&self, to: usize, envelopes: &[Envelope]) {
        self.send_request(to, envelopes, false);
    }

    pub(super) fn send_request(&self, to: usize, envelopes: &[Envelope], local_only: bool) {
        let request = SendRequest {
            envelopes: Some(EnvelopeBatch {
                batch: envelopes.to_vec(),
            }),
            local_only,
        };
        let mut client = IngressClient::new(self.clients[to].clone());
        let request = bytes::Bytes::from(request.encode_to_vec());
        self.runtime.block_on(client.send(request)).unwrap();
    }

    pub(super) fn read(&self, from: usize, request: &ReadRequest) -> Result<Vec<Envelope>, Status> {
        let mut client = EgressClient::new(self.clients[from].clone());
        let request = bytes::Bytes::from(request.encode_to_vec());
        let answer = self.runtime.block_on(client.read(request))?.into_inner();
        let response = ReadResponse::decode(answer).unwrap();
        Ok(response.envelopes.unwrap().batch)
    }

    pub(super) fn address(&self, index: usize) -> String {
        self.config.nodes[index].clone()
    }

    /// Whom a node says that it could not ask for the answer to a read.
    pub(super) fn away_of_read(&self, from: usize, request: &ReadRequest) -> Option<String> {
        let mut client = EgressClient::new(self.clients[from].clone());
        let request = bytes::Bytes::from(request.encode_to_vec());
        away(&self.runtime.block_on(client.read(request)).unwrap())
    }

    /// The same of all that are known.
    pub(super) fn away_of_meta(&self, from: usize) -> Option<String> {
        let mut client = EgressClient::new(self.clients[from].clone());
        let request = bytes::Bytes::from(MetaRequest::default().encode_to_vec());
        away(&self.runtime.block_on(client.meta(request)).unwrap())
    }

    pub(super) fn meta(&self, from: usize, local_only: bool) -> BTreeMap<String, MetaInfo> {
        let mut client = EgressClient::new(self.clients[from].clone());
        let request = MetaRequest { local_only }.encode_to_vec();
        let request = bytes::Bytes::from(request);
        let answer = self.runtime.block_on(client.meta(request)).unwrap();
        let response = MetaResponse::decode(answer.into_inner()).unwrap();
        response.meta.into_iter().collect()
    }

    /// The values of an instant query's samples.
    pub(super) fn query(&self, from: usize, query: &str) -> Result<Vec<f64>, Status> {
        let mut client = PromQLQuerierClient::new(self.clients[from].clone());
        let request = InstantQueryRequest {
            query: query.to_owned(),
            time: NOW_S.to_string(),
        };
        let request = bytes::Bytes::from(request.encode_to_vec());
        let answer = self.runtime.block_on(client.instant_query(request))?;
        Ok(values(answer.into_inner()))
    }
}

fn values(answer: bytes::Bytes) -> Vec<f64> {
    let result = InstantQueryResult::decode(answer).unwrap();
    let Some(Answer::Vector(vector)) = result.result else {
        panic!("{result:?}");
    };
    let samples = vector.samples.into_iter();
    samples.map(|sample| sample.point.unwrap().value).collect()
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// Of ports that were free a moment ago.
fn free_addresses(count: usize) -> Vec<String> {
    let listeners = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let listeners: Vec<_> = listeners.collect();
    let addresses = listeners.iter().map(|it| it.local_addr().unwrap());
    addresses.map(|address| address.to_string()).collect()
}

/// All losses of a session by any name.
pub(super) fn lost(counters: &SessionCounters) -> u64 {
    let losses = SessionCounter::LOSSES.iter();
    losses.map(|loss| counters.get(*loss)).sum()
}

pub(super) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "no {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

pub(super) fn envelope(source_id: &str, number: i64, message: Said) -> Envelope {
    Envelope {
        timestamp: NOW_S * 1_000_000_000 - number,
        source_id: source_id.to_owned(),
        message: Some(message),
        ..Default::default()
    }
}

pub(super) fn log(source_id: &str, number: i64) -> Envelope {
    let log = Log {
        payload: format!("line {number}").into(),
        r#type: 0,
    };
    envelope(source_id, number, Said::Log(log))
}

pub(super) fn gauge(source_id: &str, number: i64, value: f64) -> Envelope {
    let value = GaugeValue {
        unit: "u".to_owned(),
        value,
    };
    let metrics = [("load".to_owned(), value)].into();
    envelope(source_id, number, Said::Gauge(Gauge { metrics }))
}

/// A source that this node keeps, of so many.
pub(super) fn source_of(node: usize, count: usize) -> String {
    let mut names = (0..).map(|number| format!("source-{number}"));
    names
        .find(|name| node_of(name.as_bytes(), count) == node)
        .unwrap()
}

fn away<M>(response: &Response<M>) -> Option<String> {
    let away = response.metadata().get(AWAY)?;
    Some(away.to_str().unwrap().to_owned())
}
