//! Wires a configuration into threads, and takes them down in the order of the flow.

use crate::agent::{self, Agent, UpstreamMetrics};
use crate::config::{Config, GRPC, LoadError, SYSLOG, WEBSOCKET};
use crate::ledger::Ledger;
use crate::operator::{self, Operator};
use crate::state::ServerState;
use hydrant_engine::engine::{DrivenIntake, Engine, StartError as EngineError};
use hydrant_engine::lanes::LaneReader;
use hydrant_feed::routers::Routers;
use hydrant_feed::session::FrontendState;
use hydrant_gateway::Gateway;
use hydrant_grpc::{Feed, Grpc, WorkerParts};
use hydrant_rpc::tls::{ClientTls, Reloader, TlsError};
use hydrant_syslog::Syslog;
use hydrant_websocket::Websocket;
use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
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
    /// A frontend does not start.
    #[error(transparent)]
    Grpc(#[from] hydrant_grpc::StartError),
    /// The gateway does not start.
    #[error(transparent)]
    Gateway(#[from] hydrant_gateway::StartError),
    /// A certificate for the routers cannot be used.
    #[error("routers.tls: {0}")]
    RoutersTls(#[from] TlsError),
    /// The operator's endpoint does not start.
    #[error(transparent)]
    Operator(#[from] operator::StartError),
    /// Metrics cannot be sent to the agent.
    #[error(transparent)]
    Agent(#[from] agent::StartError),
    /// No eventfd can be had.
    #[error("cannot make a lane's bell: {0}")]
    Bell(io::Error),
}

/// A running Hydrant.
#[derive(Debug)]
pub struct Server {
    engine: Engine,
    websocket: Option<Websocket>,
    syslog: Option<Syslog>,
    grpc: Option<Grpc>,
    gateway: Option<Gateway>,
    operator: Operator,
    agent: Option<Agent>,
    routers_tls: Option<ClientTls>,
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
        let mut engine = Engine::start(&config.engine, &mut readers)?;
        let cores = config.frontend_cores().map_err(LoadError::from)?;
        let mut intakes = Vec::new();
        for (worker, core) in config.workers().iter().zip(&cores) {
            if *worker == GRPC {
                intakes.push(engine.add_intake(*core, config.engine.lane_bytes, &mut readers));
            }
        }
        let mut workers = Workers {
            waiting: readers
                .into_iter()
                .zip(cores)
                .zip(config.workers())
                .collect(),
        };
        let websocket = match workers.next(WEBSOCKET) {
            Some((reader, core)) => {
                Some(hydrant_websocket::start(&config.websocket, reader, core)?)
            }
            None => None,
        };
        let syslog = match workers.next(SYSLOG) {
            Some((reader, core)) => Some(hydrant_syslog::start(&config.syslog, reader, core)?),
            None => None,
        };
        let routers = Routing::of(config)?;
        let parts = match &routers {
            Some(routing) => routing.grpc(config),
            None => workers.grpc(intakes),
        };
        let grpc = match parts {
            parts if parts.is_empty() => None,
            parts => Some(hydrant_grpc::start(&config.grpc, parts)?),
        };
        let gateway = match &config.gateway {
            Some(config) => Some(hydrant_gateway::start(config)?),
            None => None,
        };
        let state = ServerState {
            shards: engine.shards().to_vec(),
            frontends: frontends(websocket.as_ref(), syslog.as_ref(), grpc.as_ref()),
            grpc: grpc.as_ref().map(Grpc::counters).unwrap_or_default(),
            routers: routers.as_ref().map(|routing| routing.routers.clone()),
            gateway: gateway.as_ref().map(Gateway::state),
        };
        let operator = Operator::start(&config.operator, state.clone())?;
        let counted = state.clone();
        let metrics = move || UpstreamMetrics::of(&counted);
        let agent = Agent::start(&config.agent, metrics)?;
        Ok(Self {
            engine,
            websocket,
            syslog,
            grpc,
            gateway,
            operator,
            agent,
            routers_tls: routers.and_then(|routing| routing.tls),
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

    /// Has certificates read anew when they change.
    pub fn watch(&self, reloader: &Reloader) {
        if let Some(tls) = self.grpc.as_ref().and_then(Grpc::tls) {
            reloader.watch_server(tls);
        }
        if let Some(gateway) = &self.gateway {
            gateway.watch(reloader);
        }
        if let Some(tls) = &self.routers_tls {
            reloader.watch_client(tls);
        }
        if let Some(tls) = self.operator.tls() {
            reloader.watch_server(tls);
        }
        if let Some(tls) = self.agent.as_ref().and_then(Agent::tls) {
            reloader.watch_client(tls);
        }
    }

    /// Where WebSockets are served.
    pub fn websocket_address(&self) -> Option<SocketAddr> {
        self.websocket.as_ref().map(Websocket::address)
    }

    /// Where gRPC is served.
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.grpc.as_ref().map(Grpc::address)
    }

    /// Where server-sent events are served.
    pub fn gateway_address(&self) -> Option<SocketAddr> {
        self.gateway.as_ref().map(Gateway::address)
    }

    /// Where metrics are served.
    pub fn operator_address(&self) -> SocketAddr {
        self.operator.address()
    }

    /// Where metrics are served over mutual TLS.
    pub fn scrape_address(&self) -> Option<SocketAddr> {
        self.operator.scrape_address()
    }

    /// Stops reading, lets everything that came in leave (within `deadline`), and gives the ledger.
    ///
    /// # Errors
    /// The first thread's that failed; the ledger is lost then only to the caller, not to logs.
    pub fn stop(self, deadline: Duration) -> (Ledger, io::Result<()>) {
        if let Some(grpc) = &self.grpc {
            grpc.stop_input();
        }
        let stopped = self.engine.stop();
        let websocket = self
            .websocket
            .map_or(Ok(()), |websocket| websocket.join(deadline));
        let syslog = self.syslog.map_or(Ok(()), |syslog| syslog.join(deadline));
        let grpc = self.grpc.map_or(Ok(()), |grpc| grpc.join(deadline));
        // Its streams have ended with gRPC's, if it reads ours.
        let gateway = self
            .gateway
            .map_or(Ok(()), |gateway| gateway.stop(deadline));
        let outcome = stopped.and(websocket).and(syslog).and(grpc).and(gateway);
        (Ledger::of(&self.state), outcome)
    }
}

/// The routers that feed us, and how we prove to them who we are.
struct Routing {
    routers: Routers,
    tls: Option<ClientTls>,
}

impl Routing {
    fn of(config: &Config) -> Result<Option<Self>, StartError> {
        let Some(config) = &config.routers else {
            return Ok(None);
        };
        let tls = config.load_tls()?;
        let routers = Routers::new(config, tls.as_ref()).map_err(LoadError::from)?;
        Ok(Some(Self { routers, tls }))
    }

    /// What gRPC workers work with; without lanes they are not pinned.
    fn grpc(&self, config: &Config) -> Vec<WorkerParts> {
        let workers = if config.grpc.enabled {
            config.grpc.workers
        } else {
            0
        };
        let parts = |_| WorkerParts {
            feed: Feed::Routers(self.routers.clone()),
            core: None,
        };
        (0..workers).map(parts).collect()
    }
}

/// Frontend workers that have not been started, with what each reads and where it runs.
struct Workers {
    waiting: VecDeque<((LaneReader, Option<usize>), &'static str)>,
}

impl Workers {
    /// What the next worker works with, if it is one of this frontend.
    fn next(&mut self, frontend: &str) -> Option<(LaneReader, Option<usize>)> {
        if self.waiting.front()?.1 != frontend {
            return None;
        }
        let (parts, _) = self.waiting.pop_front()?;
        Some(parts)
    }

    /// What all gRPC workers work with.
    fn grpc(&mut self, intakes: Vec<DrivenIntake>) -> Vec<WorkerParts> {
        let mut parts = Vec::new();
        for intake in intakes {
            if let Some((reader, core)) = self.next(GRPC) {
                let feed = Feed::Lanes { reader, intake };
                parts.push(WorkerParts { feed, core });
            }
        }
        parts
    }
}

/// Every worker's state, in the order of the lanes.
fn frontends(
    websocket: Option<&Websocket>,
    syslog: Option<&Syslog>,
    grpc: Option<&Grpc>,
) -> Vec<Arc<FrontendState>> {
    let websocket = websocket.map(Websocket::state).into_iter();
    let syslog = syslog.map(Syslog::state);
    let grpc = grpc.map(Grpc::states).unwrap_or_default();
    websocket.chain(syslog).chain(grpc).collect()
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
        if let Some(address) = self.grpc_address() {
            writeln!(f, "{:<34} {address}", "envelopes and readers over gRPC")?;
        }
        if let Some(address) = self.gateway_address() {
            writeln!(f, "{:<34} {address}/v2/read", "server-sent events")?;
        }
        if let Some(address) = self.websocket_address() {
            let what = "firehose and app streams";
            writeln!(f, "{what:<34} ws://{address}")?;
        }
        for worker in &self.state.frontends {
            for session in worker
                .sessions()
                .iter()
                .filter(|_| worker.frontend == SYSLOG)
            {
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
                Some(core) => write!(threads, " {}@{core}", worker.name())?,
                None => write!(threads, " {}", worker.name())?,
            }
        }
        write!(f, "{:<34}{threads}", "threads and their cores")
    }
}
