//! The Traffic Controller's streams: `/firehose/{subscription}` and `/apps/{id}/stream`, over
//! WebSocket, for noaa and all that is built on it.
//!
//! One thread: `server` takes connections, `pump` moves records from the lanes into outboxes,
//! `session` writes an outbox to its peer. Each message is one v1 envelope, as it came in where it
//! came in as v1.
//!
//! As upstream: paths, filters, answers, keepalive, one message of a subscription to one of its
//! sessions. Not as upstream: a slow consumer is told so (1008 with a reason, there 1000 without),
//! a stop says 1001, connections that do not become a WebSocket end after one answer, and nobody's
//! token is checked (see [`WebsocketConfig::insecure`]).
//!
//! **What a new session can rely on**: its demand is published before its 101 is sent. A shard that
//! is idle when an envelope comes in looks at the demand first, so all that is sent after the
//! client has seen its 101 is delivered. A shard that is busy looks at the demand once a turn:
//! what it takes in within the turn that was under way is the only thing that can still pass by.

mod config;
mod cookie;
mod discovery;
mod front;
mod guard;
mod handshake;
mod kept;
mod listen;
mod member;
mod multipart;
mod opening;
mod pump;
mod recent;
mod register;
mod routed;
mod routes;
mod session;
mod slow;
mod state;
mod table;
mod timing;
mod token;
mod v0;
mod worker;

pub use config::WebsocketConfig;
pub use recent::{RecentConfig, RecentCounter, RecentCounts};
pub use slow::{OnSlow, SlowConsumer};
pub use state::{HttpCounter, HttpCounters, WebsocketState};

