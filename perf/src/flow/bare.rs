//! What gRPC costs by itself: a service that passes batches on, from any number of senders to one
//! reader, without looking at them. Same codec, TLS, windows and kind of runtime as Hydrant's. The
//! reader comes over gRPC too, or over WebSocket, or it is a syslog drain.

use super::{bare_syslog, bare_websocket};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use hydrant_rpc::egress::{Egress, EgressServer};
use hydrant_rpc::ingress::{Ingress, IngressServer};
use hydrant_rpc::tls::ServerTls;
use std::io;
use std::net::{SocketAddr, TcpListener as Listener};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::server::TlsStream;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic::{Request, Response, Status, Streaming};

/// As the gRPC frontend has them.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;
/// Batches that may wait for the reader; then senders wait.
const BATCHES_MAX: usize = 256;

/// How what came in leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Out {
    /// The reader comes over gRPC.
    Grpc,
    /// The reader comes over WebSocket.
    Websocket,
    /// The reader is the drain at this address.
    Syslog(SocketAddr),
}

/// The running service.
#[derive(Debug)]
pub struct Bare {
    address: SocketAddr,
    websocket: Option<SocketAddr>,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Bare {
    /// Listens on ports of the kernel's choice and serves on one thread.
    ///
    /// # Errors
    /// No port, thread or runtime can be had.
    pub fn start(tls: Option<ServerTls>, out: Out) -> io::Result<Self> {
        let (listener, address) = listen()?;
        let (outlet, websocket) = match out {
            Out::Grpc => (Outlet::Grpc, None),
            Out::Websocket => {
                let (listener, address) = listen()?;
                (Outlet::Websocket(listener), Some(address))
            }
            Out::Syslog(drain) => (Outlet::Syslog(drain), None),
        };
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("bare".to_owned())
            .spawn(move || serve(listener, outlet, tls, stopped))?;
        Ok(Self {
            address,
            websocket,
            stop,
            thread,
        })
    }

    /// Where it serves gRPC.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it serves WebSockets, if it does.
    pub const fn websocket_address(&self) -> Option<SocketAddr> {
        self.websocket
    }

    /// Ends the reader's stream after the last batch, and the service.
    ///
    /// # Errors
    /// What failed while it ran.
    pub fn stop(self) -> io::Result<()> {
        // If nobody listens it has failed, and says so below.
        self.stop.send(()).ok();
        let panicked = |_| Err(io::Error::other("the bare service panicked"));
        self.thread.join().unwrap_or_else(panicked)
    }
}

/// As [`Out`], with what it needs.
enum Outlet {
    Grpc,
    Websocket(Listener),
    Syslog(SocketAddr),
}

fn listen() -> io::Result<(Listener, SocketAddr)> {
    let listener = Listener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn serve(
    listener: Listener,
    outlet: Outlet,
    tls: Option<ServerTls>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let passing = Arc::new(Passing::new());
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let output = || passing.output().map_err(io::Error::other);
        let writing = match outlet {
            Outlet::Grpc => None,
            Outlet::Websocket(listener) => {
                let listener = TcpListener::from_std(listener)?;
                Some(tokio::spawn(bare_websocket::serve(listener, output()?)))
            }
            Outlet::Syslog(drain) => Some(tokio::spawn(bare_syslog::serve(drain, output()?))),
        };
        serve_grpc(TcpListener::from_std(listener)?, tls, passing, stopped).await?;
        match writing {
            Some(writing) => writing.await?,
            None => Ok(()),
        }
    })
}

async fn serve_grpc(
    listener: TcpListener,
    tls: Option<ServerTls>,
    passing: Arc<Passing>,
    stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let router = router(&passing);
    let stopping = async move {
        stopped.await.ok();
        passing.stop();
    };
    let served = match tls {
        None => {
            let incoming = plain(listener);
            router
                .serve_with_incoming_shutdown(incoming, stopping)
                .await
        }
        Some(tls) => {
            let incoming = secured(listener, tls);
            router
                .serve_with_incoming_shutdown(incoming, stopping)
                .await
        }
    };
    served.map_err(io::Error::other)
}

fn router(passing: &Arc<Passing>) -> Router {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .add_service(IngressServer::from_arc(Arc::clone(passing)))
        .add_service(EgressServer::from_arc(Arc::clone(passing)))
}

async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn plain(listener: TcpListener) -> impl Stream<Item = io::Result<TcpStream>> {
    unfold(listener, |listener| async {
        Some((accept(&listener).await, listener))
    })
}

/// One handshake after the other: there are a handful.
fn secured(
    listener: TcpListener,
    tls: ServerTls,
) -> impl Stream<Item = io::Result<TlsStream<TcpStream>>> {
    unfold((listener, tls), |(listener, tls)| async {
        let stream = match accept(&listener).await {
            Ok(stream) => tls.acceptor().accept(stream).await,
            Err(error) => Err(error),
        };
        Some((stream, (listener, tls)))
    })
}

/// The way from senders to the reader.
#[derive(Debug)]
struct Passing {
    input: Mutex<Option<mpsc::Sender<Bytes>>>,
    output: Mutex<Option<mpsc::Receiver<Bytes>>>,
}

impl Passing {
    fn new() -> Self {
        let (input, output) = mpsc::channel(BATCHES_MAX);
        Self {
            input: Mutex::new(Some(input)),
            output: Mutex::new(Some(output)),
        }
    }

    fn input(&self) -> Result<mpsc::Sender<Bytes>, Status> {
        let input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        let stopping = || Status::unavailable("the server is stopping");
        input.clone().ok_or_else(stopping)
    }

    /// For the one reader.
    fn output(&self) -> Result<mpsc::Receiver<Bytes>, Status> {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = || Status::resource_exhausted("there is a reader already");
        output.take().ok_or_else(taken)
    }

    /// No more senders: the reader's stream ends with the last of them.
    fn stop(&self) {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        drop(input.take());
    }
}

/// The reader's messages.
#[derive(Debug)]
struct Output(mpsc::Receiver<Bytes>);

impl Stream for Output {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|batch| batch.map(Ok))
    }
}

fn unimplemented<T>() -> Result<T, Status> {
    Err(Status::unimplemented("only batches are passed on"))
}

#[tonic::async_trait]
impl Ingress for Passing {
    async fn sender(&self, _: Request<Streaming<Bytes>>) -> Result<Response<Bytes>, Status> {
        unimplemented()
    }

    async fn batch_sender(
        &self,
        request: Request<Streaming<Bytes>>,
    ) -> Result<Response<Bytes>, Status> {
        let input = self.input()?;
        let mut batches = request.into_inner();
        while let Some(batch) = batches.message().await? {
            if input.send(batch).await.is_err() {
                return Err(Status::unavailable("there is no reader any more"));
            }
        }
        Err(Status::unknown("EOF")) // As Doppler.
    }

    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        unimplemented()
    }
}

#[tonic::async_trait]
impl Egress for Passing {
    type ReceiverStream = Output;
    type BatchedReceiverStream = Output;

    async fn receiver(&self, _: Request<Bytes>) -> Result<Response<Output>, Status> {
        unimplemented()
    }

    async fn batched_receiver(&self, _: Request<Bytes>) -> Result<Response<Output>, Status> {
        self.output().map(|batches| Response::new(Output(batches)))
    }
}
