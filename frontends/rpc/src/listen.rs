//! Connections, in plaintext or TLS, for tonic to serve: as many as may be, each held to its hand-
//! shake and to HTTP/2's beginning in time, and closed only when its client has got everything.

mod secured;

pub use secured::{Secured, secured};

use crate::tls::ServerTls;
use futures_util::Stream;
use futures_util::stream::unfold;
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use std::io;
use std::net::{SocketAddr, TcpListener as Listener};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Sleep, sleep, timeout};
use tonic::transport::server::{Connected, TcpConnectInfo};

/// After accepting failed, such as for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const BACKLOG: i32 = 1024;
/// How long a client may take to begin with HTTP/2 once it can.
const PREFACE_TIMEOUT: Duration = Duration::from_secs(10);
/// RFC 9113, section 3.4: what a client sends first.
const PREFACE_BYTES: usize = 24;
/// How soon a silent connection is asked whether its client is there, as Go does.
const TCP_KEEPALIVE: Duration = Duration::from_secs(15);
/// How long a client may take for the last that we sent, and to close its end.
const LINGER_TIMEOUT: Duration = Duration::from_secs(30);

/// What happens to connections, for who counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// One was accepted.
    Accepted,
    /// The TLS handshake failed or took too long; it is closed.
    TlsFailed,
    /// The client did not begin with HTTP/2 in time; it is closed.
    PrefaceLate,
}

/// Who is told what happens.
pub trait Watch: std::fmt::Debug + Send + Sync + 'static {
    /// It has happened.
    fn happened(&self, event: Event);
}

