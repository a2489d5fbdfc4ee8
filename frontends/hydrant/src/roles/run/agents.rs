//! The agents' jobs, and the lines of their start.

use super::{Job, STOP_DEADLINE, nothing};
use crate::config::Config;
use crate::roles::Fatal;
use crate::roles::agents::{ForwarderSettings, LoggregatorSettings, SyslogSettings, UdpSettings};
use crate::roles::env::{Environment, Report};
use crate::server::Server;

impl Job {
    pub(super) fn loggregator_agent(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let (settings, report) = LoggregatorSettings::read(environment)?;
        let job = Self {
            stamp: settings.log_stamp,
            config: Config {
                engine: settings.engine(),
                grpc: settings.grpc(),
                forward: settings.forward(),
                operator: settings.operator(),
                ..nothing()
            },
            greeting: Some("starting loggregator-agent"),
            first_line: None,
            last_line: Some("stopping loggregator-agent"),
            notices: Vec::new(),
            refusal: "failed to serve",
            stop_deadline: STOP_DEADLINE,
        };
        Ok((job, report))
    }

    pub(super) fn forwarder_agent(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let (settings, report) = ForwarderSettings::read(environment)?;
        let downstream = settings.downstream()?;
        let job = Self {
            stamp: settings.log_stamp,
            config: Config {
                engine: settings.engine(),
                grpc: settings.grpc(settings.address()?),
                forward: settings.forward(&downstream),
                operator: settings.operator(),
                ..nothing()
            },
            greeting: Some("starting forwarder-agent"),
            first_line: None,
            last_line: Some("stopping forwarder-agent"),
            notices: downstream.notices,
            refusal: "failed to serve",
            stop_deadline: STOP_DEADLINE,
        };
        Ok((job, report))
    }

    pub(super) fn udp_forwarder(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let (settings, report) = UdpSettings::read(environment)?;
        let job = Self {
            stamp: settings.log_stamp,
            config: Config {
                engine: settings.engine(),
                forward: settings.forward(),
                operator: settings.operator(),
                ..nothing()
            },
            greeting: Some("starting UDP Forwarder..."),
            first_line: None,
            last_line: Some("closing UDP Forwarder..."),
            notices: Vec::new(),
            refusal: "failed to serve",
            stop_deadline: STOP_DEADLINE,
        };
        Ok((job, report))
    }
}

impl Job {
    pub(super) fn syslog_agent(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let (settings, report) = SyslogSettings::read(environment)?;
        let job = Self {
            stamp: settings.log_stamp,
            config: Config {
                engine: settings.engine(),
                grpc: settings.grpc(),
                syslog: settings.syslog(),
                agent: settings.agent(),
                operator: settings.operator(),
                ..nothing()
            },
            greeting: Some("starting syslog-agent"),
            first_line: None,
            last_line: Some("stopping syslog-agent"),
            notices: Vec::new(),
            refusal: "failed to serve",
            stop_deadline: STOP_DEADLINE,
        };
        Ok((job, report))
    }
}

/// The agent that sends to Dopplers.
pub(super) fn loggregator_agent_started(server: &Server) -> Vec<String> {
    let metrics = server.scrape_address();
    let bound = metrics.map(|address| format!("metrics bound to: :{}", address.port()));
    let v1 = server.engine().udp_addresses().iter().flat_map(|udp| {
        [
            "Startup: Setting up the agent".to_owned(),
            format!("udp bound to: {udp}"),
            format!("agent v1 API started on addr {udp}"),
        ]
    });
    let v2 = server.grpc_address().into_iter().flat_map(|grpc| {
        [
            format!("agent v2 API started on addr {grpc}"),
            format!("grpc bound to: {grpc}"),
        ]
    });
    metrics_line(server)
        .chain(bound)
        .chain(v1)
        .chain(v2)
        .collect()
}

/// The others: what they listen to.
pub(super) fn forwarder_started(server: &Server) -> Vec<String> {
    let udp = server.engine().udp_addresses().iter();
    let udp = udp.map(|address| format!("udp bound to: {address}"));
    let grpc = server.grpc_address();
    let grpc = grpc.map(|address| format!("grpc bound to: {address}"));
    metrics_line(server).chain(udp).chain(grpc).collect()
}

pub(super) fn metrics_line(server: &Server) -> impl Iterator<Item = String> + use<> {
    let scrape = server.scrape_address().into_iter();
    scrape.map(|address| format!("Metrics endpoint is listening on {address}"))
}
