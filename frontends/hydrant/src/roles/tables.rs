//! Settings of upstream as tables of our configuration.

mod agents;
mod binding_cache;
mod log_cache;
mod log_cache_syslog;
mod traffic_controller;

use super::Fatal;
use super::doppler::DopplerSettings;
use super::gateway::{Files, GatewaySettings};
use super::log::Stamp;
use super::rlp::RlpSettings;
use crate::agent::{AgentConfig, INTERVAL_MS_MAX};
use crate::config::{OperatorConfig, ScrapeConfig, ScrapeNames};
use bytesize::ByteSize;
use hydrant_access::{AccessConfig, CapiConfig, UaaConfig};
use hydrant_engine::config::EngineConfig;
use hydrant_feed::routers::{RoutersConfig, ZoneConfig};
use hydrant_gateway::{GatewayConfig, ProviderConfig};
use hydrant_grpc::{GrpcConfig, Rules};
use hydrant_http::HttpsFiles;
use hydrant_rpc::tls::TlsFiles;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

impl DopplerSettings {
    /// The engine: nothing listens but gRPC. `INGRESS_BUFFER_SIZE` becomes the size of a lane.
    /// Memory is what the sizes say, since upstream knows no other limit.
    pub fn engine(&self) -> EngineConfig {
        let bytes = buffer_bytes(self.ingress_buffer_envelopes, LANE_BYTES_MAX);
        let least = EngineConfig::default().lane_bytes.as_u64();
        EngineConfig {
            lane_bytes: ByteSize::b(bytes.max(least).next_power_of_two()),
            ..engine_without_listeners()
        }
    }

    /// Ingress and egress. `EGRESS_BUFFER_SIZE` becomes the size of a session's outbox, for v1 and
    /// v2, and what all may hold together is not less. Streams and connections are as many as can
    /// be, since upstream knows no limit.
    pub fn grpc(&self) -> GrpcConfig {
        let least = GrpcConfig::default();
        let bytes = buffer_bytes(self.egress_buffer_envelopes, OUTBOX_BYTES_MAX);
        let outbox_bytes = least.outbox_bytes.max(ByteSize::b(bytes));
        GrpcConfig {
            address: any_address(self.port),
            tls: Some(self.tls.clone()),
            rules: Rules::Doppler,
            outbox_bytes,
            outboxes_bytes: least.outboxes_bytes.max(outbox_bytes),
            sessions_max: SESSIONS_MAX,
            connections_max: CONNECTIONS_MAX,
            ..least
        }
    }

    /// Where metrics go.
    pub fn agent(&self) -> AgentConfig {
        let interval = Duration::from_millis(self.metric_interval_ms);
        agent(
            &self.agent_address,
            interval,
            &self.metric_source_id,
            &self.tls,
        )
    }

    /// What is in the place of upstream's profiler.
    pub fn operator(&self) -> OperatorConfig {
        operator(self.pprof_port)
    }
}

impl RlpSettings {
    /// The engine: nothing is listened to.
    pub fn engine(&self) -> EngineConfig {
        engine_without_listeners()
    }

    /// Egress. More streams than we can have are as many as we can. Connections, each of which may
    /// have only one of them, are not limited before streams.
    pub fn grpc(&self) -> GrpcConfig {
        let streams_max = usize::try_from(self.streams_max).unwrap_or(usize::MAX);
        GrpcConfig {
            address: any_address(self.port),
            tls: Some(self.tls.clone()),
            rules: Rules::ReverseLogProxy,
            sessions_max: streams_max.min(SESSIONS_MAX),
            connections_max: CONNECTIONS_MAX,
            ..GrpcConfig::default()
        }
    }

    /// Where envelopes come from.
    pub fn routers(&self) -> RoutersConfig {
        routers(&self.router_addresses, &self.tls)
    }

    /// Where metrics go.
    pub fn agent(&self) -> AgentConfig {
        agent(
            &self.agent_address,
            self.metric_interval,
            &self.metric_source_id,
            &self.tls,
        )
    }

    /// What is in the place of upstream's profiler.
    pub fn operator(&self) -> OperatorConfig {
        operator(self.pprof_port)
    }
}

impl GatewaySettings {
    /// The gateway. A `STREAM_TIMEOUT` of nothing is no timeout; one of over a year is a year.
    ///
    /// # Errors
    /// `GATEWAY_ADDR` is no address.
    pub fn gateway(&self) -> Result<GatewayConfig, Fatal> {
        Ok(GatewayConfig {
            address: listen_address(&self.address, self.log_stamp)?,
            tls: Some(HttpsFiles {
                cert_file: self.cert_path.clone(),
                key_file: self.key_path.clone(),
            }),
            provider: ProviderConfig {
                address: self.provider.address.clone(),
                tls: Some(self.provider.files.tls()),
                server_name: self.provider.name.clone(),
            },
            access: Some(self.access()),
            stream_timeout_ms: millis(self.stream_timeout).min(STREAM_TIMEOUT_MS_MAX),
            access_log: true,
            ..GatewayConfig::default()
        })
    }

    /// The engine: nothing is listened to.
    pub fn engine(&self) -> EngineConfig {
        engine_without_listeners()
    }

