//! Connections: HTTPS with HTTP/1.1 or HTTP/2, or plain HTTP/1.1 where that is allowed.

use crate::read::Reading;
use crate::state::GatewayCounter;
use crate::worker::Stopping;
use futures_util::future::{Either, select};
use hydrant_rpc::tls::ServerTls;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use rustls::ServerConfig;
use socket2::{SockRef, TcpKeepalive};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// For a client's handshake, and for the head of a request, as upstream.
pub(crate) const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// A request's line and headers. A line of 64 KiB, which is the longest that can be read, names
/// 1300 sources; a token takes some KiB.
const HEAD_BYTES_MAX: usize = 128 * 1024;
const HEADERS_BYTES_MAX: u32 = 128 * 1024;
/// What is on its way to a client who does not read, at most, beside the kernel's buffers.
const SEND_BYTES_MAX: usize = 256 * 1024;
/// When no connection can be had (descriptors have run out), others must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How soon a silent connection is asked whether its client is there, as Go does.
const TCP_KEEPALIVE: Duration = Duration::from_secs(15);

/// The first byte of TLS: a record of its handshake.
const TLS_HANDSHAKE: u8 = 0x16;
/// What Go's server answers to HTTP where it speaks HTTPS, and by what it knows it.
const PLAIN_ANSWER: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
const PLAIN_STARTS: [&[u8; 5]; 5] = [b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO"];

const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Takes connections, each with a place of its own, until it is time to stop.
pub(crate) async fn accept(
    listener: TcpListener,
    tls: Option<ServerTls>,
    reading: Arc<Reading>,
    places: Arc<Semaphore>,
) {
    let mut stopping = reading.stopping.clone();
    loop {
        let next = pin!(next(&listener, &places));
        let Either::Right(((stream, peer, place), _)) = select(pin!(stopping.begun()), next).await
        else {
            return;
        };
        reading.state.count(GatewayCounter::Connections);
        let (tls, reading) = (tls.clone(), reading.clone());
        tokio::spawn(async move {
            serve(stream, peer, tls, reading).await;
            drop(place);
        });
    }
}

async fn next(
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

/// What goes wrong here is the client's: it sees its connection end.
async fn serve(stream: TcpStream, peer: SocketAddr, tls: Option<ServerTls>, reading: Arc<Reading>) {
    stream.set_nodelay(true).ok();
    let keepalive = TcpKeepalive::new()
        .with_time(TCP_KEEPALIVE)
        .with_interval(TCP_KEEPALIVE);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive).ok();
    match tls {
        None => serve_http1(stream, peer, reading).await,
        Some(tls) => serve_tls(stream, peer, &tls, reading).await,
    }
}

async fn serve_tls(stream: TcpStream, peer: SocketAddr, tls: &ServerTls, reading: Arc<Reading>) {
    let head_timeout = reading.timing.head_timeout;
    let mut first = [0];
    let peeked = timeout(head_timeout, stream.peek(&mut first)).await;
    if !matches!(peeked, Ok(Ok(1))) {
        return reading.state.count(GatewayCounter::TlsFailed);
    }
    if first != [TLS_HANDSHAKE] {
        reading.state.count(GatewayCounter::PlainHttp);
        timeout(head_timeout, refuse_plain(stream)).await.ok();
        return;
    }
    let accepting = timeout(head_timeout, acceptor(tls).accept(stream));
    let Ok(Ok(stream)) = accepting.await else {
        return reading.state.count(GatewayCounter::TlsFailed);
    };
    if stream.get_ref().1.alpn_protocol() == Some(ALPN[0]) {
        serve_http2(stream, peer, reading).await;
    } else {
        serve_http1(stream, peer, reading).await;
    }
}

/// The newest certificates, for both versions of HTTP.
fn acceptor(tls: &ServerTls) -> TlsAcceptor {
    let acceptor = tls.acceptor();
    let mut config = ServerConfig::clone(acceptor.config());
    config.alpn_protocols = ALPN.map(<[u8]>::to_vec).into();
    TlsAcceptor::from(Arc::new(config))
}

/// Tells a client that it wants https. What it sent is read first: a connection that is closed with
/// bytes unread is reset, and takes the answer with it.
async fn refuse_plain(mut stream: TcpStream) {
    let mut start = [0; 5];
    if stream.read_exact(&mut start).await.is_err() || !PLAIN_STARTS.contains(&&start) {
        return;
    }
    if stream.write_all(PLAIN_ANSWER).await.is_ok() && stream.shutdown().await.is_ok() {
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
    }
}

async fn serve_http1(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: SocketAddr,
    reading: Arc<Reading>,
) {
    let (head_timeout, stopping) = (reading.timing.head_timeout, reading.stopping.clone());
    let service = service_fn(move |request| {
        let reading = reading.clone();
        async move { Ok::<_, Infallible>(reading.answer(request, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(io), service);
    until_over(connection, stopping).await;
}

async fn serve_http2(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: SocketAddr,
    reading: Arc<Reading>,
) {
    let stopping = reading.stopping.clone();
    let service = service_fn(move |request| {
        let reading = reading.clone();
        async move { Ok::<_, Infallible>(reading.answer(request, peer).await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_header_list_size(HEADERS_BYTES_MAX)
        .max_send_buf_size(SEND_BYTES_MAX)
        .serve_connection(TokioIo::new(io), service);
    until_over(connection, stopping).await;
}

/// Serves a connection; when it is time to stop, until what is under way is over.
async fn until_over(connection: impl GracefulConnection, mut stopping: Stopping) {
    let mut connection = pin!(connection);
    let begun = pin!(stopping.begun());
    if let Either::Right(_) = select(connection.as_mut(), begun).await {
        connection.as_mut().graceful_shutdown();
        connection.await.ok();
    }
}

/// A count of connections, as the semaphore has it.
pub(crate) fn index(count: u32) -> usize {
    usize::try_from(count).unwrap_or(Semaphore::MAX_PERMITS)
}
