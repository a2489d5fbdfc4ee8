//! The node's gRPC: `logcache.v1.Ingress`, `Egress` and `PromQLQuerier`.

use crate::answered::Answered;
use crate::cluster::Cluster;
use crate::counters::{NodeCounter, NodeCounters, QueryKind};
use crate::partitions::{Partitions, Taken};
use crate::peer::PASSED_ON;
use crate::querier::{self, Reach, Refused};
use crate::request;
use bytes::Bytes;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::counters::Loss;
use hydrant_proto::logcache::{MetaInfo, MetaRequest, MetaResponse, ReadRequest, prom_ql};
use hydrant_rpc::batch::elements;
use hydrant_rpc::server::{Messages, Unfinished, answer, refusal};
use prost::Message as _;
use prost::encoding::encode_varint;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::{spawn_blocking, yield_now};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::service::Routes;
use tower_layer::Layer;

/// Field 1, a message: the batch of a `SendRequest`, and of a `ReadResponse`.
const BATCH: u8 = 0x0a;

/// What a node's thread answers with.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    pub(crate) partitions: Partitions,
    /// The other nodes, if there are others.
    pub(crate) cluster: Option<Arc<Cluster>>,
    /// How long a query may take.
    pub(crate) query_time: Duration,
    pub(crate) counters: Arc<NodeCounters>,
    pub(crate) unfinished: Arc<Unfinished>,
    /// Whose batch is kept.
    pub(crate) turns: Arc<Mutex<()>>,
    /// Largest message that is taken, in bytes.
    pub(crate) message_bytes_max: usize,
}

const INGRESS: &str = "logcache.v1.Ingress";
const EGRESS: &str = "logcache.v1.Egress";
const QUERIER: &str = "logcache.v1.PromQLQuerier";