/// Listens for several workers on one address: the kernel spreads connections over them.
///
/// # Errors
/// What the kernel said, such as an address in use: that is, by anybody else.
pub fn listen(mut address: SocketAddr, workers: usize) -> io::Result<(Vec<Listener>, SocketAddr)> {
    if address.port() != 0 {
        // Sharing a port would also share it with another server, who got half of the connections.
        drop(open(address, false)?);
    }
    let mut listeners = Vec::new();
    for _ in 0..workers {
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
pub struct Connection {
    /// Taken when it is dropped.
    open: Option<Open>,
    peer: Option<SocketAddr>,
    /// Until it has come.
    preface: Option<Preface>,
}

/// What a client must send before we keep its connection.
#[derive(Debug)]
struct Preface {
    bytes_left: usize,
    deadline: Pin<Box<Sleep>>,
    watch: Arc<dyn Watch>,
}

#[derive(Debug)]
struct Open {
    stream: Secured,
    _permit: OwnedSemaphorePermit,
}

/// How many connections there may be.
#[derive(Clone, Debug)]
pub struct Permits {
    free: Arc<Semaphore>,
    all: u32,
}

impl Permits {
    /// So many.
    #[must_use]
    pub fn new(connections_max: usize) -> Self {
        let all = u32::try_from(connections_max).unwrap_or(u32::MAX);
        Self {
            free: Arc::new(Semaphore::new(connections_max)),
            all,
        }
    }

    /// Waits until there is no connection, and prevents new ones.
    pub async fn all(&self) {
        if let Ok(all) = self.free.acquire_many(self.all).await {
            all.forget();
        }
    }
}

/// The next connection, once there is a place for it. Places are never closed.
pub async fn admitted(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    loop {
        let place = places.clone().acquire_owned().await;
        match (listener.accept().await, place) {
            (Ok((stream, peer)), Ok(place)) => return (stream, peer, place),
            _ => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Takes connections as long as there are permits; handshakes go on beside each other.
pub async fn accept(
    listener: TcpListener,
    tls: Option<ServerTls>,
    permits: Permits,
    watch: Arc<dyn Watch>,
    ready: mpsc::Sender<Connection>,
) {
    loop {
        let (stream, peer, permit) = admitted(&listener, &permits.free).await;
        watch.happened(Event::Accepted);
        prepare(&stream);
        let (tls, ready, watch) = (tls.clone(), ready.clone(), watch.clone());
        tokio::spawn(async move {
            let Some(stream) = secured(stream, tls.map(|tls| tls.acceptor())).await else {
                watch.happened(Event::TlsFailed);
                return;
            };
            let open = Open {
                stream,
                _permit: permit,
            };
            let connection = Connection {
                open: Some(open),
                peer: Some(peer),
                preface: Some(Preface::within(PREFACE_TIMEOUT, watch)),
            };
            // It is not served any more if we stop.
            ready.send(connection).await.ok();
        });
    }
}

/// Has what is written leave at once, and a lost peer noticed. It costs no more than that if this cannot
/// be set.
pub fn prepare(stream: &TcpStream) {
    stream.set_nodelay(true).ok();
    let keepalive = TcpKeepalive::new()
        .with_time(TCP_KEEPALIVE)
        .with_interval(TCP_KEEPALIVE);
    SockRef::from(stream).set_tcp_keepalive(&keepalive).ok();
}

/// What tonic takes connections from.
pub fn incoming(ready: mpsc::Receiver<Connection>) -> impl Stream<Item = io::Result<Connection>> {
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

impl Preface {
    fn within(timeout: Duration, watch: Arc<dyn Watch>) -> Self {
        Self {
            bytes_left: PREFACE_BYTES,
            deadline: Box::pin(sleep(timeout)),
            watch,
        }
    }

    /// What of it is left after so many bytes.
    fn after(mut self, count: usize) -> Option<Self> {
        self.bytes_left = self.bytes_left.saturating_sub(count);
        (self.bytes_left > 0).then_some(self)
    }

    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let is_late = self.deadline.as_mut().poll(context).is_ready();
        if is_late {
            self.watch.happened(Event::PrefaceLate);
        }
        is_late
    }
}

impl Connection {
    fn open(self: Pin<&mut Self>) -> io::Result<Pin<&mut Secured>> {
        let open = self.get_mut().open.as_mut();
        let open = open.ok_or(io::ErrorKind::NotConnected)?;
        Ok(Pin::new(&mut open.stream))
    }

    #[cold]
    fn poll_first(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if self
            .preface
            .as_mut()
            .is_some_and(|preface| preface.is_late(context))
        {
            self.open = None; // There is nothing that the client should get.
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        ready!(Pin::new(&mut *self).open()?.poll_read(context, buffer))?;
        let count = buffer.filled().len() - before;
        self.preface = self.preface.take().and_then(|preface| preface.after(count));
        Poll::Ready(Ok(()))
    }
}

/// To the stream, which is there until the connection is dropped.
impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.preface.is_some() {
            return self.get_mut().poll_first(context, buffer);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Counts those that are late.
    #[derive(Debug, Default)]
    struct Late(AtomicU32);

    impl Watch for Late {
        fn happened(&self, event: Event) {
            let is_late = event == Event::PrefaceLate;
            self.0.fetch_add(is_late.into(), Ordering::Relaxed);
        }
    }

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(test)
    }

    /// A client, and its connection.
    async fn connected(timeout: Duration) -> (TcpStream, Connection, Arc<Late>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let connecting = TcpStream::connect(listener.local_addr().unwrap());
        let (client, accepted) = tokio::join!(connecting, listener.accept());
        let counters = Arc::<Late>::default();
        let (stream, peer) = accepted.unwrap();
        prepare(&stream);
        let permit = Permits::new(1).free.acquire_owned().await.unwrap();
        let open = Open {
            stream: Secured::Plain(stream),
            _permit: permit,
        };
        let connection = Connection {
            open: Some(open),
            peer: Some(peer),
            preface: Some(Preface::within(timeout, counters.clone())),
        };
        (client.unwrap(), connection, counters)
    }

    #[test]
    fn who_does_not_begin_in_time_is_not_kept() {
        block_on(async {
            let timeout = Duration::from_millis(20);
            let (mut client, mut connection, counters) = connected(timeout).await;
            client.write_all(&[b'P'; PREFACE_BYTES - 1]).await.unwrap();
            let mut read = Vec::new();
            let error = connection.read_to_end(&mut read).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            assert_eq!(counters.0.load(Ordering::Relaxed), 1);
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0, "it is closed");
        });
    }

    #[test]
    fn who_has_begun_may_take_its_time() {
        block_on(async {
            let timeout = Duration::from_millis(20);
            let (mut client, mut connection, counters) = connected(timeout).await;
            client.write_all(&[b'P'; PREFACE_BYTES]).await.unwrap();
            connection
                .read_exact(&mut [0; PREFACE_BYTES])
                .await
                .unwrap();
            sleep(2 * timeout).await;
            client.write_all(b"more").await.unwrap();
            connection.read_exact(&mut [0; 4]).await.unwrap();
            assert_eq!(counters.0.load(Ordering::Relaxed), 0);
        });
    }

    #[test]
    fn a_silent_connection_is_asked_whether_its_client_is_there() {
        block_on(async {
            let (_client, connection, _) = connected(PREFACE_TIMEOUT).await;
            let Some(Open {
                stream: Secured::Plain(stream),
                ..
            }) = &connection.open
            else {
                panic!("it is open");
            };
            let socket = SockRef::from(stream);
            assert!(socket.keepalive().unwrap());
            assert_eq!(socket.tcp_keepalive_time().unwrap(), TCP_KEEPALIVE);
        });
    }
}
