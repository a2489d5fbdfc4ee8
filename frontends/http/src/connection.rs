//! A connection in either version of HTTP, from its first request to its last.

use crate::answers::Answers;
use crate::server::Server;
use crate::stopping::Stopping;
use futures_util::future::{Either, select};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use tokio::io::{AsyncRead, AsyncWrite};

/// What is on its way to a client who does not read, at most, beside the kernel's buffers.
const SEND_BYTES_MAX: usize = 256 * 1024;

pub(crate) async fn serve_http1<S, F, B>(
    server: Server<S>,
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: SocketAddr,
) where
    S: Fn(Request<Incoming>, SocketAddr) -> F,
    F: Future<Output = Response<B>>,
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    let stopping = server.stopping.clone();
    let answering = service_fn(|request| {
        let answer = (server.service)(request, peer);
        async { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(server.limits.head_timeout)
        .max_buf_size(server.limits.head_bytes_max)
        .serve_connection(TokioIo::new(io), answering)
        .with_upgrades();
    until_over(
        connection,
        |it| it.graceful_shutdown(),
        pending::<()>,
        stopping,
    )
    .await;
}

/// HTTP/2 has no time by which a request has to come: a connection without an answer under way has
/// as long as the head of a request.
pub(crate) async fn serve_http2<S, F, B>(
    server: Server<S>,
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: SocketAddr,
) where
    S: Fn(Request<Incoming>, SocketAddr) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (stopping, head_timeout) = (server.stopping.clone(), server.limits.head_timeout);
    let answers = Answers::default();
    let answering = service_fn(|request| {
        let answer = (server.service)(request, peer);
        let under_way = answers.begin();
        async {
            let answer = answer.await;
            Ok::<_, Infallible>(answer.map(|body| under_way.until_over(body)))
        }
    });
    let head_bytes_max = u32::try_from(server.limits.head_bytes_max).unwrap_or(u32::MAX);
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_header_list_size(head_bytes_max)
        .max_send_buf_size(SEND_BYTES_MAX)
        .serve_connection(TokioIo::new(io), answering);
    let idle = || answers.idle_for(head_timeout);
    until_over(connection, |it| it.graceful_shutdown(), idle, stopping).await;
}

/// Serves a connection until it is over or idle; when it is time to stop, until what is under way
/// is over.
async fn until_over<C: Future, I: Future>(
    connection: C,
    finish: impl FnOnce(Pin<&mut C>),
    idle: impl Fn() -> I,
    mut stopping: Stopping,
) {
    let mut connection = pin!(connection);
    let (begun, idling) = (pin!(stopping.begun()), pin!(idle()));
    if let Either::Right(_) = select(connection.as_mut(), select(begun, idling)).await {
        finish(connection.as_mut());
        // Who does not take part in an orderly end gets another.
        select(connection, pin!(idle())).await;
    }
}
