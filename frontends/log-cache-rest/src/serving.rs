//! A server's thread: it takes connections until it is told to stop.

use crate::answer::Answer;
use crate::limits::{CONNECTIONS_MAX, LISTEN_PAUSE};
use crate::state::RestState;
use hydrant_http::{Limits, Stopping, serve};
use hydrant_rpc::tls::ServerTls;
use hyper::Request;
use hyper::body::Incoming;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as Listener};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::time::sleep;

/// Where lines for the operator go while a server runs.
#[derive(Clone)]
pub struct Report(Arc<dyn Fn(&str) + Send + Sync>);

impl Report {
    /// Lines go to `tell`.
    pub fn new(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn line(&self, line: &str) {
        (self.0)(line);
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Report(…)")
    }
}

/// What requests get.
pub(crate) trait Service: Send + Sync + 'static {
    /// The answer.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Answer> + Send;
}

/// All that a server needs but what it says.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    pub(crate) tls: Option<ServerTls>,
    pub(crate) state: Arc<RestState>,
    pub(crate) stopping: Stopping,
}

impl Serving {
    /// Serves from an open listener.
    pub(crate) async fn serve(self, listener: TcpListener, service: Arc<impl Service>) {
        let state = self.state.clone();
        let answering = move |request, peer| {
            let (service, state) = (service.clone(), state.clone());
            async move { state.counted(service.answer(request, peer)).await }
        };
        let limits = Limits::new(CONNECTIONS_MAX);
        let (watch, stopping) = (self.state, self.stopping);
        serve(listener, self.tls, limits, watch, answering, stopping).await;
    }
}

/// Opens an address.
pub(crate) fn listen(address: SocketAddr) -> io::Result<(Listener, SocketAddr)> {
    let listener = Listener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Opens an address that was free not long ago, for as long as it takes.
pub(crate) async fn listen_late(
    address: SocketAddr,
    bound: &OnceLock<SocketAddr>,
    report: &Report,
) -> TcpListener {
    loop {
        let opened = listen(address).and_then(|(listener, at)| {
            let listener = TcpListener::from_std(listener)?;
            bound.get_or_init(|| at);
            Ok(listener)
        });
        match opened {
            Ok(listener) => return listener,
            Err(error) => report.line(&format!("failed to start listener: {address}: {error}")),
        }
        sleep(LISTEN_PAUSE).await;
    }
}

/// A runtime for one thread.
pub(crate) fn runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

/// Runs on a thread of its own until `work` is over.
pub(crate) fn spawn(
    name: &str,
    runtime: Runtime,
    work: impl Future<Output = ()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        runtime.block_on(work);
        // A name that is still being looked up is not waited for.
        runtime.shutdown_background();
    })
}
