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
mod handshake;
mod member;
mod pump;
mod register;
mod routes;
mod server;
mod session;
mod table;
mod timing;
mod worker;

pub use config::WebsocketConfig;

use crate::config::KEY_ADDRESS;
use crate::timing::Timing;
use crate::worker::{Deadline, Worker};
use hydrant_engine::config::ConfigError;
use hydrant_engine::lanes::LaneReader;
use hydrant_feed::session::FrontendState;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::watch;

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
    /// The worker's thread, runtime or core cannot be had.
    #[error("cannot start the websocket worker: {0}")]
    Worker(io::Error),
}

/// The running frontend.
#[derive(Debug)]
pub struct Websocket {
    address: SocketAddr,
    state: Arc<FrontendState>,
    deadline: watch::Sender<Deadline>,
    thread: JoinHandle<io::Result<()>>,
}

/// Opens the listener and starts the worker, pinned to `core` if that is given. It wants nothing of
/// the shards while nobody is connected.
///
/// # Errors
/// Says which setting, address or system call stands in the way; nothing runs then.
pub fn start(
    config: &WebsocketConfig,
    reader: LaneReader,
    core: Option<usize>,
) -> Result<Websocket, StartError> {
    start_with(config, Timing::new(config), reader, core)
}

fn start_with(
    config: &WebsocketConfig,
    timing: Timing,
    reader: LaneReader,
    core: Option<usize>,
) -> Result<Websocket, StartError> {
    config.check()?;
    let (listener, address) = listen(config.address)?;
    let state = Arc::new(FrontendState::new("websocket", core));
    let (deadline, known) = watch::channel(None);
    let worker = Worker::new(config, timing, listener, reader, state.clone(), known)
        .map_err(StartError::Worker)?;
    Ok(Websocket {
        address,
        state,
        deadline,
        thread: worker.spawn(core)?,
    })
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

    /// Waits for the worker, which ends by itself after the engine: it reads what is left in the
    /// lanes, lets sessions take what waits for them, and closes each with 1001. What a session has
    /// not taken `deadline` from now is counted as `session_gone`, and its connection just ends.
    ///
    /// Stop the engine first: while a shard runs, this waits.
    ///
    /// # Errors
    /// The worker panicked.
    pub fn join(self, deadline: Duration) -> io::Result<()> {
        self.deadline
            .send_replace(Instant::now().checked_add(deadline));
        match self.thread.join() {
            Ok(outcome) => outcome,
            Err(_) => Err(io::Error::other("the websocket worker panicked")),
        }
    }
}

#[cfg(test)]
mod tests;
