//! A role from its start to its end, with upstream's lines on stderr.

mod agents;
mod log_cache;
mod log_cache_syslog;

use super::binding_cache::BindingCacheSettings;
use super::doppler::DopplerSettings;
use super::env::{Environment, Report};
use super::gateway::GatewaySettings;
use super::log::{Log, Stamp};
use super::rlp::RlpSettings;
use super::traffic_controller::TrafficControllerSettings;
use super::{Fatal, Role};
use crate::config::Config;
use crate::dump::Dump;
use crate::server::Server;
use hydrant_rpc::tls::Reloader;
use hydrant_websocket::WebsocketConfig;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::fmt::Display;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

/// Takes the role until SIGTERM or SIGINT, then delivers what came in. Upstream's router, gateway
/// and Traffic Controller drop it and end at once; its reverse log proxy delivers for 30 s at most.
///
/// SIGHUP reads certificates anew, SIGUSR1 logs the state of every thread.
///
/// # Errors
/// What stands in the way, or what went wrong at the end.
pub fn run(role: Role, environment: &Environment) -> Result<(), Fatal> {
    let (job, report) = Job::of(role, environment)?;
    let log = Log::new(job.stamp);
    job.greeting.iter().for_each(|line| log.line(line));
    // A report that nobody takes is no reason to stop.
    std::io::stderr()
        .write_all(report.to_string().as_bytes())
        .ok();
    job.first_line.iter().for_each(|line| log.line(line));
    job.notices.iter().for_each(|line| log.line(line));
    // Signals are ours before anything runs, so that none is missed.
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1]);
    let signals = signals.map_err(|error| job.fatal("cannot watch for signals", error))?;
    let server = Server::start_with(&job.config, Arc::new(move |line: &str| log.line(line)));
    let server = server.map_err(|error| job.fatal(job.refusal, error))?;
    let reloader = Reloader::start(move |error| log.line(error))
        .map_err(|error| job.fatal("cannot watch certificates", error))?;
    server.watch(&reloader);
    started(role, &server)
        .iter()
        .for_each(|line| log.line(line));
    until_stopped(signals, &server, &reloader, log);
    job.stop(server, log)
}

/// What a role's environment comes to.
struct Job {
    stamp: Stamp,
    config: Config,
    /// Before the report.
    greeting: Option<&'static str>,
    /// After the report.
    first_line: Option<&'static str>,
    last_line: Option<&'static str>,
    /// What is said before it starts.
    notices: Vec<String>,
    /// What is said if it does not start.
    refusal: &'static str,
    stop_deadline: Duration,
}

const STOP_DEADLINE: Duration = Duration::from_secs(10);
/// As upstream.
const PROXY_STOP_DEADLINE: Duration = Duration::from_secs(30);

impl Job {
    fn of(role: Role, environment: &Environment) -> Result<(Self, Report), Fatal> {
        match role {
            Role::Doppler => Self::doppler(environment),
            Role::ReverseLogProxy => Self::proxy(environment),
            Role::Gateway => Self::gateway(environment),
            Role::TrafficController => Self::traffic_controller(environment),
            Role::LoggregatorAgent => Self::loggregator_agent(environment),
            Role::ForwarderAgent => Self::forwarder_agent(environment),
            Role::UdpForwarder => Self::udp_forwarder(environment),
            Role::SyslogAgent => Self::syslog_agent(environment),
            Role::BindingCache => Self::binding_cache(environment),
            Role::LogCache => Self::log_cache(environment),
            Role::LogCacheGateway => Self::log_cache_gateway(environment),
            Role::LogCacheAuthProxy => Self::log_cache_auth_proxy(environment),
            Role::LogCacheSyslogServer => Self::log_cache_syslog_server(environment),
        }
    }

    fn doppler(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let (settings, report) = DopplerSettings::read(environment)?;
        let job = Self {
            stamp: settings.log_stamp,
            config: Config {
                engine: settings.engine(),
                grpc: settings.grpc(),
                agent: settings.agent(),
                operator: settings.operator(),
                ..nothing()
            },
            greeting: None,
            first_line: Some("Startup: Setting up the router server"),
            last_line: None,
            notices: Vec::new(),
            refusal: "Failed to create router server",
            stop_deadline: STOP_DEADLINE,
        };
        Ok((job, report))
    }

    fn proxy(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let (settings, report) = RlpSettings::read(environment)?;
        let job = Self {
            stamp: settings.log_stamp,
            config: Config {
                engine: settings.engine(),
                grpc: settings.grpc(),
                routers: Some(settings.routers()),
                agent: settings.agent(),
                operator: settings.operator(),
                ..nothing()
            },
            greeting: None,
            first_line: None,
            last_line: None,
            notices: Vec::new(),
            refusal: "failed to serve",
            stop_deadline: PROXY_STOP_DEADLINE,
        };
        Ok((job, report))
    }

