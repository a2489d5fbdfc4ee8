//! A log provider, on a thread of its own.

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use hydrant_proto::v2::{EgressBatchRequest, Envelope};
use hydrant_rpc::batch::push;
use hydrant_rpc::egress::{Egress, EgressServer};
use prost::Message;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Provider {
    pub(super) address: SocketAddr,
    calls: Receiver<Call>,
    /// Ends the server, and all connections with it.
    _stop: tokio::sync::oneshot::Sender<()>,
}

/// A call of `BatchedReceiver`.
pub(super) struct Call {
    pub(super) request: EgressBatchRequest,
    /// What it is sent; its end when this is dropped.
    pub(super) batches: mpsc::Sender<Result<Bytes, Status>>,
    over: Receiver<()>,
}

/// How the provider answers.
#[derive(Clone)]
pub(super) enum Manner {
    /// The head at once.
    Prompt,
    /// The head never, as Go's servers do as long as there is no envelope.
    Headless,
    /// With a status.
    Refusing(Status),
}

impl Provider {
    pub(super) fn new(manner: Manner) -> Self {
        let (address, listening) = channel();
        let (made, calls) = channel();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                address.send(listener.local_addr().unwrap()).unwrap();
                let serving = Server::builder()
                    .add_service(EgressServer::new(Service { manner, made }))
                    .serve_with_incoming(TcpIncoming::from(listener));
                futures_util::future::select(Box::pin(serving), stopped).await;
            });
        });
        Self {
            address: listening.recv().unwrap(),
            calls,
            _stop: stop,
        }
    }

    /// The next call.
    pub(super) fn call(&self) -> Call {
        self.calls.recv_timeout(PATIENCE).unwrap()
    }

    /// Whether nobody has called.
    pub(super) fn is_uncalled(&self) -> bool {
        self.calls.try_recv().is_err()
    }
}

impl Call {
    pub(super) fn send(&self, envelopes: &[Envelope]) {
        let mut batch = BytesMut::new();
        for envelope in envelopes {
            push(&mut batch, &envelope.encode_to_vec());
        }
        self.send_bytes(batch.freeze());
    }

    pub(super) fn send_bytes(&self, batch: Bytes) {
        self.batches.blocking_send(Ok(batch)).unwrap();
    }

    pub(super) fn fail(self, status: Status) {
        self.batches.blocking_send(Err(status)).unwrap();
    }

    /// Waits until the gateway has given the call up.
    pub(super) fn is_over_within(&self, time: Duration) -> bool {
        let outcome = self.over.recv_timeout(time);
        outcome != Err(std::sync::mpsc::RecvTimeoutError::Timeout)
    }
}

struct Service {
    manner: Manner,
    made: Sender<Call>,
}

struct Batches {
    batches: mpsc::Receiver<Result<Bytes, Status>>,
    _over: Sender<()>,
}

impl Stream for Batches {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.batches.poll_recv(context)
    }
}

#[tonic::async_trait]
impl Egress for Service {
    type ReceiverStream = Batches;
    type BatchedReceiverStream = Batches;

    async fn receiver(&self, _: Request<Bytes>) -> Result<Response<Batches>, Status> {
        Err(Status::unimplemented("nobody asks for single envelopes"))
    }

    async fn batched_receiver(&self, request: Request<Bytes>) -> Result<Response<Batches>, Status> {
        let request = EgressBatchRequest::decode(request.into_inner()).unwrap();
        let (batches, waiting) = mpsc::channel(16);
        let (going_on, over) = channel();
        let call = Call {
            request,
            batches,
            over,
        };
        self.made.send(call).ok();
        let batches = Batches {
            batches: waiting,
            _over: going_on,
        };
        match &self.manner {
            Manner::Prompt => Ok(Response::new(batches)),
            Manner::Refusing(status) => Err(status.clone()),
            Manner::Headless => {
                std::future::pending::<()>().await;
                Ok(Response::new(batches))
            }
        }
    }
}
