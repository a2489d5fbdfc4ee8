//! The worker: one thread, which takes connections until it is told to stop.

use crate::read::Reading;
use hydrant_http::{Limits, serve};
use hydrant_rpc::tls::ServerTls;
use std::io;
use std::net::TcpListener as Listener;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};

/// Connections beside those with a stream: those that ask for one, and those that idle.
const CONNECTIONS_BESIDE: u32 = 1024;

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
        let Self {
            runtime,
            listener,
            tls,
            reading,
        } = self;
        let limits = Limits {
            head_timeout: reading.timing.head_timeout,
            ..Limits::new(reading.streams_max.saturating_add(CONNECTIONS_BESIDE))
        };
        let (watch, stopping) = (reading.state.clone(), reading.stopping.clone());
        let service = move |request, peer| {
            let reading = reading.clone();
            async move { reading.answer(request, peer).await }
        };
        runtime.block_on(serve(listener, tls, limits, watch, service, stopping));
        // A name that is still being looked up is not waited for.
        runtime.shutdown_background();
    }
}