/// What a query's request is answered with.
type Answering = fn(Reach<'_>, &[u8]) -> Result<Vec<u8>, Refused>;

/// What of a `SendRequest` is no batch; batches are not decoded.
#[derive(Clone, PartialEq, prost::Message)]
struct SendOptions {
    #[prost(bool, tag = "2")]
    local_only: bool,
}

impl Calls {
    async fn answer(self, request: Request<Body>) -> Response<Body> {
        if let Some(refusal) = refusal(&request) {
            return refusal;
        }
        let path = request.uri().path().to_owned();
        let is_ours = request.headers().contains_key(PASSED_ON);
        let message = match self.message(request).await {
            Ok(message) => message,
            Err(status) => return answer(self.refused(status)),
        };
        let answered = match path.as_str() {
            "/logcache.v1.Ingress/Send" => {
                let _turn = self.turn().await;
                self.send(&message).map(Answered::from)
            }
            "/logcache.v1.Egress/Read" => self.read(message, is_ours).await,
            "/logcache.v1.Egress/Meta" => self.meta(&message).await,
            "/logcache.v1.PromQLQuerier/InstantQuery" => {
                self.query(message, QueryKind::Instant, instant).await
            }
            "/logcache.v1.PromQLQuerier/RangeQuery" => {
                self.query(message, QueryKind::Range, ranged).await
            }
            path => Err(Status::unimplemented(unknown(path))),
        };
        match answered {
            Ok(answered) => answered.into_response(),
            Err(status) => answer(self.refused(status)),
        }
    }

    fn refused(&self, status: Status) -> Status {
        self.counters.add(NodeCounter::RequestsInvalid, 1);
        status
    }

    async fn message(&self, request: Request<Body>) -> Result<Bytes, Status> {
        let body = request.into_body();
        let mut messages = Messages::new(body, self.message_bytes_max, self.unfinished.clone());
        let message = messages
            .next()
            .await
            .map_err(|broken| broken.into_status())?;
        message.ok_or_else(|| {
            Status::internal(
                "cardinality violation: received no request message from non-client-streaming RPC",
            )
        })
    }

    /// Waits until it is time to keep a batch: one after the other, and between two of them whoever reads.
    /// So a reader waits for one batch, and not for all that have come before.
    async fn turn(&self) -> MutexGuard<'_, ()> {
        let turn = self.turns.lock().await;
        // Tokio looks at sockets before it goes on here.
        yield_now().await;
        turn
    }

    /// Keeps what can be kept. What cannot is counted by name, and said: upstream's client counts
    /// the call as failed then.
    fn send(&self, request: &[u8]) -> Result<Vec<u8>, Status> {
        let mut is_cut = false;
        let batches = elements(request).map_while(|batch| whole(batch, &mut is_cut));
        let mut is_broken = false;
        let envelopes = batches.flat_map(elements);
        let envelopes = envelopes.map_while(|envelope| whole(envelope, &mut is_broken));
        let taken = self.partitions.share(envelopes, self.cluster_for(request));
        self.count(&taken);
        if is_cut || is_broken {
            self.counters.lose(Loss::Batch);
        }
        match (taken.losses.first(), is_cut || is_broken) {
            (None, false) => Ok(Vec::new()),
            (Some(loss), _) => Err(malformed(loss.name())),
            (None, true) => Err(malformed(Loss::Batch.name())),
        }
    }

    /// The others, if envelopes are to be shared out among all nodes. What another node has sent us is
    /// for us.
    fn cluster_for(&self, request: &[u8]) -> Option<&Cluster> {
        let cluster = self.cluster.as_deref()?;
        // What is wrong with the request its envelopes will show.
        let options = SendOptions::decode(request).unwrap_or_default();
        (!options.local_only).then_some(cluster)
    }

    fn count(&self, taken: &Taken) {
        self.counters.add(NodeCounter::Ingress, taken.count);
        for loss in &taken.losses {
            self.counters.lose(*loss);
        }
    }

    /// Of a source of another node that node answers, also what is wrong with the request.
    async fn read(&self, message: Bytes, is_ours: bool) -> Result<Answered, Status> {
        let request = ReadRequest::decode(message.clone());
        let request = request.map_err(|error| malformed(&error.to_string()))?;
        if let Some(cluster) = self.cluster.as_deref().filter(|_| !is_ours)
            && let Some(peer) = cluster.peer_of(request.source_id.as_bytes())
        {
            return cluster.read(peer, message).await;
        }
        self.read_ours(&request).map(Answered::from)
    }

    fn read_ours(&self, request: &ReadRequest) -> Result<Vec<u8>, Status> {
        let query = request::query(request, now())
            .map_err(|refused| Status::unknown(refused.to_string()))?;
        let mut batch = Vec::new();
        let found = self
            .partitions
            .read(request.source_id.as_bytes(), &query, &mut batch);
        self.counters.add(NodeCounter::Egress, found.count as u64);
        // The batch is there even if it is empty: Go's client dies without one.
        let mut response = Vec::with_capacity(batch.len() + 11);
        response.push(BATCH);
        encode_varint(batch.len() as u64, &mut response);
        response.extend_from_slice(&batch);
        Ok(response)
    }

    /// On a thread of its own: a query may take seconds, and others are to be served meanwhile.
    async fn query(
        &self,
        request: Bytes,
        kind: QueryKind,
        answering: Answering,
    ) -> Result<Answered, Status> {
        let (partitions, cluster) = (self.partitions.clone(), self.cluster.clone());
        let (time, begun) = (self.query_time, Instant::now());
        let answered = spawn_blocking(move || {
            let reach = Reach {
                partitions: &partitions,
                cluster: cluster.as_deref(),
                time,
            };
            answering(reach, &request)
        });
        let answered = answered.await;
        self.counters.took(kind, begun.elapsed());
        match answered {
            Ok(Ok(answer)) => Ok(answer.into()),
            Ok(Err(refused)) if querier::is_away(&refused) => {
                self.counters.add(NodeCounter::QueriesAway, 1);
                Err(Status::unavailable(refused.to_string()))
            }
            Ok(Err(refused)) => Err(Status::unknown(refused.to_string())),
            Err(_) => Err(Status::internal("the query could not be answered")),
        }
    }

    async fn meta(&self, request: &[u8]) -> Result<Answered, Status> {
        let request = MetaRequest::decode(request);
        let request = request.map_err(|error| malformed(&error.to_string()))?;
        let mut known = self.meta_of_ours();
        let away = match self.cluster.as_deref().filter(|_| !request.local_only) {
            Some(cluster) => cluster.meta(&mut known).await,
            None => Vec::new(),
        };
        let message = known.encode_to_vec().into();
        Ok(Answered { message, away })
    }

    fn meta_of_ours(&self) -> MetaResponse {
        let mut response = MetaResponse::default();
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.partitions.meta(|source_id, meta| {
            let info = MetaInfo {
                count: signed(meta.count),
                expired: signed(meta.expired),
                oldest_timestamp: meta.oldest_timestamp,
                newest_timestamp: meta.newest_timestamp,
            };
            let source_id = String::from_utf8_lossy(source_id).into_owned();
            response.meta.insert(source_id, info);
        });
        response
    }
}

fn instant(reach: Reach<'_>, request: &[u8]) -> Result<Vec<u8>, Refused> {
    let request = prom_ql::InstantQueryRequest::decode(request)?;
    Ok(querier::instant(reach, &request, now())?.encode_to_vec())
}

fn ranged(reach: Reach<'_>, request: &[u8]) -> Result<Vec<u8>, Refused> {
    let request = prom_ql::RangeQueryRequest::decode(request)?;
    Ok(querier::ranged(reach, &request)?.encode_to_vec())
}

/// In nanoseconds since 1970.
fn now() -> i64 {
    i64::try_from(UnixNanos::now().0).unwrap_or(i64::MAX)
}

/// The element; ends what comes after it if it is none.
fn whole<T, E>(element: Result<T, E>, is_cut: &mut bool) -> Option<T> {
    *is_cut = element.is_err();
    element.ok()
}

fn malformed(what: &str) -> Status {
    Status::internal(format!("grpc: error unmarshalling request: {what}"))
}

fn unknown(path: &str) -> String {
    match path
        .strip_prefix('/')
        .and_then(|name| name.rsplit_once('/'))
    {
        None => format!("malformed method name: {path:?}"),
        Some((service @ (INGRESS | EGRESS | QUERIER), method)) => {
            format!("unknown method {method} for service {service}")
        }
        Some((service, _)) => format!("unknown service {service}"),
    }
}

impl Service<Request<Body>> for Calls {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let calls = self.clone();
        Box::pin(async move { Ok(calls.answer(request).await) })
    }
}

/// tonic serves what its routes give; these stand in their place.
impl Layer<Routes> for Calls {
    type Service = Self;

    fn layer(&self, _: Routes) -> Self {
        self.clone()
    }
}
