//! Connections: one request each, which is answered or becomes a session.

use crate::handshake::{self, Answer};
use crate::register::Register;
use crate::routes::Target;
use crate::session;
use crate::timing::Timing;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::ready;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

/// Connections that have not been answered yet; the next wait in the kernel. Each is given up after
/// `handshake_within`, so nobody waits for long.
const HANDSHAKES_MAX: usize = 1024;
/// Bytes of a request's head; a UAA token takes some KiB of it.
const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// When no connection can be had (descriptors have run out), others must end first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Takes connections for ever.
pub(crate) async fn accept(listener: TcpListener, register: Rc<Register>, timing: Timing) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    while let Ok(permit) = handshakes.clone().acquire_owned().await {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let connection = serve(stream, peer, register.clone(), timing);
                spawn_local(async move {
                    connection.await;
                    drop(permit);
                });
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Answers one request. What goes wrong here is the client's: it sees its connection end.
async fn serve(stream: TcpStream, peer: SocketAddr, register: Rc<Register>, timing: Timing) {
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| {
        ready(Ok::<_, Infallible>(answer(
            request, peer, &register, timing,
        )))
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(REQUEST_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    timeout(timing.handshake_within, connection).await.ok();
}

/// Upstream's order: the path, room for a session, then what makes a WebSocket. The session is
/// open, and its records are on their way into its outbox, before the answer says so.
fn answer(
    mut request: Request<Incoming>,
    peer: SocketAddr,
    register: &Rc<Register>,
    timing: Timing,
) -> Answer {
    let Some(target) = Target::of(request.uri().path(), request.uri().query()) else {
        return handshake::not_found();
    };
    if register.is_full() {
        return handshake::empty(StatusCode::SERVICE_UNAVAILABLE);
    }
    let accept = match handshake::accept(&request) {
        Ok(accept) => accept,
        Err(status) => return handshake::refused(status),
    };
    let Some(registration) = register.open(target, name(&request), peer) else {
        return handshake::empty(StatusCode::SERVICE_UNAVAILABLE);
    };
    let upgrade = hyper::upgrade::on(&mut request);
    spawn_local(session::run(upgrade, registration, timing));
    handshake::switching(accept)
}

/// The path with its query, as it came.
fn name<B>(request: &Request<B>) -> String {
    let uri = request.uri();
    uri.path_and_query()
        .map_or_else(|| uri.path().to_owned(), |path| path.as_str().to_owned())
}
