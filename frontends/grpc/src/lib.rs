//! Loggregator's gRPC: what the Doppler serves to agents, Traffic Controllers and Reverse Log
//! Proxies, and what the Reverse Log Proxy serves to nozzles, on one port.
//!
//! Each worker is one thread: a shard of its own for what senders send (`ingress`), and a frontend
//! worker for readers (`egress`), to whom `pump` brings records from the lanes of all shards.
//! Messages are bytes both ways; nothing is decoded into objects but readers' requests.
//!
//! As upstream: services, status codes and texts, selectors, groups, batches of a hundred. Not as
//! upstream: a malformed envelope costs only itself; a batch leaves as soon as its reader takes it;
//! losses are counted to one envelope.

mod calls;
mod config;
mod counters;
mod egress;
mod forms;
mod group_key;
mod ingress;
mod limits;
mod member;
mod pump;
mod register;
mod request;
mod routed;
mod table;
mod turns;
mod worker;

pub use config::{GrpcConfig, Rules};
pub use counters::{GrpcCounter, GrpcCounters};

use crate::config::KEY_ADDRESS;
use crate::worker::{Deadline, Stop, Worker};
use hydrant_engine::config::ConfigError;
use hydrant_engine::engine::DrivenIntake;
use hydrant_engine::lanes::LaneReader;
use hydrant_feed::routers::Routers;
use hydrant_feed::session::FrontendState;
use hydrant_rpc::listen::listen;
use hydrant_rpc::tls::{ServerTls, TlsError};
use std::io;
use std::net::SocketAddr;
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
    /// A certificate or key cannot be used.
    #[error("grpc.tls: {0}")]
    Tls(#[from] TlsError),
    /// The address cannot be used.
    #[error("{KEY_ADDRESS}: cannot listen on {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// A worker's thread, runtime or core cannot be had.
    #[error("cannot start a grpc worker: {0}")]
    Worker(io::Error),
}

/// What one worker works with.
#[derive(Debug)]
pub struct WorkerParts {
    /// Where envelopes come from.
    pub feed: Feed,
    /// The core that it is pinned to, if it is.
    pub core: Option<usize>,
}

/// Where a worker's envelopes come from.
#[derive(Debug)]
pub enum Feed {
    /// This host's shards.
    Lanes {
        /// The lanes that it reads.
        reader: LaneReader,
        /// The shard that it drives.
        intake: DrivenIntake,
    },
    /// Other hosts. There are no senders then, whatever the rules.
    Routers(Routers),
}

/// The running frontend.
#[derive(Debug)]
pub struct Grpc {
    address: SocketAddr,
    tls: Option<ServerTls>,
    workers: Vec<Running>,
    deadline: watch::Sender<Deadline>,
}

#[derive(Debug)]
struct Running {
    state: Arc<FrontendState>,
    counters: Arc<GrpcCounters>,
    stop: Stop,
    thread: JoinHandle<io::Result<()>>,
}

/// Opens the listener and starts the workers, as many as there are `parts`.
///
/// # Errors
/// Says which setting, file, address or system call stands in the way; nothing runs then.
pub fn start(config: &GrpcConfig, parts: Vec<WorkerParts>) -> Result<Grpc, StartError> {
    config.check()?;
    let tls = config.tls.as_ref().map(ServerTls::load).transpose()?;
    let address = config.address;
    let refused = |error| StartError::Listen { address, error };
    let (listeners, address) = listen(address, config.workers).map_err(refused)?;
    let (deadline, known) = watch::channel(None);
    let memberships = Arc::default();
    let mut workers = Vec::new();
    for (number, (listener, parts)) in listeners.into_iter().zip(parts).enumerate() {
        let state = Arc::new(FrontendState::of_worker("grpc", number, parts.core));
        let counters = Arc::<GrpcCounters>::default();
        let (worker, stop) = Worker::new(
            config,
            listener,
            tls.clone(),
            parts.feed,
            state.clone(),
            counters.clone(),
            Arc::clone(&memberships),
            known.clone(),
        )
        .map_err(StartError::Worker)?;
        workers.push(Running {
            state,
            counters,
            stop,
            thread: worker.spawn(parts.core)?,
        });
    }
    Ok(Grpc {
        address,
        tls,
        workers,
        deadline,
    })
}

impl Grpc {
    /// Where it listens; port 0 of the config replaced by what the kernel chose.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Each worker's sessions and what it counted of its feed.
    pub fn states(&self) -> Vec<Arc<FrontendState>> {
        let state = |worker: &Running| worker.state.clone();
        self.workers.iter().map(state).collect()
    }

    /// What each worker counted of connections and streams.
    pub fn counters(&self) -> Vec<Arc<GrpcCounters>> {
        let counters = |worker: &Running| worker.counters.clone();
        self.workers.iter().map(counters).collect()
    }

    /// The server's end of TLS, for a reloader.
    pub const fn tls(&self) -> Option<&ServerTls> {
        self.tls.as_ref()
    }

    /// Ends all senders' streams and the workers' shards, or the routers' streams: nothing comes in
    /// after that. To be called before the engine's shards are stopped.
    pub fn stop_input(&self) {
        self.workers.iter().for_each(|worker| worker.stop.stop());
    }

    /// Waits for the workers, which end by themselves after all shards: each reads what is left in
    /// its lanes, lets sessions take what waits for them, and ends their streams with OK. What
    /// a session has not taken `deadline` from now is counted as `session_gone`.
    ///
    /// Stop input and engine first: while a shard runs, this waits.
    ///
    /// # Errors
    /// A worker panicked.
    pub fn join(self, deadline: Duration) -> io::Result<()> {
        self.deadline
            .send_replace(Instant::now().checked_add(deadline));
        let join = |worker: Running| match worker.thread.join() {
            Ok(outcome) => outcome,
            Err(_) => Err(io::Error::other("a grpc worker panicked")),
        };
        let outcomes: Vec<_> = self.workers.into_iter().map(join).collect();
        outcomes.into_iter().collect()
    }
}

#[cfg(test)]
mod tests;
