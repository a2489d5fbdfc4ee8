//! The jobs of Log Cache's node, of its gateway and of its proxy.

use super::{Job, STOP_DEADLINE, nothing, scrape_line};
use crate::config::Config;
use crate::roles::Fatal;
use crate::roles::env::{Environment, Report};
use crate::roles::log_cache::{AuthProxySettings, LogCacheGatewaySettings, LogCacheSettings};
use crate::server::Server;
use std::net::SocketAddr;

impl Job {
    pub(super) fn log_cache(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let (settings, report) = LogCacheSettings::read(environment)?;
        let node = settings.node()?;
        let memory = settings.memory_line(&node);
        let job = Self {
            stamp: settings.log_stamp,
            config: Config {
                engine: settings.engine(),
                log_cache: Some(node),
                operator: settings.operator(),
                ..nothing()
            },
            greeting: Some("Starting Log Cache..."),
            first_line: None,
            last_line: Some("Closing Log Cache."),
            notices: vec![memory],
            refusal: "failed to serve",
            stop_deadline: STOP_DEADLINE,
        };
        Ok((job, report))
    }

    pub(super) fn log_cache_gateway(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let (settings, report) = LogCacheGatewaySettings::read(environment)?;
        let job = Self {
            stamp: settings.log_stamp,
            config: Config {
                engine: settings.engine(),
                log_cache_gateway: Some(settings.gateway()?),
                operator: settings.operator(),
                ..nothing()
            },
            greeting: Some("Starting Log Cache Gateway..."),
            first_line: None,
            last_line: Some("Closing Log Cache Gateway."),
            notices: Vec::new(),
            refusal: "failed to serve",
            stop_deadline: STOP_DEADLINE,
        };
        Ok((job, report))
    }

    pub(super) fn log_cache_auth_proxy(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let (settings, report) = AuthProxySettings::read(environment)?;
        let job = Self {
            stamp: settings.log_stamp,
            config: Config {
                engine: settings.engine(),
                log_cache_auth_proxy: Some(settings.proxy()?),
                operator: settings.operator(),
                ..nothing()
            },
            greeting: Some("Starting Log Cache CF Auth Reverse Proxy..."),
            first_line: None,
            last_line: Some("Closing Log Cache CF Auth Reverse Proxy."),
            notices: Vec::new(),
            refusal: "failed to serve",
            stop_deadline: STOP_DEADLINE,
        };
        Ok((job, report))
    }
}

pub(super) fn node_started(server: &Server) -> Vec<String> {
    serving(server, server.log_cache_address(), "grpc")
}

pub(super) fn gateway_started(server: &Server) -> Vec<String> {
    serving(server, server.log_cache_gateway_address(), "http")
}

/// Upstream's line, and where scripts and tests read the ports from.
fn serving(server: &Server, address: Option<SocketAddr>, what: &str) -> Vec<String> {
    let pprof = format!("pprof bound to: {}", server.operator_address());
    let served = address.into_iter().flat_map(|address| {
        [
            format!("listening on {address}..."),
            format!("{what} bound to: {address}"),
        ]
    });
    let scrape = scrape_line(server).into_iter();
    scrape.chain([pprof]).chain(served).collect()
}
