//! The job of Log Cache's syslog server.

use super::{Job, STOP_DEADLINE, nothing, scrape_line};
use crate::config::Config;
use crate::roles::Fatal;
use crate::roles::env::{Environment, Report};
use crate::roles::log_cache_syslog::LogCacheSyslogSettings;
use crate::server::Server;

impl Job {
    pub(super) fn log_cache_syslog_server(
        environment: &Environment,
    ) -> Result<(Self, Report), Fatal> {
        let (settings, report) = LogCacheSyslogSettings::read(environment)?;
        let job = Self {
            stamp: settings.log_stamp,
            config: Config {
                engine: settings.engine(),
                log_cache_syslog: Some(settings.syslog()),
                operator: settings.operator(),
                ..nothing()
            },
            greeting: Some("Starting Syslog Server..."),
            first_line: None,
            last_line: Some("Closing Syslog Server."),
            notices: Vec::new(),
            refusal: "unable to start syslog server",
            stop_deadline: STOP_DEADLINE,
        };
        Ok((job, report))
    }
}

/// Where scripts and tests read the ports from.
pub(super) fn started(server: &Server) -> Vec<String> {
    let pprof = format!("pprof bound to: {}", server.operator_address());
    let syslog = server.log_cache_syslog_address();
    let syslog = syslog.map(|address| format!("syslog bound to: {address}"));
    let scrape = scrape_line(server).into_iter();
    scrape.chain([pprof]).chain(syslog).collect()
}
