//! The jobs of Log Cache's gateway and of its proxy.

use super::{Job, STOP_DEADLINE, nothing, scrape_line};
use crate::config::Config;
use crate::roles::Fatal;
use crate::roles::env::{Environment, Report};
use crate::roles::log_cache::{AuthProxySettings, LogCacheGatewaySettings};
use crate::server::Server;

impl Job {
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

/// Upstream's line, and where scripts and tests read the ports from.
pub(super) fn gateway_started(server: &Server) -> Vec<String> {
    let pprof = format!("pprof bound to: {}", server.operator_address());
    let gateway = server.log_cache_gateway_address().into_iter();
    let gateway = gateway.flat_map(|address| {
        [
            format!("listening on {address}..."),
            format!("http bound to: {address}"),
        ]
    });
    let scrape = scrape_line(server).into_iter();
    scrape.chain([pprof]).chain(gateway).collect()
}
