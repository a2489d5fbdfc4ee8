//! The agents' settings as tables of our configuration.

use super::{as_client, engine_without_listeners, millis, operator};
use crate::agent::AgentConfig;
use crate::config::{OperatorConfig, ScrapeConfig, ScrapeNames};
use crate::roles::agents::{
    Downstream, ForwarderSettings, LoggregatorSettings, MetricsServer, SyslogSettings, UdpSettings,
};
use hydrant_bindings::source::BindingsConfig;
use hydrant_bindings::{Drain, ServiceConfig};
use hydrant_engine::config::{Cores, EngineConfig, UdpConfig, available_cores};
use hydrant_engine::record::Version;
use hydrant_forward::{DestinationConfig, ForwardConfig, Protocol, Takes, V1Tags};
use hydrant_grpc::{GrpcConfig, Rules};
use hydrant_rpc::tls::TlsFiles;
use hydrant_syslog::{SyslogConfig, TlsConfig as DrainTls};
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

impl SyslogSettings {
    /// The engine: nothing listens but gRPC.
    pub fn engine(&self) -> EngineConfig {
        engine_without_listeners()
    }

    /// Senders.
    pub fn grpc(&self) -> GrpcConfig {
        senders(loopback(self.port), &self.tls)
    }

    /// Drains of the cache, and aggregate drains; those whose URLs cannot be used are left out, as
    /// upstream leaves them out. None of either is no drain, where upstream dies.
    pub fn syslog(&self) -> SyslogConfig {
        let cache = self.cache.as_ref().map(|cache| ServiceConfig {
            url: cache.url.clone(),
            tls: Some(cache.files.tls()),
            server_name: cache.name.clone(),
        });
        let aggregates = self.aggregate_urls.iter();
        let aggregates = aggregates.filter(|url| Drain::parse(url.reveal()).is_ok());
        let bindings = BindingsConfig {
            cache,
            interval_ms: millis(self.interval),
            aggregates_interval_ms: millis(self.aggregates_interval),
            aggregate_urls: aggregates.cloned().collect(),
            per_app_limit: self.per_app_limit,
            blacklist: self.blacklist.clone(),
            warn_on_invalid: self.warn_on_invalid,
            ..BindingsConfig::default()
        };
        let has_some = bindings.cache.is_some() || !bindings.aggregate_urls.is_empty();
        SyslogConfig {
            bindings: Some(bindings).filter(|_| has_some),
            metadata: self.metadata,
            idle_timeout_s: self.idle_timeout.as_secs().max(1),
            tls: DrainTls {
                ca_file: self.trusted_ca.clone(),
                cipher_suites: self.drain_suites.clone(),
                insecure_skip_verify: self.skip_verify,
            },
            ..SyslogConfig::default()
        }
    }

    /// Where apps are told of their drains. No metrics go there: upstream's are only scraped.
    pub fn agent(&self) -> AgentConfig {
        AgentConfig {
            address: self.agent_address.clone(),
            tls: Some(as_client(&self.tls)),
            interval_ms: 0,
            ..AgentConfig::default()
        }
    }

    /// Metrics.
    pub fn operator(&self) -> OperatorConfig {
        self.metrics.operator(ScrapeNames::SyslogAgent)
    }
}

impl MetricsServer {
    /// The scraper's endpoint; ours is where upstream's profiler would be, or somewhere.
    fn operator(&self, names: ScrapeNames) -> OperatorConfig {
        OperatorConfig {
            scrape: Some(ScrapeConfig {
                address: loopback(self.port),
                tls: Some(self.tls.clone()),
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
