//! The log provider: one connection, on which every stream is a call of `BatchedReceiver`.
//!
//! The connection is ours and not tonic's channel for two reasons. A request is answered 200 once
//! the call is under way, as upstream's: Go's servers send the head of their answer only together
//! with the first envelope, so that it cannot be waited for. And its window for all streams has to
//! be so large that clients who do not read never take it up: each holds on to no more than the
//! window of its own stream, and the others go on.

use bytes::Bytes;
use hydrant_rpc::egress::EgressClient;
use hydrant_rpc::tls::ClientTls;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tonic::codec::Streaming;
use tonic::codegen::Service;
use tonic::{Status, body::Body};

/// What the provider may send ahead in a stream whose client does not read. Then its outbox fills,
/// and what is lost there it counts.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
/// The most that HTTP/2 knows (RFC 9113, section 6.9.1): streams are limited one by one.
const CONNECTION_WINDOW_BYTES: u32 = (1 << 31) - 1;
/// Upstream's gateway takes 10 MiB and ends the stream at a larger batch.
const BATCH_BYTES_MAX: usize = 64 << 20;
/// A silent provider is asked whether it is there; upstream's servers allow that every 10 s.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// For the whole way: name, TCP, TLS, and those who wait for it before us.
pub(crate) const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the head of the provider's answer is waited for: ours comes once the subscription
/// stands, so that what is sent after the client has its 200 is delivered. Go's may never come.
const HEAD_GRACE: Duration = Duration::from_millis(100);

/// ALPN's name of HTTP/2.
const H2: &[u8] = b"h2";

/// Where streams come from.
#[derive(Debug)]
pub(crate) struct Provider {
    address: String,
    origin: Uri,
    tls: Option<ClientTls>,
    open_timeout: Duration,
    connection: Mutex<Option<Connection>>,
}

/// No stream can be had of the provider.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unreachable;

/// The batches of a stream.
pub(crate) enum Batches {
    /// The provider has not answered yet.
    Opening(Opening),
    /// It has.
    Open(Box<Streaming<Bytes>>),
    /// It has said no, which is for the first who asks.
    Refused(Box<Status>),
}

type Opening = Pin<Box<dyn Future<Output = Result<Streaming<Bytes>, Status>> + Send>>;

impl Provider {
    /// Connects when the first stream is asked for, and whenever the connection is found broken.
    ///
    /// # Errors
    /// The address cannot be written in a URL.
    pub(crate) fn new(
        address: &str,
        tls: Option<ClientTls>,
        open_timeout: Duration,
    ) -> Result<Self, String> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let origin = format!("{scheme}://{address}").parse::<Uri>();
        Ok(Self {
            address: address.to_owned(),
            origin: origin.map_err(|error| format!("{address:?} is no address: {error}"))?,
            tls,
            open_timeout,
            connection: Mutex::default(),
        })
    }

    /// Asks for a stream. What the provider says to that comes with the first batch.
    pub(crate) async fn open(&self, request: Bytes) -> Result<Batches, Unreachable> {
        match timeout(self.open_timeout, self.call(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Unreachable),
        }
    }

    async fn call(&self, request: Bytes) -> Result<Batches, Unreachable> {
        // A second time if the connection turns out to have been broken already.
        for _ in 0..2 {
            let connection = self.connection().await.or(Err(Unreachable))?;
            let mut opening = connection.call(self.origin.clone(), request.clone());
            match timeout(HEAD_GRACE, &mut opening).await {
                Err(_) => return Ok(Batches::Opening(opening)),
                Ok(Ok(stream)) => return Ok(Batches::Open(Box::new(stream))),
                Ok(Err(status)) if is_the_providers(&status) => {
                    return Ok(Batches::Refused(Box::new(status)));
                }
                Ok(Err(_)) => self.forget().await,
            }
        }
        Err(Unreachable)
    }

    async fn connection(&self) -> io::Result<Connection> {
        let mut known = self.connection.lock().await;
        if let Some(connection) = known.as_ref().filter(|connection| connection.is_up()) {
            return Ok(connection.clone());
        }
        let made = self.connect().await?;
        *known = Some(made.clone());
        Ok(made)
    }

    async fn forget(&self) {
        *self.connection.lock().await = None;
    }

    async fn connect(&self) -> io::Result<Connection> {
        let tcp = TcpStream::connect(&self.address).await?;
        tcp.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            return Connection::new(tcp).await;
        };
        let name = tls.server_name().clone();
        let stream = tls.connector().connect(name, tcp).await?;
        if stream.get_ref().1.alpn_protocol() != Some(H2) {
            return Err(io::Error::other("the provider does not speak HTTP/2"));
        }
        Connection::new(stream).await
    }
}

/// A status that the provider has sent, rather than one that stands for a broken connection.
fn is_the_providers(status: &Status) -> bool {
    status.source().is_none()
}

impl Batches {
    /// The next batch; nothing at the end. May be given up and asked again.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        loop {
            match self {
                Self::Opening(opening) => *self = Self::Open(Box::new(opening.await?)),
                Self::Open(stream) => return stream.message().await,
                Self::Refused(status) => return Err(Status::clone(status)),
            }
        }
    }
}

/// HTTP/2 to the provider. Cheap to clone; ends with its last clone and stream.
#[derive(Clone, Debug)]
struct Connection(SendRequest<Body>);

impl Connection {
    async fn new(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> io::Result<Self> {
        let handshake = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(io));
        let (sender, connection) = handshake.await.map_err(io::Error::other)?;
        // Its end is noticed by all who use it.
        tokio::spawn(async move { connection.await.ok() });
        Ok(Self(sender))
    }

    fn is_up(&self) -> bool {
        !self.0.is_closed()
    }

    fn call(self, origin: Uri, request: Bytes) -> Opening {
        let mut client =
            EgressClient::with_origin(self, origin).max_decoding_message_size(BATCH_BYTES_MAX);
        Box::pin(async move {
            let answer = client.batched_receiver(tonic::Request::new(request)).await;
            answer.map(tonic::Response::into_inner)
        })
    }
}

impl Service<Request<Body>> for Connection {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, hyper::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.0.send_request(request))
    }
}
