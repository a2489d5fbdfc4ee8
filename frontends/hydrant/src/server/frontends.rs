//! The frontends of a server: those that its configuration asks for.

use super::workers::{Routing, Workers};
use super::{Report, StartError};
use crate::agent::{AppLog, AppLogs, Events, UpstreamEvent};
use crate::config::{Config, SYSLOG};
use crate::state::ServerState;
use hydrant_bindings::cache::{self, BindingCache, Hooks};
use hydrant_bindings::check::Problem;
use hydrant_bindings::source::{self, Source};
use hydrant_engine::engine::Engine;
use hydrant_feed::session::FrontendState;
use hydrant_forward::{FORWARD, Forward};
use hydrant_gateway::{Gateway, GatewayConfig};
use hydrant_grpc::Grpc;
use hydrant_log_cache::{LOG_CACHE, Node};
use hydrant_log_cache_rest::{
    Report as RestReport, Server as RestServer, start_auth_proxy, start_gateway,
};
use hydrant_log_cache_syslog::{Report as SyslogReport, Server as SyslogServer};
use hydrant_rpc::tls::Reloader;
use hydrant_syslog::{Syslog, Tell};
use hydrant_websocket::{OnSlow, Parts, Websocket};
use std::io;
use std::iter::from_fn;
use std::sync::Arc;
use std::time::Duration;

/// All that serve somebody.
#[derive(Debug)]
pub(super) struct Frontends {
    pub(super) websocket: Option<Websocket>,
    pub(super) syslog: Option<Syslog>,
    pub(super) forward: Option<Forward>,
    pub(super) log_cache: Option<Node>,
    pub(super) grpc: Option<Grpc>,
    pub(super) gateway: Option<Gateway>,
    pub(super) binding_cache: Option<BindingCache>,
    pub(super) log_cache_gateway: Option<RestServer>,
    pub(super) log_cache_auth_proxy: Option<RestServer>,
    pub(super) log_cache_syslog: Option<SyslogServer>,
    /// Where drains of bindings come from.
    pub(super) source: Option<Source>,
}

impl Frontends {
    /// Starts them with what they tell.
    pub(super) fn start(
        config: &Config,
        mut workers: Workers,
        routing: Option<&Routing>,
        told: Told,
    ) -> Result<Self, StartError> {
        let gateway = config.gateway.as_ref().map(hydrant_gateway::start);
        let gateway = gateway.transpose()?;
        let log_stream = config.gateway.as_ref().zip(gateway.as_ref());
        let log_stream = log_stream.map(|(config, gateway)| url(config, gateway));
        let websocket = workers.websocket(routing, config).map(|(feed, core)| {
            let parts = Parts {
                feed,
                core,
                log_stream,
                on_slow: Some(on_slow(told.events)),
            };
            hydrant_websocket::start(&config.websocket, parts)
        });
        let websocket = websocket.transpose()?;
        let report = told.bindings.report.clone();
        let start_source = |config| source::start(config, move |line| report(line));
        let source = config.syslog.bindings.as_ref().map(start_source);
        let source = source.transpose()?;
        let drains = from_fn(|| workers.next(SYSLOG)).collect::<Vec<_>>();
        let syslog = if drains.is_empty() {
            None
        } else {
            let hooks = hydrant_syslog::Hooks {
                bindings: source.as_ref().map(Source::bindings),
                tell: Some(told.drains),
            };
            Some(hydrant_syslog::start(&config.syslog, drains, &hooks)?)
        };
        let forward = workers
            .next(FORWARD)
            .map(|(reader, core)| hydrant_forward::start(&config.forward, reader, core));
        let forward = forward.transpose()?;
        let log_cache = config.log_cache.as_ref().map(|config| {
            let (reader, core) = workers.next(LOG_CACHE).unzip();
            hydrant_log_cache::start(config, reader, core.flatten())
        });
        let log_cache = log_cache.transpose()?;
        let grpc = match workers.grpc(routing, config) {
            parts if parts.is_empty() => None,
            parts => Some(hydrant_grpc::start(&config.grpc, parts)?),
        };
        let log_cache_gateway = config.log_cache_gateway.as_ref().map(start_gateway);
        let report = told.bindings.report.clone();
        let report = RestReport::new(move |line| report(line));
        let start_proxy = |config| start_auth_proxy(config, report);
        let log_cache_auth_proxy = config.log_cache_auth_proxy.as_ref().map(start_proxy);
        let report = told.bindings.report.clone();
        let report = SyslogReport::new(move |line| report(line));
        let start_syslog = |config| hydrant_log_cache_syslog::start(config, report);
        let log_cache_syslog = config.log_cache_syslog.as_ref().map(start_syslog);
        let start_cache = |config| cache::start(config, told.bindings);
        let binding_cache = config.binding_cache.as_ref().map(start_cache).transpose()?;
        Ok(Self {
            websocket,
            syslog,
            forward,
            log_cache,
            grpc,
            gateway,
            binding_cache,
            log_cache_gateway: log_cache_gateway.transpose()?,
            log_cache_auth_proxy: log_cache_auth_proxy.transpose()?,
            log_cache_syslog: log_cache_syslog.transpose()?,
            source,
        })
    }

