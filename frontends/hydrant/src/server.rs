//! Wires a configuration into threads, and takes them down in the order of the flow.

mod frontends;
mod workers;

use crate::agent::{self, Agent, UpstreamMetrics};
use crate::config::{Config, LoadError, SYSLOG};
use crate::ledger::Ledger;
use crate::operator::{self, Operator};
use crate::state::ServerState;
use frontends::{Frontends, Told};
use hydrant_bindings::cache::BindingCache;
use hydrant_engine::engine::{Engine, StartError as EngineError};
use hydrant_gateway::Gateway;
use hydrant_grpc::Grpc;
use hydrant_rpc::tls::{ClientTls, Reloader, TlsError};
use hydrant_websocket::Websocket;
use std::fmt::{self, Write};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use workers::{Routing, Workers};

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
    /// The source of bindings does not start.
    #[error(transparent)]
    Bindings(#[from] hydrant_bindings::source::StartError),
    /// A frontend does not start.
    #[error(transparent)]
    Forward(#[from] hydrant_forward::StartError),
    /// A frontend does not start.
    #[error(transparent)]
    Grpc(#[from] hydrant_grpc::StartError),
    /// Log Cache does not start.
    #[error(transparent)]
    LogCache(#[from] hydrant_log_cache::StartError),
    /// The gateway does not start.
    #[error(transparent)]
    Gateway(#[from] hydrant_gateway::StartError),
    /// The binding cache does not start.
    #[error(transparent)]
    BindingCache(#[from] hydrant_bindings::cache::StartError),
    /// Log Cache's gateway or its proxy does not start.
    #[error(transparent)]
    LogCacheRest(#[from] hydrant_log_cache_rest::StartError),
    /// Log Cache's syslog server does not start.
    #[error(transparent)]
    LogCacheSyslog(#[from] hydrant_log_cache_syslog::StartError),
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

/// Where lines for the operator go while a server runs.
pub type Report = Arc<dyn Fn(&str) + Send + Sync>;

#[expect(clippy::print_stderr, reason = "the operator reads it")]
fn tell(line: &str) {
    eprintln!("hydrant: {line}");
}

/// A running Hydrant.
#[derive(Debug)]
pub struct Server {
    engine: Engine,
    frontends: Frontends,
    operator: Operator,
    agent: Option<Agent>,
    routers_tls: Option<ClientTls>,
    state: ServerState,
}

impl Server {
    /// Starts everything that the configuration asks for, frontends first, so that nothing that
    /// comes in finds nobody there. What there is to say while it runs goes to stderr.
    ///
    /// # Errors
    /// Says what stands in the way; nothing listens then.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        Self::start_with(config, Arc::new(tell))
    }

    /// As [`start`](Self::start), with another place for what there is to say.
    ///
    /// # Errors
    /// Says what stands in the way; nothing listens then.
    pub fn start_with(config: &Config, report: Report) -> Result<Self, StartError> {
        config.plan()?;
        let (engine, workers) = Workers::of(config)?;
        let routing = Routing::of(config)?;
        let (events, queue) = agent::events();
        let lost_events = events.lost();
        let (app_logs, app_log_queue) = agent::app_logs();
        let app_log_counts = app_logs.counts();
        let told = Told::new(events, app_logs, report);
        let frontends = Frontends::start(config, workers, routing.as_ref(), told)?;
        let state = ServerState {
            lost_events,
            app_logs: app_log_counts,
            ..frontends.state(&engine, routing.as_ref())
        };
        let operator = Operator::start(&config.operator, state.clone())?;
        let counted = state.clone();
        let metrics = move || UpstreamMetrics::of(&counted);
        let has_app_logs = config.binding_cache.is_some() || config.syslog.is_on();
        let app_log_queue = has_app_logs.then_some(app_log_queue);
        let agent = Agent::start(&config.agent, metrics, queue, app_log_queue)?;
        Ok(Self {
            engine,
            frontends,
            operator,
            agent,
            routers_tls: routing.and_then(|routing| routing.tls),
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
        self.frontends.watch(reloader);
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
        self.frontends.websocket.as_ref().map(Websocket::address)
    }

    /// Where gRPC is served.
    pub fn grpc_address(&self) -> Option<SocketAddr> {
        self.frontends.grpc.as_ref().map(Grpc::address)
    }

    /// Where Log Cache is served over gRPC.
    pub fn log_cache_address(&self) -> Option<SocketAddr> {
        self.frontends.log_cache.as_ref().map(|node| node.address)
    }

    /// Where server-sent events are served.
    pub fn gateway_address(&self) -> Option<SocketAddr> {
        self.frontends.gateway.as_ref().map(Gateway::address)
    }

    /// Where bindings are served.
    pub fn binding_cache_address(&self) -> Option<SocketAddr> {
        let cache = self.frontends.binding_cache.as_ref();
        cache.map(BindingCache::address)
    }

    /// Where Log Cache's gateway serves.
    pub fn log_cache_gateway_address(&self) -> Option<SocketAddr> {
        let gateway = self.frontends.log_cache_gateway.as_ref();
        gateway.and_then(|gateway| gateway.address())
    }

    /// Where Log Cache's syslog server listens.
    pub fn log_cache_syslog_address(&self) -> Option<SocketAddr> {
        let syslog = self.frontends.log_cache_syslog.as_ref();
        syslog.map(|server| server.address)
    }

    /// Where metrics are served.
    pub fn operator_address(&self) -> SocketAddr {
        self.operator.address()
    }

    /// Where metrics are served to a scraper.
    pub fn scrape_address(&self) -> Option<SocketAddr> {
        self.operator.scrape_address()
    }

    /// Stops reading, lets everything that came in leave (within `deadline` for all together), and
    /// gives the ledger.
    ///
    /// # Errors
    /// The first thread's that failed; the ledger is lost then only to the caller, not to logs.
    pub fn stop(self, deadline: Duration) -> (Ledger, io::Result<()>) {
        let begun = Instant::now();
        let left = || deadline.saturating_sub(begun.elapsed());
        self.frontends.stop_input();
        let stopped = self.engine.stop();
        // Whether or not a shard failed.
        let joined = self.frontends.join(left);
        (Ledger::of(&self.state), stopped.and(joined))
    }
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
        if let Some(address) = self.log_cache_address() {
            writeln!(f, "{:<34} {address}", "Log Cache over gRPC")?;
        }
        if let Some(address) = self.gateway_address() {
            writeln!(f, "{:<34} {address}/v2/read", "server-sent events")?;
        }
        if let Some(address) = self.binding_cache_address() {
            writeln!(f, "{:<34} {address}/v2/bindings", "bindings of drains")?;
        }
        if let Some(address) = self.log_cache_gateway_address() {
            writeln!(f, "{:<34} {address}/api/v1", "Log Cache over HTTP")?;
        }
        if let Some(address) = self.log_cache_syslog_address() {
            writeln!(f, "{:<34} {address}", "syslog for Log Cache")?;
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
        for destination in self.state.forward.iter().flat_map(|it| &it.destinations) {
            let session = &destination.session;
            writeln!(f, "{:<34} {}", session.name, session.peer)?;
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

#[cfg(test)]
mod tests;
