//! A node of our own making.

use bytes::Bytes;
use hydrant_proto::logcache::prom_ql::{InstantQueryRequest, RangeQueryRequest};
use hydrant_proto::logcache::{MetaRequest, ReadRequest};
use hydrant_rpc::away::AWAY;
use hydrant_rpc::logcache::egress::{Egress, EgressServer};
use hydrant_rpc::logcache::promql::{PromQLQuerier, PromQLQuerierServer};
use prost::Message;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use tonic::metadata::MetadataValue;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// A request of any kind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    Read(ReadRequest),
    Meta(MetaRequest),
    Query(InstantQueryRequest),
    QueryRange(RangeQueryRequest),
}

type Answer = dyn Fn(Asked) -> Result<Bytes, Status> + Send + Sync;

/// Answers as a test has it answer, until the test is over.
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Clone)]
struct Service {
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<Answer>,
    /// Who it says is away.
    away: Option<&'static str>,
}

impl Node {
    pub(crate) fn new(
        answer: impl Fn(Asked) -> Result<Bytes, Status> + Send + Sync + 'static,
    ) -> Self {
        Self::start(answer, None)
    }

    /// A node that has nothing and says that others are away.
    pub(crate) fn without(away: &'static str) -> Self {
        Self::start(|_| Ok(Bytes::new()), Some(away))
    }

    fn start(
        answer: impl Fn(Asked) -> Result<Bytes, Status> + Send + Sync + 'static,
        away: Option<&'static str>,
    ) -> Self {
        let asked = Arc::<Mutex<_>>::default();
        let service = Service {
            asked: asked.clone(),
            answer: Arc::new(answer),
            away,
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = crate::serving::runtime().unwrap();
        thread::spawn(move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let serving = Server::builder()
                    .add_service(EgressServer::new(service.clone()))
                    .add_service(PromQLQuerierServer::new(service))
                    .serve_with_incoming(TcpIncoming::from(listener));
                serving.await.unwrap();
            });
        });
        Self { address, asked }
    }

    /// A node that has nothing.
    pub(crate) fn empty() -> Self {
        Self::new(|_| Ok(Bytes::new()))
    }

    /// What it was asked since this was called last.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

impl Service {
    fn answer<M: Message + Default>(
        &self,
        kind: impl Fn(M) -> Asked,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, Status> {
        let asked = kind(M::decode(request.into_inner()).unwrap());
        self.asked.lock().unwrap().push(asked.clone());
        let mut response = Response::new((self.answer)(asked)?);
        if let Some(away) = self.away {
            let away = MetadataValue::from_static(away);
            response.metadata_mut().insert(AWAY, away);
        }
        Ok(response)
    }
}

#[tonic::async_trait]
impl Egress for Service {
    async fn read(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        self.answer(Asked::Read, request)
    }

    async fn meta(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        self.answer(Asked::Meta, request)
    }
}

#[tonic::async_trait]
impl PromQLQuerier for Service {
    async fn instant_query(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        self.answer(Asked::Query, request)
    }

    async fn range_query(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        self.answer(Asked::QueryRange, request)
    }
}