    /// What runs, with the engine that feeds it.
    pub(super) fn state(&self, engine: &Engine, routing: Option<&Routing>) -> ServerState {
        ServerState {
            shards: engine.shards().to_vec(),
            frontends: self.workers(routing.is_none()),
            websocket: self.websocket.as_ref().map(Websocket::http_state),
            grpc: self.grpc.as_ref().map(Grpc::counters).unwrap_or_default(),
            routers: routing.map(|routing| routing.routers.clone()),
            forward: self.forward.as_ref().map(Forward::state),
            log_cache: self.log_cache.as_ref().map(Node::state),
            gateway: self.gateway.as_ref().map(Gateway::state),
            binding_cache: self.binding_cache.as_ref().map(BindingCache::state),
            log_cache_gateway: self.log_cache_gateway.as_ref().map(RestServer::state),
            log_cache_auth_proxy: self.log_cache_auth_proxy.as_ref().map(RestServer::state),
            log_cache_syslog: self.log_cache_syslog.as_ref().map(|it| it.counters.clone()),
            bindings: self.source.as_ref().map(Source::state),
            ..ServerState::default()
        }
    }

    /// Every worker's state: those that read lanes in the order of these, then the others.
    fn workers(&self, websocket_reads_lanes: bool) -> Vec<Arc<FrontendState>> {
        let websocket = self.websocket.as_ref().map(Websocket::state);
        let forward = self.forward.as_ref().map(Forward::worker);
        let mut workers = self.syslog.as_ref().map(Syslog::states).unwrap_or_default();
        workers.extend(forward);
        let log_cache = self.log_cache.as_ref();
        workers.extend(log_cache.map(|node| node.worker.clone()));
        let grpc = self.grpc.as_ref().map(Grpc::states).unwrap_or_default();
        let place = if websocket_reads_lanes {
            0
        } else {
            workers.len()
        };
        workers.splice(place..place, websocket);
        workers.extend(grpc);
        let log_cache_syslog = self.log_cache_syslog.as_ref();
        workers.extend(log_cache_syslog.map(|it| it.worker.clone()));
        workers
    }

