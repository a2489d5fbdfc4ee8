//! A running server, and why there is none.

use crate::state::RestState;
use hydrant_access::HttpsError;
use hydrant_engine::config::ConfigError;
use hydrant_http::Stopper;
use hydrant_rpc::tls::{ClientTls, Reloader, ServerTls, TlsError};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of the listener's or the node's TLS cannot be used.
    #[error("{key}: {error}")]
    Tls {
        /// The table that names the file.
        key: &'static str,
        /// What is wrong with it.
        error: TlsError,
    },
    /// A file of the TLS to another service cannot be used.
    #[error("{key}: {error}")]
    Https {
        /// The table that names the file.
        key: &'static str,
        /// What is wrong with it.
        error: HttpsError,
    },
    /// The address cannot be used.
    #[error("{key}: cannot listen on {address}: {error}")]
    Listen {
        /// Which setting.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// The security event log cannot be written.
    #[error("log_cache_auth_proxy.security_event_log: {0}")]
    SecurityLog(io::Error),
    /// The thread or its runtime cannot be had.
    #[error("cannot start the thread: {0}")]
    Thread(io::Error),
}

/// A running gateway or proxy. Dropped, it ends as soon as it can.
#[derive(Debug)]
pub struct Server {
    address: Arc<OnceLock<SocketAddr>>,
    state: Arc<RestState>,
    tls: Option<ServerTls>,
    node_tls: Option<ClientTls>,
    stopper: Stopper,
    thread: JoinHandle<()>,
}

impl Server {
    pub(crate) fn new(
        address: Arc<OnceLock<SocketAddr>>,
        state: Arc<RestState>,
        tls: Option<ServerTls>,
        node_tls: Option<ClientTls>,
        stopper: Stopper,
        thread: JoinHandle<()>,
    ) -> Self {
        Self {
            address,
            state,
            tls,
            node_tls,
            stopper,
            thread,
        }
    }

    /// Where it listens; port 0 of the config replaced by what the kernel chose. None as long as it
    /// does not.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address.get().copied()
    }

    /// What it counted; the same as long as it runs and after.
    pub fn state(&self) -> Arc<RestState> {
        self.state.clone()
    }

    /// Has the certificates of the listener and those shown to the node read anew when they change.
    /// All others are read for each connection anyway.
    pub fn watch(&self, reloader: &Reloader) {
        if let Some(tls) = &self.tls {
            reloader.watch_server(tls);
        }
        if let Some(tls) = &self.node_tls {
            reloader.watch_client(tls);
        }
    }

    /// Takes no more connections, and waits for the answers that are under way, for as long as
    /// `deadline`.
    ///
    /// # Errors
    /// The thread panicked.
    pub fn stop(self, deadline: Duration) -> io::Result<()> {
        self.stopper.stop(deadline);
        let panicked = |_| io::Error::other("a server of Log Cache panicked");
        self.thread.join().map_err(panicked)
    }
}
