//! Takes connections, each with a place of its own, until it is time to stop.

use crate::stopping::Stopping;
use crate::{connection, tls};
use futures_util::future::{Either, select};
use hydrant_rpc::listen::admitted;
use hydrant_rpc::tls::ServerTls;
use hyper::body::{Body, Incoming};
use hyper::{Request, Response};
use socket2::{SockRef, TcpKeepalive};
use std::error::Error;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

/// For a client's handshake, and for the head of a request, as upstream.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(2);
/// A request's line and headers. A line of 64 KiB, which is the longest that can be read, names
/// 1300 sources; a token takes some KiB.
const HEAD_BYTES_MAX: usize = 128 * 1024;
/// Some 20 KiB each, before anybody has said who it is.
const HANDSHAKES_MAX: u32 = 256;
/// How soon a silent connection is asked whether its client is there, as Go does.
const TCP_KEEPALIVE: Duration = Duration::from_secs(15);

/// What clients may take of a server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time, those that were upgraded apart; the next wait in the kernel.
    pub connections_max: u32,
    /// TLS handshakes at a time; the next wait, each within its own `head_timeout`.
    pub handshakes_max: u32,
    /// For a client to shake hands, and to send the head of a request from when it can: a
    /// connection that has nothing to ask is closed after this time.
    pub head_timeout: Duration,
    /// Bytes of a request's line and headers; who sends more is answered 431.
    pub head_bytes_max: usize,
}

/// Looks on, to count.
pub trait Watch: Send + Sync + 'static {
    /// A connection was accepted.
    fn connection(&self);
    /// A connection ended without a TLS handshake: it failed or took too long.
    fn tls_failed(&self);
    /// A connection spoke something else where TLS is spoken.
    fn plain_http(&self);
}

impl Limits {
    /// Handshakes and heads have 2 s, as upstream; heads 128 KiB, and 256 handshakes are under way
    /// at a time.
    pub const fn new(connections_max: u32) -> Self {
        Self {
            connections_max,
            handshakes_max: HANDSHAKES_MAX,
            head_timeout: HEAD_TIMEOUT,
            head_bytes_max: HEAD_BYTES_MAX,
        }
    }
}

/// Serves what `service` answers: over HTTPS, or without `tls` over plain HTTP/1.1. Once `stopping`
/// has begun, takes no more connections, and is over when those that are open are: each after the
/// answer that is under way, or at the deadline.
///
/// A request can be upgraded (`hyper::upgrade::on`). Its connection then has left the server: its
/// place is free, and no stop waits for it. Its stream is a `TokioIo` of a `TcpStream`, or of
/// tokio-rustls' server `TlsStream` of one.
///
/// Bodies of requests are for `service` to bound, in bytes and in time.
pub async fn serve<S, F, B>(
    listener: TcpListener,
    tls: Option<ServerTls>,
    limits: Limits,
    watch: Arc<dyn Watch>,
    service: S,
    mut stopping: Stopping,
) where
    S: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let server = Server {
        tls,
        limits,
        watch,
        handshakes: semaphore(limits.handshakes_max),
        service,
        stopping: stopping.clone(),
    };
    let places = semaphore(limits.connections_max);
    loop {
        let next = pin!(admitted(&listener, &places));
        let Either::Right(((stream, peer, place), _)) = select(pin!(stopping.begun()), next).await
        else {
            break;
        };
        server.watch.connection();
        let server = server.clone();
        tokio::spawn(async move {
            server.serve(stream, peer).await;
            drop(place);
        });
    }
    drop(listener);
    // All places are free again once all connections are over.
    let over = places.acquire_many(limits.connections_max);
    timeout_at(stopping.deadline().into(), over).await.ok();
}

fn semaphore(count: u32) -> Arc<Semaphore> {
    let count = usize::try_from(count).unwrap_or(Semaphore::MAX_PERMITS);
    Arc::new(Semaphore::new(count))
}

/// All that a connection needs.
#[derive(Clone)]
pub(crate) struct Server<S> {
    tls: Option<ServerTls>,
    pub(crate) limits: Limits,
    pub(crate) watch: Arc<dyn Watch>,
    pub(crate) handshakes: Arc<Semaphore>,
    pub(crate) service: S,
    pub(crate) stopping: Stopping,
}

impl<S, F, B> Server<S>
where
    S: Fn(Request<Incoming>, SocketAddr) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    /// What goes wrong here is the client's: it sees its connection end.
    async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        stream.set_nodelay(true).ok();
        let keepalive = TcpKeepalive::new()
            .with_time(TCP_KEEPALIVE)
            .with_interval(TCP_KEEPALIVE);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive).ok();
        let Some(tls) = &self.tls else {
            return connection::serve_http1(self, stream, peer).await;
        };
        let Some(stream) = tls::accept(tls, &self, stream).await else {
            return;
        };
        if tls::is_http2(&stream) {
            connection::serve_http2(self, stream, peer).await;
        } else {
            connection::serve_http1(self, stream, peer).await;
        }
    }
}