use crate::config::KEY_ADDRESS;
use crate::discovery::Discovery;
use crate::front::Front;
use crate::guard::Guard;
use crate::kept::Keeper;
use crate::recent::Recent;
use crate::timing::Timing;
use crate::worker::Worker;
use hydrant_access::cef::SecurityLog;
use hydrant_access::{Access, AccessState, Allowance, HttpsError};
use hydrant_engine::config::ConfigError;
use hydrant_engine::lanes::LaneReader;
use hydrant_feed::routers::Routers;
use hydrant_feed::session::FrontendState;
use hydrant_http::{HttpsFiles, Limits, Stopper, stopping};
use hydrant_rpc::tls::{Reloader, ServerTls, TlsError};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Why the frontend did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be used.
    #[error("{KEY_ADDRESS}: cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// A certificate or key cannot be used.
    #[error("websocket.tls: {0}")]
    Tls(#[from] TlsError),
    /// A file of the TLS to UAA or the Cloud Controller cannot be used.
    #[error("websocket.access: {0}")]
    Access(#[from] HttpsError),
    /// The file cannot be written to.
    #[error("websocket.security_event_log: {0}")]
    SecurityLog(io::Error),
    /// A thread, runtime or core cannot be had.
    #[error("cannot start the websocket frontend: {0}")]
    Worker(io::Error),
}

/// What the frontend works with, beside its config.
#[derive(Debug)]
pub struct Parts {
    /// Where envelopes come from.
    pub feed: Feed,
    /// The core that the worker is pinned to, if it is.
    pub core: Option<usize>,
    /// URL of the RLP gateway, for clients who ask where logs are.
    pub log_stream: Option<String>,
    /// Whom to tell of slow consumers.
    pub on_slow: Option<OnSlow>,
}

/// Where envelopes come from.
#[derive(Debug)]
pub enum Feed {
    /// This host's shards.
    Lanes(LaneReader),
    /// Other hosts.
    Routers(Routers),
}

/// The running frontend.
#[derive(Debug)]
pub struct Websocket {
    address: SocketAddr,
    state: Arc<FrontendState>,
    http: Arc<WebsocketState>,
    tls: Option<ServerTls>,
    stopper: Stopper,
    front: JoinHandle<()>,
    worker: JoinHandle<io::Result<()>>,
}

/// Connections beside those that became sessions: those that ask for one, and those that idle.
const CONNECTIONS_MAX: u32 = 2048;

/// Opens the listener and starts the threads: the worker, pinned to its core if it has one, and the
/// one in front of it. What is kept of apps apart, they want nothing of the feed while nobody is
/// connected.
///
/// # Errors
/// Says which setting, file, address or system call stands in the way; nothing runs then.
pub fn start(config: &WebsocketConfig, parts: Parts) -> Result<Websocket, StartError> {
    start_with(config, Timing::new(config), parts)
}

fn start_with(
    config: &WebsocketConfig,
    timing: Timing,
    parts: Parts,
) -> Result<Websocket, StartError> {
    config.check()?;
    let tls = config.tls.as_ref().map(HttpsFiles::load).transpose()?;
    let (access, access_state) = access(config)?.unzip();
    let recent = config.recent.enabled.then(|| Recent::new(&config.recent));
    let (listener, address) = listen(config.address)?;
    let security_log = security_log(config, address).map_err(StartError::SecurityLog)?;
    let http = Arc::new(WebsocketState {
        http: Arc::default(),
        access: access_state,
        security: security_log.as_ref().map(SecurityLog::state),
        recent: recent.clone(),
    });
    let (core, state) = (parts.core, FrontendState::new("websocket", parts.core));
    let state = Arc::new(state);
    let (stopper, stopping) = stopping();
    let (openings, opening) = opening::openings(state.clone(), config.sessions_max);
    let front = Front {
        address,
        counters: http.http.clone(),
        security_log,
        guard: Guard(access),
        openings,
        keeper: Keeper(recent.clone()),
        discovery: config.discovery.then(|| Discovery {
            is_https: tls.is_some(),
            log_stream: parts.log_stream.clone(),
        }),
        system_domain: config.system_domain.clone(),
    };
    let (working, worker) = oneshot::channel();
    let end = worker::End {
        stopping: stopping.clone(),
        working,
    };
    let of_worker = Worker::new(config, timing, parts, opening, state.clone(), recent, end)
        .map_err(StartError::Worker)?;
    let of_front = listen::Parts {
        listener,
        tls: tls.clone(),
        limits: Limits {
            head_timeout: timing.head_within,
            ..Limits::new(CONNECTIONS_MAX)
        },
        front,
        stopping,
        worker,
    };
    Ok(Websocket {
        address,
        state,
        http,
        tls,
        stopper,
        front: listen::spawn(of_front).map_err(StartError::Worker)?,
        worker: of_worker.spawn(core)?,
    })
}

/// How long a right is remembered if the config does not say.
const CACHE: Duration = Duration::from_secs(5);

fn access(config: &WebsocketConfig) -> Result<Option<(Access, Arc<AccessState>)>, HttpsError> {
    let Some(config) = &config.access else {
        return Ok(None);
    };
    let allowance = Allowance {
        cache: CACHE,
        ..Allowance::default()
    };
    let state = Arc::<AccessState>::default();
    let access = Access::new(config, allowance, state.clone())?;
    Ok(Some((access, state)))
}

fn security_log(config: &WebsocketConfig, address: SocketAddr) -> io::Result<Option<SecurityLog>> {
    let Some(file) = &config.security_event_log else {
        return Ok(None);
    };
    let host = config.security_event_host.clone();
    let host = host.unwrap_or_else(|| address.ip().to_string());
    SecurityLog::open(
        file,
        "loggregator_trafficcontroller",
        (host, address.port()),
    )
    .map(Some)
}

fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let open = || {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    open().map_err(|error| StartError::Listen { address, error })
}

impl Websocket {
    /// Where it listens; port 0 of the config replaced by what the kernel chose.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its sessions and what it counted; the same as long as it runs and after.
    pub fn state(&self) -> Arc<FrontendState> {
        self.state.clone()
    }

    /// What was counted in front of its sessions.
    pub fn http_state(&self) -> Arc<WebsocketState> {
        self.http.clone()
    }

    /// Has its certificate read anew when it changes.
    pub fn watch(&self, reloader: &Reloader) {
        if let Some(tls) = &self.tls {
            reloader.watch_server(tls);
        }
    }

    /// Waits for the worker, which ends by itself after the engine, or fed by other hosts now: it
    /// reads what is left in the lanes, lets sessions take what waits for them, and closes each with
    /// 1001. What a session has not taken `deadline` from now is counted as `session_gone`, and its
    /// connection just ends.
    ///
    /// Stop the engine first: while a shard runs, this waits.
    ///
    /// # Errors
    /// A thread panicked.
    pub fn join(self, deadline: Duration) -> io::Result<()> {
        self.stopper.stop(deadline);
        match (self.worker.join(), self.front.join()) {
            (Ok(outcome), Ok(())) => outcome,
            _ => Err(io::Error::other("a websocket thread panicked")),
        }
    }
}

#[cfg(test)]
mod tests;
