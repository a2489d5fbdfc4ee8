//! The node's gRPC: `logcache.v1.Ingress`, `Egress` and `PromQLQuerier`.

use crate::counters::{NodeCounter, NodeCounters};
use crate::partitions::Partitions;
use crate::querier::{self, Refused};
use crate::request;
use bytes::Bytes;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::counters::Loss;
use hydrant_proto::logcache::{MetaInfo, MetaResponse, ReadRequest, prom_ql};
use hydrant_rpc::batch::elements;
use hydrant_rpc::server::{Messages, Unfinished, answer, refusal, single};
use prost::Message as _;
use prost::encoding::encode_varint;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::task::spawn_blocking;
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
    pub(crate) counters: Arc<NodeCounters>,
    pub(crate) unfinished: Arc<Unfinished>,
    /// Largest message that is taken, in bytes.
    pub(crate) message_bytes_max: usize,
}

const INGRESS: &str = "logcache.v1.Ingress";
const EGRESS: &str = "logcache.v1.Egress";
const QUERIER: &str = "logcache.v1.PromQLQuerier";

/// What a query's request is answered with.
type Answering = fn(&Partitions, &[u8]) -> Result<Vec<u8>, Refused>;

impl Calls {
    async fn answer(self, request: Request<Body>) -> Response<Body> {
        if let Some(refusal) = refusal(&request) {
            return refusal;
        }
        let path = request.uri().path().to_owned();
        let message = match self.message(request).await {
            Ok(message) => message,
            Err(status) => return answer(self.refused(status)),
        };
        let answered = match path.as_str() {
            "/logcache.v1.Ingress/Send" => self.send(&message),
            "/logcache.v1.Egress/Read" => self.read(&message),
            "/logcache.v1.Egress/Meta" => Ok(self.meta()),
            "/logcache.v1.PromQLQuerier/InstantQuery" => self.query(message, instant).await,
            "/logcache.v1.PromQLQuerier/RangeQuery" => self.query(message, ranged).await,
            path => Err(Status::unimplemented(unknown(path))),
        };
        match answered {
            Ok(message) => single(&message),
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

    /// Keeps what can be kept. What cannot is counted by name, and said: upstream's client counts
    /// the call as failed then.
    fn send(&self, request: &[u8]) -> Result<Vec<u8>, Status> {
        let mut is_cut = false;
        let batches = elements(request).map_while(|batch| whole(batch, &mut is_cut));
        let mut is_broken = false;
        let envelopes = batches.flat_map(elements);
        let envelopes = envelopes.map_while(|envelope| whole(envelope, &mut is_broken));
        let taken = self.partitions.put(envelopes);
        self.counters.add(NodeCounter::Ingress, taken.count);
        for loss in &taken.losses {
            self.counters.lose(*loss);
        }
        if is_cut || is_broken {
            self.counters.lose(Loss::Batch);
        }
        match (taken.losses.first(), is_cut || is_broken) {
            (None, false) => Ok(Vec::new()),
            (Some(loss), _) => Err(malformed(loss.name())),
            (None, true) => Err(malformed(Loss::Batch.name())),
        }
    }

    fn read(&self, request: &[u8]) -> Result<Vec<u8>, Status> {
        let request =
            ReadRequest::decode(request).map_err(|error| malformed(&error.to_string()))?;
        let query = request::query(&request, now())
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
    async fn query(&self, request: Bytes, answering: Answering) -> Result<Vec<u8>, Status> {
        let partitions = self.partitions.clone();
        let answered = spawn_blocking(move || answering(&partitions, &request)).await;
        match answered {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(refused)) => Err(Status::unknown(refused.to_string())),
            Err(_) => Err(Status::internal("the query could not be answered")),
        }
    }

    fn meta(&self) -> Vec<u8> {
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
        response.encode_to_vec()
    }
}

fn instant(partitions: &Partitions, request: &[u8]) -> Result<Vec<u8>, Refused> {
    let request = prom_ql::InstantQueryRequest::decode(request)?;
    Ok(querier::instant(partitions, &request, now())?.encode_to_vec())
}

fn ranged(partitions: &Partitions, request: &[u8]) -> Result<Vec<u8>, Refused> {
    let request = prom_ql::RangeQueryRequest::decode(request)?;
    Ok(querier::ranged(partitions, &request)?.encode_to_vec())
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

#[cfg(test)]
mod tests;