    fn gateway(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let (settings, report) = GatewaySettings::read(environment)?;
        let job = Self {
            stamp: settings.log_stamp,
            config: Config {
                engine: settings.engine(),
                gateway: Some(settings.gateway()?),
                operator: settings.operator(),
                ..nothing()
            },
            greeting: None,
            first_line: Some("starting RLP gateway"),
            last_line: Some("stopping RLP gateway"),
            notices: Vec::new(),
            refusal: "failed to serve HTTPS endpoint",
            stop_deadline: STOP_DEADLINE,
        };
        Ok((job, report))
    }

    fn traffic_controller(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let (settings, report) = TrafficControllerSettings::read(environment)?;
        settings.check_files()?;
        let job = Self {
            stamp: settings.log_stamp,
            config: Config {
                engine: settings.engine(),
                routers: Some(settings.routers()),
                websocket: settings.websocket(),
                agent: settings.agent(),
                operator: settings.operator(),
                ..nothing()
            },
            greeting: None,
            first_line: Some("Startup: Setting up the loggregator traffic controller"),
            last_line: Some("Shutting down"),
            notices: Vec::new(),
            refusal: "failed to serve",
            stop_deadline: STOP_DEADLINE,
        };
        Ok((job, report))
    }

    fn binding_cache(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let (settings, report) = BindingCacheSettings::read(environment)?;
        let job = Self {
            stamp: settings.log_stamp,
            config: Config {
                engine: settings.engine(),
                binding_cache: Some(settings.binding_cache()),
                agent: settings.agent(),
                operator: settings.operator(),
                ..nothing()
            },
            greeting: Some("starting syslog-binding-cache"),
            first_line: None,
            last_line: Some("stopping syslog-binding-cache"),
            notices: Vec::new(),
            refusal: "failed to serve",
            stop_deadline: STOP_DEADLINE,
        };
        Ok((job, report))
    }

    fn fatal(&self, what: &str, error: impl Display) -> Fatal {
        Fatal::new(self.stamp, format_args!("{what}: {error}"))
    }

    fn stop(&self, server: Server, log: Log) -> Result<(), Fatal> {
        log.line("stopping: what came in is delivered first");
        let (ledger, outcome) = server.stop(self.stop_deadline);
        log.lines(&ledger);
        self.last_line.iter().for_each(|line| log.line(line));
        outcome.map_err(|error| self.fatal("a thread failed", error))?;
        match ledger.faults().as_slice() {
            [] => Ok(()),
            faults => Err(self.fatal("the ledger does not balance", faults.join("; "))),
        }
    }
}

/// A configuration of which nothing listens.
fn nothing() -> Config {
    let mut config = Config {
        websocket: WebsocketConfig {
            enabled: false,
            ..WebsocketConfig::default()
        },
        ..Config::default()
    };
    config.grpc.enabled = false;
    config
}

/// Upstream's lines once all is up, in its order; scripts and tests read the ports from them.
fn started(role: Role, server: &Server) -> Vec<String> {
    let pprof = format!("pprof bound to: {}", server.operator_address());
    let grpc = server.grpc_address().map(|grpc| grpc.to_string());
    let grpc = grpc.unwrap_or_default();
    let gateway = server.gateway_address().map(|gateway| gateway.to_string());
    match role {
        Role::Doppler => vec![
            format!("grpc bound to: {grpc}"),
            "Startup: router server started.".to_owned(),
            "MessageRouter:Starting".to_owned(),
            format!("Starting gRPC server on {grpc}"),
            pprof,
        ],
        Role::ReverseLogProxy => vec![format!("grpc bound to: {grpc}"), pprof],
        Role::Gateway => {
            let http = format!("http bound to: {}", gateway.unwrap_or_default());
            let scrape = scrape_line(server);
            scrape.into_iter().chain([pprof, http]).collect()
        }
        Role::BindingCache => {
            let cache = server.binding_cache_address();
            let cache = cache.map(|address| format!("binding cache bound to: {address}"));
            scrape_line(server)
                .into_iter()
                .chain([pprof])
                .chain(cache)
                .collect()
        }
        Role::LogCache => log_cache::node_started(server),
        Role::LogCacheGateway => log_cache::gateway_started(server),
        Role::LogCacheAuthProxy => scrape_line(server).into_iter().chain([pprof]).collect(),
        Role::LogCacheSyslogServer => log_cache_syslog::started(server),
        Role::TrafficController => {
            let websocket = server.websocket_address();
            let websocket = websocket.map(|address| format!("ws bound to: {address}"));
            websocket.into_iter().chain([pprof]).collect()
        }
        Role::LoggregatorAgent => agents::loggregator_agent_started(server),
        Role::ForwarderAgent | Role::UdpForwarder | Role::SyslogAgent => {
            agents::forwarder_started(server)
        }
    }
}

fn scrape_line(server: &Server) -> Option<String> {
    let address = server.scrape_address()?;
    Some(format!("Metrics endpoint is listening on {address}"))
}

fn until_stopped(mut signals: Signals, server: &Server, reloader: &Reloader, log: Log) {
    for signal in signals.forever() {
        match signal {
            SIGHUP => reloader.reload_all(),
            SIGUSR1 => log.lines(Dump(server.state())),
            _ => return,
        }
    }
}