    /// What is in the place of upstream's profiler, and its metrics for a scraper.
    pub fn operator(&self) -> OperatorConfig {
        scraped_operator(self.pprof_port, self.metrics_port, &self.metrics_files)
    }

    fn access(&self) -> AccessConfig {
        AccessConfig {
            uaa: UaaConfig {
                address: self.log_admin.address.clone(),
                client_id: self.log_admin.client_id.clone(),
                client_secret: self.log_admin.client_secret.clone(),
                ca_file: Some(self.log_admin.ca.clone()),
            },
            capi: CapiConfig {
                address: self.log_access.address.clone(),
                external_address: Some(self.log_access.external_address.clone()),
                tls: Some(self.log_access.files.tls()),
                server_name: self.log_access.name.clone(),
            },
            skip_cert_verify: self.skip_cert_verify,
            cache_ms: None,
        }
    }
}

impl Files {
    pub(super) fn tls(&self) -> TlsFiles {
        TlsFiles {
            cert_file: self.cert.clone(),
            key_file: self.key.clone(),
            ca_file: self.ca.clone(),
            suites: Vec::new(),
        }
    }
}

/// What an envelope is planned to take in a buffer: most logs take less.
const ENVELOPE_BYTES_PLANNED: u64 = 1024;
/// The most that the engine allows.
const LANE_BYTES_MAX: u64 = 1 << 36;
/// The most that the gRPC frontend allows.
const OUTBOX_BYTES_MAX: u64 = 1 << 32;
/// As [`OUTBOX_BYTES_MAX`].
const SESSIONS_MAX: usize = 100_000;
/// As [`OUTBOX_BYTES_MAX`].
const CONNECTIONS_MAX: usize = 100_000;
/// The most that the gateway allows: a year.
const STREAM_TIMEOUT_MS_MAX: u64 = 365 * 24 * 60 * 60 * 1000;

/// The bytes of a buffer that upstream gives room for so many envelopes. Callers take our own
/// default if that is more: BOSH's sizes are small, and what would not be lost without them must
/// not be lost with them.
fn buffer_bytes(envelopes: u64, most: u64) -> u64 {
    envelopes.saturating_mul(ENVELOPE_BYTES_PLANNED).min(most)
}

fn engine_without_listeners() -> EngineConfig {
    EngineConfig {
        udp: Vec::new(),
        tcp: Vec::new(),
        memory_max: ByteSize::b(u64::MAX),
        ..EngineConfig::default()
    }
}

fn agent(address: &str, interval: Duration, source_id: &str, files: &TlsFiles) -> AgentConfig {
    AgentConfig {
        address: address.to_owned(),
        tls: Some(as_client(files)),
        interval_ms: millis(interval).min(INTERVAL_MS_MAX),
        source_id: source_id.to_owned(),
        ..AgentConfig::default()
    }
}

/// Each router once, in one zone, and nothing where a list has nothing between commas.
fn routers(addresses: &[String], files: &TlsFiles) -> RoutersConfig {
    let mut zone = ZoneConfig {
        name: "routers".to_owned(),
        addresses: Vec::new(),
    };
    for address in addresses {
        if !address.is_empty() && !zone.addresses.contains(address) {
            zone.addresses.push(address.clone());
        }
    }
    let zones = Some(zone).filter(|zone| !zone.addresses.is_empty());
    RoutersConfig {
        zones: zones.into_iter().collect(),
        tls: Some(as_client(files)),
        ..RoutersConfig::default()
    }
}

/// 0 only for no time at all.
fn millis(duration: Duration) -> u64 {
    let whole = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    whole.max(u64::from(!duration.is_zero()))
}

/// Upstream restricts the suites where it listens and not where it connects.
fn as_client(files: &TlsFiles) -> TlsFiles {
    TlsFiles {
        suites: Vec::new(),
        ..files.clone()
    }
}

fn operator(port: u16) -> OperatorConfig {
    OperatorConfig {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        ..OperatorConfig::default()
    }
}

fn scraped_operator(port: u16, metrics_port: u16, files: &Files) -> OperatorConfig {
    let scrape = ScrapeConfig {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, metrics_port)),
        tls: Some(files.tls()),
        names: ScrapeNames::default(),
    };
    OperatorConfig {
        scrape: Some(scrape),
        ..operator(port)
    }
}

/// Without a host it is all addresses.
fn listen_address(address: &str, stamp: Stamp) -> Result<SocketAddr, Fatal> {
    let fatal = |problem: &str| {
        let text = format_args!("failed to start listener: {address}: {problem}");
        Fatal::new(stamp, text)
    };
    if let Some(port) = address.strip_prefix(':') {
        let port = port.parse().ok();
        return port.map(any_address).ok_or_else(|| fatal("invalid port"));
    }
    let addresses = address.to_socket_addrs();
    let first = addresses.map_err(|error| fatal(&error.to_string()))?.next();
    first.ok_or_else(|| fatal("no such host"))
}

/// All addresses: of IPv6, which includes IPv4's, unless this host has none.
fn any_address(port: u16) -> SocketAddr {
    match TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)) {
        Ok(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        Err(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
    }
}

#[cfg(test)]
mod tests;
