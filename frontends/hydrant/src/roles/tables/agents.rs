//! The agents' settings as tables of our configuration.

use super::{as_client, engine_without_listeners, operator};
use crate::config::{OperatorConfig, ScrapeConfig, ScrapeNames};
use crate::roles::agents::{
    Downstream, ForwarderSettings, LoggregatorSettings, MetricsServer, UdpSettings,
};
use hydrant_engine::config::{Cores, EngineConfig, UdpConfig, available_cores};
use hydrant_engine::record::Version;
use hydrant_forward::{DestinationConfig, ForwardConfig, Protocol, Takes, V1Tags};
use hydrant_grpc::{GrpcConfig, Rules};
use hydrant_rpc::tls::TlsFiles;
use std::net::{Ipv4Addr, SocketAddr};

/// Of each generation, as upstream.
const DOPPLER_CONNECTIONS: u16 = 5;
const DOPPLER: &str = "doppler";

impl LoggregatorSettings {
    /// The engine: UDP, unless it is off.
    pub fn engine(&self) -> EngineConfig {
        match self.disable_udp {
            true => engine_without_listeners(),
            false => engine_with_udp(self.udp_port),
        }
    }

    /// Senders.
    pub fn grpc(&self) -> GrpcConfig {
        senders(loopback(self.port), &self.tls)
    }

    /// v2 and v1 to the Dopplers, each as it came.
    pub fn forward(&self) -> ForwardConfig {
        let v2 = self.to_dopplers(Protocol::V2, Takes::V2);
        let v1 = self.to_dopplers(Protocol::V1, Takes::V1);
        let v1 = Some(v1).filter(|_| !self.disable_udp);
        ForwardConfig {
            destinations: [v2].into_iter().chain(v1).collect(),
            tags: self.tags.clone(),
            v1: v1_tags(&self.here),
            logs: !self.logs_disabled,
            ..ForwardConfig::default()
        }
    }

    /// Metrics.
    pub fn operator(&self) -> OperatorConfig {
        self.metrics.operator(ScrapeNames::LoggregatorAgent)
    }

    fn to_dopplers(&self, protocol: Protocol, takes: Takes) -> DestinationConfig {
        let with_az = Some(self.router_address_with_az.clone());
        DestinationConfig {
            preferred_address: with_az.filter(|address| !address.is_empty()),
            protocol,
            takes,
            tls: Some(as_client(&self.tls)),
            server_name: DOPPLER.to_owned(),
            connections: DOPPLER_CONNECTIONS,
            recycle: true,
            keepalive: true,
            ..DestinationConfig::at(&self.router_address)
        }
    }
}

impl ForwarderSettings {
    /// The engine: nothing listens but gRPC.
    pub fn engine(&self) -> EngineConfig {
        engine_without_listeners()
    }

    /// Senders, at the address that was found for the host.
    pub fn grpc(&self, address: SocketAddr) -> GrpcConfig {
        senders(address, &self.tls)
    }

    /// Everything to every port.
    pub fn forward(&self, downstream: &Downstream) -> ForwardConfig {
        let destination = |port: &u16| DestinationConfig {
            tls: Some(as_client(&self.tls)),
            ..DestinationConfig::at(format!("127.0.0.1:{port}"))
        };
        ForwardConfig {
            destinations: downstream.ports.iter().map(destination).collect(),
            tags: self.tags.clone(),
            ..ForwardConfig::default()
        }
    }

    /// Metrics.
    pub fn operator(&self) -> OperatorConfig {
        self.metrics.operator(ScrapeNames::ForwarderAgent)
    }
}

impl UdpSettings {
    /// The engine: UDP.
    pub fn engine(&self) -> EngineConfig {
        engine_with_udp(self.udp_port)
    }

    /// v2 to the agent. It adds up counters, not we.
    pub fn forward(&self) -> ForwardConfig {
        let agent = DestinationConfig {
            tls: Some(as_client(&self.tls)),
            ..DestinationConfig::at(&self.agent_address)
        };
        ForwardConfig {
            destinations: vec![agent],
            v1: v1_tags(&self.here),
            totals: false,
            ..ForwardConfig::default()
        }
    }

    /// Metrics.
    pub fn operator(&self) -> OperatorConfig {
        self.metrics.operator(ScrapeNames::UdpForwarder)
    }
}

impl MetricsServer {
    /// The scraper's endpoint; ours is where upstream's profiler would be, or somewhere.
    fn operator(&self, names: ScrapeNames) -> OperatorConfig {
        OperatorConfig {
            scrape: Some(ScrapeConfig {
                address: loopback(self.port),
                tls: self.tls.clone(),
                names,
            }),
            ..operator(self.pprof_port.unwrap_or(0))
        }
    }
}

/// One shard: an agent is a guest on its host.
fn engine_with_udp(port: u16) -> EngineConfig {
    EngineConfig {
        cores: Cores::of(&available_cores()[..1]),
        udp: vec![UdpConfig {
            address: loopback(port),
            version: Version::V1,
            shared_secret: None,
        }],
        ..engine_without_listeners()
    }
}

fn senders(address: SocketAddr, tls: &TlsFiles) -> GrpcConfig {
    GrpcConfig {
        address,
        tls: Some(tls.clone()),
        rules: Rules::Agent,
        ..GrpcConfig::default()
    }
}

fn v1_tags([deployment, job, index, ip]: &[String; 4]) -> V1Tags {
    let tag = |text: &String| Some(text.clone());
    V1Tags {
        deployment: tag(deployment),
        job: tag(job),
        index: tag(index),
        ip: tag(ip),
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
