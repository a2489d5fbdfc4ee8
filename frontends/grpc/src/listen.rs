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
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::{Connected, TcpConnectInfo};

/// How long a client may take for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// After accepting failed, such as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const BACKLOG: i32 = 1024;

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

/// A connection that is ready for HTTP/2. It counts as one of the worker's until it is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Secured,
    peer: Option<SocketAddr>,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Secured {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Takes connections as long as there are permits; handshakes go on beside each other.
pub(crate) async fn accept(
    listener: TcpListener,
    tls: Option<ServerTls>,
    connections_max: usize,
    counters: Arc<GrpcCounters>,
    ready: mpsc::Sender<Connection>,
) {
    let permits = Arc::new(Semaphore::new(connections_max));
    while let Ok(permit) = permits.clone().acquire_owned().await {
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
            let connection = Connection {
                stream,
                peer: Some(peer),
                _permit: permit,
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

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Secured::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Secured::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Secured::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Secured::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Secured::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Secured::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Secured::Plain(stream) => stream.is_write_vectored(),
            Secured::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Secured::Plain(stream) => Pin::new(stream).poll_flush(context),
            Secured::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Secured::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Secured::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
