//! The worker: one thread, which takes connections until it is told to stop.

use crate::read::Reading;
use crate::server;
use hydrant_rpc::tls::ServerTls;
use std::io;
use std::net::TcpListener as Listener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout_at;

/// Connections beside those with a stream: those that ask for one, and those that idle.
const CONNECTIONS_BESIDE: u32 = 1024;

/// Knows when it is time to stop: when a deadline is set, or nobody is left to set it.
#[derive(Clone, Debug)]
pub(crate) struct Stopping(watch::Receiver<Option<Instant>>);

impl Stopping {
    pub(crate) const fn new(deadline: watch::Receiver<Option<Instant>>) -> Self {
        Self(deadline)
    }

    /// Waits until it is time.
    pub(crate) async fn begun(&mut self) {
        self.0.wait_for(Option::is_some).await.ok();
    }

    /// Until when to wait for what is under way.
    fn deadline(&self) -> Instant {
        let deadline = *self.0.borrow();
        deadline.unwrap_or_else(Instant::now)
    }
}

/// All that the worker's thread takes over.
pub(crate) struct Worker {
    runtime: Runtime,
    listener: TcpListener,
    tls: Option<ServerTls>,
    reading: Arc<Reading>,
}

impl Worker {
    pub(crate) fn new(
        listener: Listener,
        tls: Option<ServerTls>,
        reading: Reading,
    ) -> io::Result<Self> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        listener.set_nonblocking(true)?;
        let within = runtime.enter();
        let listener = TcpListener::from_std(listener)?;
        drop(within);
        Ok(Self {
            runtime,
            listener,
            tls,
            reading: Arc::new(reading),
        })
    }

    pub(crate) fn spawn(self) -> io::Result<JoinHandle<()>> {
        thread::Builder::new()
            .name("gateway".to_owned())
            .spawn(move || self.work())
    }

    fn work(self) {
        let connections_max = self.reading.streams_max.saturating_add(CONNECTIONS_BESIDE);
        let stopping = self.reading.stopping.clone();
        self.runtime.block_on(async {
            let places = Arc::new(Semaphore::new(server::index(connections_max)));
            server::accept(self.listener, self.tls, self.reading, places.clone()).await;
            // All places are free again once all connections are over.
            let over = places.acquire_many(connections_max);
            timeout_at(stopping.deadline().into(), over).await.ok();
        });
        // A name that is still being looked up is not waited for.
        self.runtime.shutdown_background();
    }
}
