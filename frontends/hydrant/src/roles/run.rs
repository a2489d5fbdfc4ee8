//! A role from its start to its end, with upstream's lines on stderr.

use super::doppler::DopplerSettings;
use super::env::{Environment, Report};
use super::log::{Log, Stamp};
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
use std::net::SocketAddr;
use std::time::Duration;

/// Takes the role until SIGTERM or SIGINT, then delivers what came in. Upstream's router and
/// gateway drop it and end at once; its reverse log proxy delivers for 30 s at most.
///
/// SIGHUP reads certificates anew, SIGUSR1 logs the state of every thread.
///
/// # Errors
/// What stands in the way, or what went wrong at the end.
pub fn run(role: Role, environment: &Environment) -> Result<(), Fatal> {
    let (job, report) = Job::of(role, environment)?;
    // A report that nobody takes is no reason to stop.
    std::io::stderr()
        .write_all(report.to_string().as_bytes())
        .ok();
    let log = Log::new(job.stamp);
    log.line(job.first_line);
    // Signals are ours before anything runs, so that none is missed.
    let signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1]);
    let signals = signals.map_err(|error| job.fatal("cannot watch for signals", error))?;
    let server = Server::start(&job.config).map_err(|error| job.fatal(job.refusal, error))?;
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
    first_line: &'static str,
    /// What is said if it does not start.
    refusal: &'static str,
    stop_deadline: Duration,
}

impl Job {
    fn of(role: Role, environment: &Environment) -> Result<(Self, Report), Fatal> {
        match role {
            Role::Doppler => Self::doppler(environment),
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
            first_line: "Startup: Setting up the router server",
            refusal: "Failed to create router server",
            stop_deadline: Duration::from_secs(10),
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

/// Upstream's lines once all is up, from which scripts and tests read the ports.
fn started(role: Role, server: &Server) -> Vec<String> {
    let bound = |what: &str, address: SocketAddr| format!("{what} bound to: {address}");
    let pprof = bound("pprof", server.operator_address());
    let grpc = server.grpc_address();
    let mut lines: Vec<_> = grpc
        .into_iter()
        .map(|address| bound("grpc", address))
        .collect();
    match role {
        Role::Doppler => {
            lines.push("Startup: router server started.".to_owned());
            lines.push("MessageRouter:Starting".to_owned());
            lines.extend(grpc.map(|address| format!("Starting gRPC server on {address}")));
        }
    }
    lines.push(pprof);
    lines
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
