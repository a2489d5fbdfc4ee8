//! Wires a configuration into threads, and takes them down in the order of the flow.

use crate::config::{Config, LoadError};
use crate::ledger::Ledger;
use crate::operator::Operator;
use crate::state::ServerState;
use hydrant_engine::engine::{Engine, StartError as EngineError};
use hydrant_engine::lanes::LaneReader;
use hydrant_syslog::Syslog;
use hydrant_websocket::Websocket;
use std::fmt::{self, Write};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// Why the server did not start: names the key, address or kernel feature.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting cannot be used.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// The engine does not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A frontend does not start.
    #[error(transparent)]
    Websocket(#[from] hydrant_websocket::StartError),
    /// A frontend does not start.
    #[error(transparent)]
    Syslog(#[from] hydrant_syslog::StartError),
    /// The operator's endpoint cannot listen.
    #[error("operator.address: cannot listen on {address}: {error}")]
    Operator {
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// No eventfd can be had.
    #[error("cannot make a lane's bell: {0}")]
    Bell(io::Error),
}

/// A running Hydrant.
#[derive(Debug)]
pub struct Server {
    engine: Engine,
    websocket: Websocket,
    syslog: Option<Syslog>,
    operator: Operator,
    state: ServerState,
}

impl Server {
    /// Starts everything that the configuration asks for, frontends first, so that nothing that
    /// comes in finds nobody there.
    ///
    /// # Errors
    /// Says what stands in the way; nothing listens then.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        config.plan()?;
        let reader = |_: &&str| LaneReader::new().map_err(StartError::Bell);
        let mut readers: Vec<_> = config
            .workers()
            .iter()
            .map(reader)
            .collect::<Result<_, _>>()?;
        let engine = Engine::start(&config.engine, &mut readers)?;
        let cores = config.frontend_cores().map_err(LoadError::from)?;
        let mut workers = readers.into_iter().zip(cores);
        let (websocket_reader, core) = workers.next().ok_or_else(no_worker)?;
        let websocket = hydrant_websocket::start(&config.websocket, websocket_reader, core)?;
        let syslog = match workers.next() {
            Some((reader, core)) => Some(hydrant_syslog::start(&config.syslog, reader, core)?),
            None => None,
        };
        let frontends = std::iter::once(websocket.state())
            .chain(syslog.iter().map(Syslog::state))
            .collect();
        let state = ServerState {
            shards: engine.shards().to_vec(),
            frontends,
        };
        let address = config.operator.address;
        let operator = Operator::start(&config.operator, state.clone())
            .map_err(|error| StartError::Operator { address, error })?;
        Ok(Self {
            engine,
            websocket,
            syslog,
            operator,
            state,
        })
    }

    /// What runs.
    pub fn state(&self) -> &ServerState {
        &self.state
    }

    /// The shards.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where WebSockets are served.
    pub fn websocket_address(&self) -> SocketAddr {
        self.websocket.address()
    }

    /// Where metrics are served.
    pub fn operator_address(&self) -> SocketAddr {
        self.operator.address()
    }

    /// Stops reading, lets everything that came in leave (within `deadline`), and gives the ledger.
    ///
    /// # Errors
    /// The first thread's that failed; the ledger is lost then only to the caller, not to logs.
    pub fn stop(self, deadline: Duration) -> (Ledger, io::Result<()>) {
        let stopped = self.engine.stop();
        let websocket = self.websocket.join(deadline);
        let syslog = self.syslog.map_or(Ok(()), |syslog| syslog.join(deadline));
        (Ledger::of(&self.state), stopped.and(websocket).and(syslog))
    }
}

/// The config always has a WebSocket worker.
fn no_worker() -> StartError {
    StartError::Bell(io::Error::other("no frontend worker is configured"))
}

impl fmt::Display for Server {
    /// What listens where, a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = |f: &mut fmt::Formatter<'_>, what: &str, addresses: &[SocketAddr]| {
            addresses
                .iter()
                .try_for_each(|address| writeln!(f, "{what:<34} {address}"))
        };
        lines(f, "envelopes over UDP", self.engine.udp_addresses())?;
        lines(f, "envelopes over TCP", self.engine.tcp_addresses())?;
        writeln!(
            f,
            "{:<34} ws://{}",
            "firehose and app streams",
            self.websocket_address()
        )?;
        for worker in &self.state.frontends {
            for session in worker.sessions() {
                writeln!(
                    f,
                    "{:<34} {}",
                    format!("{} drain", worker.frontend),
                    session.name
                )?;
            }
        }
        writeln!(
            f,
            "{:<34} http://{}/metrics",
            "metrics and health",
            self.operator_address()
        )?;
        let mut threads = String::new();
        for shard in &self.state.shards {
            match shard.core {
                Some(core) => write!(threads, " shard@{core}")?,
                None => write!(threads, " shard")?,
            }
        }
        for worker in &self.state.frontends {
            match worker.core {
                Some(core) => write!(threads, " {}@{core}", worker.frontend)?,
                None => write!(threads, " {}", worker.frontend)?,
            }
        }
        write!(f, "{:<34}{threads}", "threads and their cores")
    }
}
