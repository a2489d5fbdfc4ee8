//! The thread in front: it takes connections and has their requests answered, for as long as the
//! worker runs, whose sessions' sockets it watches.

use crate::front::Front;
use hydrant_http::{Limits, Stopping, serve};
use hydrant_rpc::tls::ServerTls;
use std::io;
use std::net::TcpListener as Listener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::sync::oneshot;

/// All that the thread takes over.
pub(crate) struct Parts {
    pub(crate) listener: Listener,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) limits: Limits,
    pub(crate) front: Front,
    pub(crate) stopping: Stopping,
    /// Ends with the worker.
    pub(crate) worker: oneshot::Receiver<()>,
}

/// Starts the thread.
///
/// # Errors
/// The system has no thread or no epoll for it.
pub(crate) fn spawn(parts: Parts) -> io::Result<JoinHandle<()>> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    parts.listener.set_nonblocking(true)?;
    let within = runtime.enter();
    let listener = TcpListener::from_std(parts.listener)?;
    drop(within);
    thread::Builder::new()
        .name("websocket-http".to_owned())
        .spawn(move || {
            let front = Arc::new(parts.front);
            let watch = front.counters.clone();
            let service = move |request, peer| front.clone().answer(request, peer);
            runtime.block_on(async {
                let (tls, limits) = (parts.tls, parts.limits);
                serve(listener, tls, limits, watch, service, parts.stopping).await;
                // Without us the sockets of sessions would not be heard of any more.
                parts.worker.await.ok();
            });
            // A name that is still being looked up is not waited for.
            runtime.shutdown_background();
        })
}
