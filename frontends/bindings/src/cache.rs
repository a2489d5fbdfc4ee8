//! A binding cache: asks the Cloud Controller for all bindings, so that agents need not, checks
//! them, and serves them and the operator's own drains over mutual TLS.
//!
//! Two threads: one asks and checks, one serves what is ready to be sent. Whoever has a certificate
//! of the CA gets everything, private keys included, as upstream.
//!
//! Not as upstream: requests to the Cloud Controller have a deadline and every failed round counts;
//! nothing is served before the first round that succeeds; a problem is told to an app once a
//! minute and not every round.

mod aggregates;
mod config;
mod poller;
mod state;
mod store;
mod told;

pub use aggregates::AggregatesError;
pub use config::CacheConfig;
pub use state::{CacheCounter, CacheGauge, CacheState};

use crate::capi::Capi;
use crate::check::{Checker, Problem};
use crate::limits::CONNECTIONS_MAX;
use crate::wire;
use futures_util::future::select;
use hydrant_engine::config::ConfigError;
use hydrant_http::client::HttpsError;
use hydrant_http::{Limits, Stopper, Stopping, serve, stopping};
use hydrant_rpc::tls::{Reloader, ServerTls, TlsError};
use poller::Poller;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;
use store::Store;
use tokio::runtime::{self, Runtime};

/// Who is told what goes on. What they are given holds nothing secret. They must not block.
#[derive(Clone)]
pub struct Hooks {
    /// Lines for the operator's log.
    pub report: Arc<dyn Fn(&str) + Send + Sync>,
    /// What is wrong with an app's binding, to be told to the app: the same at most once a minute.
    pub on_problem: Arc<dyn Fn(&Problem) + Send + Sync>,
}

/// A running binding cache. Dropped, it ends as soon as it can.
#[derive(Debug)]
pub struct BindingCache {
    address: SocketAddr,
    state: Arc<CacheState>,
    tls: ServerTls,
    stopper: Stopper,
    threads: [JoinHandle<()>; 2],
}

/// Why a binding cache does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of the listener's TLS cannot be used.
    #[error("binding_cache.tls: {0}")]
    Tls(#[from] TlsError),
    /// A file of the TLS to the Cloud Controller cannot be used.
    #[error("binding_cache.api.tls: {0}")]
    Https(#[from] HttpsError),
    /// The file of aggregate drains cannot be used.
    #[error("binding_cache.aggregate_drains_file: {0}")]
    Aggregates(#[from] AggregatesError),
    /// The address cannot be used.
    #[error("binding_cache.address: cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// A thread or its runtime cannot be had.
    #[error("cannot start the binding cache: {0}")]
    Thread(#[from] io::Error),
}

/// Reads the files, opens the listener and begins the first round.
///
/// # Errors
/// Says which setting, file, address or system call stands in the way.
pub fn start(config: &CacheConfig, hooks: Hooks) -> Result<BindingCache, StartError> {
    config.check()?;
    let tls = ServerTls::load(&config.tls)?;
    let timeout = Duration::from_millis(config.timeout_ms);
    let capi = Capi::new(&config.api, config.batch_size, timeout)?;
    let aggregates = config.aggregate_drains_file.as_deref();
    let aggregates = aggregates.map(aggregates::read).transpose()?;
    let aggregates = wire::aggregate(&aggregates.unwrap_or_default());
    let store = Arc::new(Store::new(aggregates.into()));
    let state = Arc::<CacheState>::default();
    let poller = Poller {
        capi,
        checker: Checker::new(config.blacklist.clone()),
        interval: Duration::from_millis(config.interval_ms),
        warn_on_invalid: config.warn_on_invalid,
        store: store.clone(),
        state: state.clone(),
        hooks,
        told: Default::default(),
    };
    let (listener, address) = listen(config.address)?;
    let (stopper, stopping) = stopping();
    let server = Server {
        listener,
        tls: tls.clone(),
        store,
        state: state.clone(),
        stopping: stopping.clone(),
    };
    Ok(BindingCache {
        address,
        state,
        tls,
        stopper,
        threads: [poll(poller, stopping)?, server.spawn()?],
    })
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let open = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    open().map_err(|error| StartError::Listen { address, error })
}

fn poll(poller: Poller, mut stopping: Stopping) -> io::Result<JoinHandle<()>> {
    on_thread("binding-poll", move |runtime| {
        runtime.block_on(select(pin!(stopping.begun()), pin!(poller.run())));
    })
}

/// What the serving thread works with.
struct Server {
    listener: TcpListener,
    tls: ServerTls,
    store: Arc<Store>,
    state: Arc<CacheState>,
    stopping: Stopping,
}

impl Server {
    fn spawn(self) -> io::Result<JoinHandle<()>> {
        on_thread("binding-cache", |runtime| runtime.block_on(self.serve()))
    }

    async fn serve(self) {
        let Self {
            listener,
            tls,
            store,
            state,
            stopping,
        } = self;
        // It has been made for this, and the runtime is there.
        let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
            return;
        };
        let watch = state.clone();
        let service = move |request, _| {
            let answer = store.answer::<hyper::body::Incoming>(&request, &state);
            std::future::ready(answer)
        };
        let limits = Limits::new(CONNECTIONS_MAX);
        serve(listener, Some(tls), limits, watch, service, stopping).await;
    }
}

/// Runs something on a thread with a runtime of its own, and does not wait for what that left over,
/// such as names that are being looked up.
fn on_thread(
    name: &str,
    work: impl FnOnce(&Runtime) + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        work(&runtime);
        runtime.shutdown_background();
    })
}

impl BindingCache {
    /// Where it listens; port 0 of the config replaced by what the kernel chose.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it counted.
    pub fn state(&self) -> Arc<CacheState> {
        self.state.clone()
    }

    /// Has the listener's certificates read anew when they change. Those for the Cloud Controller
    /// are read for each connection anyway.
    pub fn watch(&self, reloader: &Reloader) {
        reloader.watch_server(&self.tls);
    }

    /// Asks and takes connections no more, and waits for answers under way, for as long as
    /// `deadline`.
    ///
    /// # Errors
    /// A thread panicked.
    pub fn stop(self, deadline: Duration) -> io::Result<()> {
        self.stopper.stop(deadline);
        let mut outcome = Ok(());
        for thread in self.threads {
            if thread.join().is_err() {
                outcome = Err(io::Error::other("a thread of the binding cache panicked"));
            }
        }
        outcome
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}
