//! The RLP gateway: `GET /v2/read` as server-sent events, for clients who do not speak gRPC.
//!
//! One thread, which serves HTTP. `read` decides what a request gets, `access` who may read,
//! `provider` opens a stream of batches by gRPC, and `events` writes them in protobuf's JSON.
//!
//! As upstream: the order in which a request is judged, answers to the byte, queries, events,
//! protobuf's JSON, who may read. Not as upstream: a malformed envelope costs itself and not its
//! stream, streams have a limit, what is no GUID is refused without asking the Cloud Controller, and
//! a request is answered 503 after ten seconds without a provider.

mod access;
mod access_log;
mod answer;
mod config;
mod events;
mod provider;
mod query;
mod read;
mod state;
mod timing;
mod worker;

pub use config::{GatewayConfig, ProviderConfig};
pub use state::{GatewayCounter, GatewayState, Latency};

use crate::access_log::AccessLog;
use crate::config::KEY_ADDRESS;
use crate::provider::Provider;
use crate::read::Reading;
use crate::timing::Timing;
use crate::worker::Worker;
use hydrant_access::{Access, Allowance, HttpsError};
use hydrant_engine::config::ConfigError;
use hydrant_http::{HttpsFiles, Stopper, stopping};
use hydrant_rpc::tls::{ClientTls, Reloader, ServerTls, TlsError};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of the listener's or the provider's TLS cannot be used.
    #[error("{key}: {error}")]
    Tls {
        /// The table that names the file.
        key: &'static str,
        /// What is wrong with it.
        error: TlsError,
    },
    /// A file of the TLS to UAA or the Cloud Controller cannot be used.
    #[error("gateway.access: {0}")]
    Https(#[from] HttpsError),
    /// The address cannot be used.
    #[error("{KEY_ADDRESS}: cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// The worker's thread or runtime cannot be had.
    #[error("cannot start the gateway's worker: {0}")]
    Worker(io::Error),
}

/// The running gateway. Dropped, it ends as soon as it can.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    state: Arc<GatewayState>,
    tls: Option<ServerTls>,
    provider_tls: Option<ClientTls>,
    stopper: Stopper,
    thread: JoinHandle<()>,
}

/// Opens the listener and starts the thread. The provider, UAA and the Cloud Controller are sought
/// when the first request needs them.
///
/// # Errors
/// Says which setting, file, address or system call stands in the way; nothing runs then.
pub fn start(config: &GatewayConfig) -> Result<Gateway, StartError> {
    start_with(config, Timing::of(config), AccessLog::of(config))
}

fn start_with(
    config: &GatewayConfig,
    timing: Timing,
    access_log: Option<AccessLog>,
) -> Result<Gateway, StartError> {
    config.check()?;
    let state = Arc::new(GatewayState::default());
    let tls = server_tls(config)?;
    let provider_tls = provider_tls(config)?;
    let (stopper, stopping) = stopping();
    let reading = Reading {
        access: access(config, timing, &state)?,
        provider: provider(config, provider_tls.clone(), timing)?,
        timing,
        streams_max: config.streams_max,
        state: state.clone(),
        access_log,
        stopping,
    };
    let (listener, address) = listen(config.address)?;
    let worker = Worker::new(listener, tls.clone(), reading).map_err(StartError::Worker)?;
    Ok(Gateway {
        address,
        state,
        tls,
        provider_tls,
        stopper,
        thread: worker.spawn().map_err(StartError::Worker)?,
    })
}

fn server_tls(config: &GatewayConfig) -> Result<Option<ServerTls>, StartError> {
    let key = "gateway.tls";
    let loaded = config.tls.as_ref().map(HttpsFiles::load).transpose();
    loaded.map_err(|error| StartError::Tls { key, error })
}

fn provider_tls(config: &GatewayConfig) -> Result<Option<ClientTls>, StartError> {
    let provider = &config.provider;
    let key = "gateway.provider.tls";
    let files = provider.tls.as_ref();
    let loaded = files.map(|files| ClientTls::load(files, &provider.server_name));
    let loaded = loaded.transpose();
    loaded.map_err(|error| StartError::Tls { key, error })
}

fn provider(
    config: &GatewayConfig,
    tls: Option<ClientTls>,
    timing: Timing,
) -> Result<Provider, StartError> {
    let address = &config.provider.address;
    let made = Provider::new(address, tls, timing.open_timeout);
    made.map_err(|problem| {
        let key = "gateway.provider.address";
        ConfigError { key, problem }.into()
    })
}

fn access(
    config: &GatewayConfig,
    timing: Timing,
    state: &Arc<GatewayState>,
) -> Result<Option<Access>, HttpsError> {
    let allowance = Allowance {
        answer_timeout: timing.answer_timeout,
        ..Allowance::default()
    };
    let make = |access| Access::new(access, allowance, state.access());
    config.access.as_ref().map(make).transpose()
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let open = || {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    open().map_err(|error| StartError::Listen { address, error })
}

impl Gateway {
    /// Where it listens; port 0 of the config replaced by what the kernel chose.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it counted; the same as long as it runs and after.
    pub fn state(&self) -> Arc<GatewayState> {
        self.state.clone()
    }

    /// Has the certificates of the listener and those shown to the provider read anew when they
    /// change. Those for UAA and the Cloud Controller are read for each connection anyway.
    pub fn watch(&self, reloader: &Reloader) {
        if let Some(tls) = &self.tls {
            reloader.watch_server(tls);
        }
        if let Some(tls) = &self.provider_tls {
            reloader.watch_client(tls);
        }
    }

    /// Takes no more connections, ends the streams where they are, and waits for clients to take
    /// what was written to them, for as long as `deadline`. What the provider has sent and we have
    /// not taken is the provider's: if that is in the same process, stop it first, and its streams
    /// end by themselves with all that it had.
    ///
    /// # Errors
    /// The worker panicked.
    pub fn stop(self, deadline: Duration) -> io::Result<()> {
        self.stopper.stop(deadline);
        match self.thread.join() {
            Ok(()) => Ok(()),
            Err(_) => Err(io::Error::other("the gateway's worker panicked")),
        }
    }
}

#[cfg(test)]
mod tests;
