//! Connections, in plaintext or TLS, for tonic to serve.

use crate::config::GrpcConfig;
use crate::counters::{GrpcCounter, GrpcCounters};
use futures_util::Stream;
use futures_util::stream::unfold;
use hydrant_rpc::tls::ServerTls;
use socket2::{Domain, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener as Listener};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// How long a client may take for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// After accepting failed, such as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const BACKLOG: i32 = 1024;
/// How long a client may take for the last that we sent, and to close its end.
const LINGER_TIMEOUT: Duration = Duration::from_secs(30);

/// Listens for several workers on one address: the kernel spreads connections over them.
///
/// # Errors
/// What the kernel said, such as an address in use: that is, by anybody else.
pub(crate) fn listen(config: &GrpcConfig) -> io::Result<(Vec<Listener>, SocketAddr)> {
    let mut address = config.address;
    if address.port() != 0 {
        // Sharing a port would also share it with another server, who got half of the connections.
        drop(open(address, false)?);
    }
    let mut listeners = Vec::new();
    for _ in 0..config.workers {
        let listener = open(address, true)?;
        address = listener.local_addr()?;
        listeners.push(listener);
    }
    Ok((listeners, address))
}

fn open(address: SocketAddr, is_shared: bool) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(is_shared)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A connection that is ready for HTTP/2. It counts as one of the worker's until the client has got
/// all that was written, even if it is dropped before.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Taken when it is dropped.
    open: Option<Open>,
    peer: Option<SocketAddr>,
}

#[derive(Debug)]
struct Open {
    stream: Secured,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Secured {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// How many connections there may be.
#[derive(Clone, Debug)]
pub(crate) struct Permits {
    free: Arc<Semaphore>,
    all: u32,
}

impl Permits {
    pub(crate) fn new(connections_max: usize) -> Self {
        let all = u32::try_from(connections_max).unwrap_or(u32::MAX);
        Self {
            free: Arc::new(Semaphore::new(connections_max)),
            all,
        }
    }

    /// Waits until there is no connection, and prevents new ones.
    pub(crate) async fn all(&self) {
        if let Ok(all) = self.free.acquire_many(self.all).await {
            all.forget();
        }
    }
}

/// Takes connections as long as there are permits; handshakes go on beside each other.
pub(crate) async fn accept(
    listener: TcpListener,
    tls: Option<ServerTls>,
    permits: Permits,
    counters: Arc<GrpcCounters>,
    ready: mpsc::Sender<Connection>,
) {
    while let Ok(permit) = permits.free.clone().acquire_owned().await {
        let Ok((stream, peer)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        counters.count(GrpcCounter::Connections);
        // It costs latency, not the connection, if this cannot be set.
        stream.set_nodelay(true).ok();
        let (tls, ready, counters) = (tls.clone(), ready.clone(), counters.clone());
        tokio::spawn(async move {
            let Some(stream) = secured(stream, tls).await else {
                counters.count(GrpcCounter::TlsFailed);
                return;
            };
            let open = Open {
                stream,
                _permit: permit,
            };
            let connection = Connection {
                open: Some(open),
                peer: Some(peer),
            };
            // It is not served any more if we stop.
            ready.send(connection).await.ok();
        });
    }
}

async fn secured(stream: TcpStream, tls: Option<ServerTls>) -> Option<Secured> {
    let Some(tls) = tls else {
        return Some(Secured::Plain(stream));
    };
    let handshake = timeout(HANDSHAKE_TIMEOUT, tls.acceptor().accept(stream)).await;
    Some(Secured::Tls(Box::new(handshake.ok()?.ok()?)))
}

/// What tonic takes connections from.
pub(crate) fn incoming(
    ready: mpsc::Receiver<Connection>,
) -> impl Stream<Item = io::Result<Connection>> {
    unfold(ready, |mut ready| async {
        let connection = ready.recv().await?;
        Some((Ok(connection), ready))
    })
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        TcpConnectInfo {
            local_addr: None,
            remote_addr: self.peer,
        }
    }
}

impl Drop for Connection {
    /// To close a socket throws away what the client has not got so far, if anything comes from it
    /// meanwhile: so that is read first, up to its end.
    fn drop(&mut self) {
        if let (Some(open), Ok(runtime)) = (self.open.take(), Handle::try_current()) {
            runtime.spawn(timeout(LINGER_TIMEOUT, linger(open)));
        }
    }
}

async fn linger(mut open: Open) {
    if open.stream.shutdown().await.is_err() {
        return; // The client has gone before.
    }
    let mut ignored = [0; 4096];
    while let Ok(1..) = open.stream.read(&mut ignored).await {}
}

impl Connection {
    fn open(self: Pin<&mut Self>) -> io::Result<Pin<&mut Secured>> {
        let open = self.get_mut().open.as_mut();
        let open = open.ok_or(io::ErrorKind::NotConnected)?;
        Ok(Pin::new(&mut open.stream))
    }
}

/// To the stream, which is there until the connection is dropped.
impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.open()?.poll_read(context, buffer)
    }
}

/// As for [`AsyncRead`].
impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.open()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.open()?.poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        let open = self.open.as_ref();
        open.is_some_and(|open| open.stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.open()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.open()?.poll_shutdown(context)
    }
}

impl AsyncRead for Secured {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Secured {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