    /// Has certificates read anew when they change.
    pub(super) fn watch(&self, reloader: &Reloader) {
        if let Some(tls) = self.grpc.as_ref().and_then(Grpc::tls) {
            reloader.watch_server(tls);
        }
        if let Some(tls) = self.log_cache.as_ref().and_then(Node::tls) {
            reloader.watch_server(tls);
        }
        if let Some(tls) = self.log_cache.as_ref().and_then(Node::peers_tls) {
            reloader.watch_client(tls);
        }
        if let Some(forward) = &self.forward {
            forward.watch(reloader);
        }
        if let Some(gateway) = &self.gateway {
            gateway.watch(reloader);
        }
        if let Some(websocket) = &self.websocket {
            websocket.watch(reloader);
        }
        if let Some(cache) = &self.binding_cache {
            cache.watch(reloader);
        }
        if let Some(syslog) = &self.log_cache_syslog {
            syslog.watch(reloader);
        }
        for server in [&self.log_cache_gateway, &self.log_cache_auth_proxy] {
            server.iter().for_each(|it| it.watch(reloader));
        }
    }

    /// Ends what comes in other than by the engine's own shards. To be called before these are
    /// stopped.
    pub(super) fn stop_input(&self) {
        if let Some(grpc) = &self.grpc {
            grpc.stop_input();
        }
    }

    /// Waits for all, in the order of the flow, each for as long as is `left` then.
    ///
    /// # Errors
    /// The first thread's that failed.
    pub(super) fn join(self, left: impl Fn() -> Duration) -> io::Result<()> {
        let websocket = self.websocket.map_or(Ok(()), |it| it.join(left()));
        let syslog = self.syslog.map_or(Ok(()), |it| it.join(left()));
        let forward = self.forward.map_or(Ok(()), |it| it.join(left()));
        // It gives the node what it has.
        let log_cache_syslog = self.log_cache_syslog.map_or(Ok(()), |it| it.stop(left()));
        let log_cache = self.log_cache.map_or(Ok(()), Node::stop);
        let grpc = self.grpc.map_or(Ok(()), |it| it.join(left()));
        // Its streams have ended with gRPC's, if it reads ours.
        let gateway = self.gateway.map_or(Ok(()), |it| it.stop(left()));
        let cache = self.binding_cache.map_or(Ok(()), |it| it.stop(left()));
        // The proxy waits for answers of the gateway.
        let proxy = self
            .log_cache_auth_proxy
            .map_or(Ok(()), |it| it.stop(left()));
        let rest = self.log_cache_gateway.map_or(Ok(()), |it| it.stop(left()));
        let first = websocket.and(syslog).and(forward);
        let first = first.and(log_cache).and(grpc).and(gateway);
        let rest = cache.and(proxy).and(rest);
        first.and(log_cache_syslog).and(rest)
    }
}

/// What frontends tell besides what they count.
pub(super) struct Told {
    /// Slow consumers.
    events: Events,
    /// What goes on with bindings.
    bindings: Hooks,
    /// What happens to apps' drains.
    drains: Tell,
}

impl Told {
    /// Lines go to `report`, what apps are to know to `app_logs`.
    pub(super) fn new(events: Events, app_logs: AppLogs, report: Report) -> Self {
        let logs = app_logs.clone();
        let drains = Tell::new(move |notice| {
            let message = notice.message.into();
            let app = notice.app;
            logs.put(AppLog { app, message });
        });
        let on_problem = move |problem: &Problem| {
            let message = problem.message.clone();
            if let Some(app) = problem.app.clone() {
                app_logs.put(AppLog { app, message });
            }
        };
        let bindings = Hooks {
            report,
            on_problem: Arc::new(on_problem),
        };
        Self {
            events,
            bindings,
            drains,
        }
    }
}

/// Has the agent told of slow consumers, as upstream does.
fn on_slow(events: Events) -> OnSlow {
    OnSlow::new(move |slow| {
        let event = UpstreamEvent::slow_consumer(&slow.peer, &slow.forwarded_for, &slow.path);
        events.put(event);
    })
}

/// Where the gateway is, for clients on this host.
fn url(config: &GatewayConfig, gateway: &Gateway) -> String {
    let scheme = if config.tls.is_some() {
        "https"
    } else {
        "http"
    };
    format!("{scheme}://{}", gateway.address())
}
