//! A node that keeps what it is sent, and does as it is told.

use bytes::Bytes;
use hydrant_proto::logcache::SendRequest;
use hydrant_proto::v2::Envelope;
use hydrant_rpc::logcache::ingress::{Ingress, IngressServer};
use prost::Message;
use std::collections::VecDeque;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

/// How long anything may take before a test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Default)]
pub(crate) struct Node(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    envelopes: Vec<Envelope>,
    calls: u64,
    /// What the next calls are answered instead.
    refusals: VecDeque<Status>,
}

#[tonic::async_trait]
impl Ingress for Node {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        let request = SendRequest::decode(request.into_inner()).unwrap();
        assert!(!request.local_only);
        let mut kept = self.0.lock().unwrap();
        kept.calls += 1;
        match kept.refusals.pop_front() {
            Some(refusal) => return Err(refusal),
            None => kept.envelopes.extend(request.envelopes.unwrap().batch),
        }
        Ok(Response::new(Bytes::new()))
    }
}

impl Node {
    /// Serves from a thread that ends with the test.
    pub(crate) fn start() -> (Self, SocketAddr) {
        let (node, listener) = (Self::default(), TcpListener::bind("127.0.0.1:0").unwrap());
        let address = listener.local_addr().unwrap();
        node.serve(listener);
        (node, address)
    }

    pub(crate) fn serve(&self, listener: TcpListener) {
        listener.set_nonblocking(true).unwrap();
        let service = IngressServer::new(self.clone()).max_decoding_message_size(64 << 20);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        thread::spawn(move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let incoming = TcpIncoming::from(listener);
                let server = Server::builder().add_service(service);
                server.serve_with_incoming(incoming).await.unwrap();
            });
        });
    }

    /// Refuses the next calls.
    pub(crate) fn refuse(&self, refusals: impl IntoIterator<Item = Status>) {
        self.0.lock().unwrap().refusals.extend(refusals);
    }

    pub(crate) fn calls(&self) -> u64 {
        self.0.lock().unwrap().calls
    }

    /// What came so far.
    pub(crate) fn envelopes(&self) -> Vec<Envelope> {
        self.0.lock().unwrap().envelopes.clone()
    }

    /// What came, as soon as it is so many.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Envelope> {
        wait_until("envelopes", || self.envelopes().len() >= count);
        self.envelopes()
    }
}

pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "still waiting for {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
