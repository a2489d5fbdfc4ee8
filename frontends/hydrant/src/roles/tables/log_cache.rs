//! What the settings of Log Cache's gateway and of its proxy are in our tables.

mod node;

use super::{engine_without_listeners, listen_address, millis, operator};
use crate::config::{OperatorConfig, ScrapeConfig, ScrapeNames};
use crate::roles::Fatal;
use crate::roles::log_cache::{AuthProxySettings, LogCacheGatewaySettings, LogCacheMetrics};
use hydrant_access::{SourcesConfig, UaaConfig};
use hydrant_engine::config::EngineConfig;
use hydrant_http::HttpsFiles;
use hydrant_log_cache_rest::{GatewayConfig, ProxyConfig};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The most that the proxy allows: a day.
const CACHE_MS_MAX: u64 = 24 * 60 * 60 * 1000;

impl LogCacheGatewaySettings {
    /// The gateway.
    ///
    /// # Errors
    /// `ADDR` is no address.
    pub fn gateway(&self) -> Result<GatewayConfig, Fatal> {
        let files = &self.node_files;
        let node_tls = [&files.ca, &files.cert, &files.key];
        let has_node_tls = node_tls.iter().any(|path| is_set(path));
        Ok(GatewayConfig {
            address: listen_address(&self.address, self.log_stamp)?,
            tls: https(&self.https),
            node_address: self.node_address.clone(),
            node_tls: has_node_tls.then(|| files.tls()),
            insecure: true,
            ..GatewayConfig::default()
        })
    }

    /// The engine: nothing is listened to.
    pub fn engine(&self) -> EngineConfig {
        engine_without_listeners()
    }

    /// Metrics.
    pub fn operator(&self) -> OperatorConfig {
        self.metrics.operator(ScrapeNames::LogCacheGateway)
    }
}

impl AuthProxySettings {
    /// The proxy. A gateway whose URL has no scheme speaks plain HTTP; upstream's proxy then finds
    /// none.
    ///
    /// # Errors
    /// `ADDR` is no address.
    pub fn proxy(&self) -> Result<ProxyConfig, Fatal> {
        let gateway_address = match self.gateway_address.contains("://") {
            true => self.gateway_address.clone(),
            false => format!("http://{}", self.gateway_address),
        };
        let (capi_address, capi_ca, capi_name) = &self.capi;
        let (uaa_address, uaa_ca) = &self.uaa;
        let (client_id, client_secret) = &self.client;
        Ok(ProxyConfig {
            address: listen_address(&self.address, self.log_stamp)?,
            tls: https(&self.https),
            gateway_address,
            gateway_ca_file: set(&self.gateway_ca),
            uaa: UaaConfig {
                address: uaa_address.clone(),
                client_id: client_id.clone(),
                client_secret: client_secret.clone(),
                ca_file: set(uaa_ca),
            },
            capi: SourcesConfig {
                address: capi_address.clone(),
                ca_file: set(capi_ca),
                server_name: Some(capi_name.clone()).filter(|name| !name.is_empty()),
                cache_ms: millis(self.cache_expiration).min(CACHE_MS_MAX),
            },
            skip_cert_verify: self.skip_cert_verify,
            promql_unimplemented: self.promql_unimplemented,
            security_event_log: set(&self.security_event_log),
            internal_ip: self.internal_ip.clone(),
            insecure: true,
        })
    }

    /// The engine: nothing is listened to.
    pub fn engine(&self) -> EngineConfig {
        engine_without_listeners()
    }

    /// Metrics.
    pub fn operator(&self) -> OperatorConfig {
        self.metrics.operator(ScrapeNames::LogCacheAuthProxy)
    }
}

impl LogCacheMetrics {
    /// Plain HTTP for everybody, or mutual TLS on loopback; ours is where upstream's profiler would
    /// be, or somewhere.
    pub(super) fn operator(&self, names: ScrapeNames) -> OperatorConfig {
        let tls = is_set(&self.files.ca).then(|| self.files.tls());
        let host = match tls {
            Some(_) => Ipv4Addr::LOCALHOST,
            None => Ipv4Addr::UNSPECIFIED,
        };
        OperatorConfig {
            insecure: true,
            scrape: Some(ScrapeConfig {
                address: SocketAddr::from((host, self.port)),
                tls,
                names,
            }),
            ..operator(self.pprof_port.unwrap_or(0))
        }
    }
}

pub(super) fn is_set(path: &Path) -> bool {
    !path.as_os_str().is_empty()
}

pub(super) fn set(path: &Path) -> Option<PathBuf> {
    is_set(path).then(|| path.to_owned())
}

fn https((cert_file, key_file): &(PathBuf, PathBuf)) -> Option<HttpsFiles> {
    let files = || HttpsFiles {
        cert_file: cert_file.clone(),
        key_file: key_file.clone(),
    };
    (is_set(cert_file) || is_set(key_file)).then(files)
}
