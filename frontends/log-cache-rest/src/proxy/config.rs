//! What an operator may set of the proxy.

use hydrant_access::{SourcesConfig, UaaConfig};
use hydrant_engine::config::ConfigError;
use hydrant_http::HttpsFiles;
use hydrant_http::client::Reach;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The `[log_cache_auth_proxy]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProxyConfig {
    /// Where to listen; port 0 lets the kernel choose. Default: 127.0.0.1:8083.
    #[serde(default = "address")]
    pub address: SocketAddr,
    /// The certificate to serve HTTPS with, without asking for the client's. Default: none, for
    /// loopback only.
    #[serde(default)]
    pub tls: Option<HttpsFiles>,
    /// URL of the gateway. Plain http for loopback only. Default: `http://localhost:8084`.
    #[serde(default = "gateway_address")]
    pub gateway_address: String,
    /// CAs of the gateway's certificate. Default: those of the machine.
    #[serde(default)]
    pub gateway_ca_file: Option<PathBuf>,
    /// Who signs tokens.
    pub uaa: UaaConfig,
    /// Who knows whose apps and service instances are whose.
    pub capi: SourcesConfig,
    /// Whether the certificates of both go unverified. Default: false.
    #[serde(default)]
    pub skip_cert_verify: bool,
    /// Whether queries are refused. Default: false.
    #[serde(default)]
    pub promql_unimplemented: bool,
    /// Where a line for each request is appended. Default: nowhere.
    #[serde(default)]
    pub security_event_log: Option<PathBuf>,
    /// The host that those lines name as ours. Default: 0.0.0.0.
    #[serde(default = "internal_ip")]
    pub internal_ip: String,
    /// Allows what is otherwise for loopback only: to listen without TLS, and to send tokens
    /// without. Default: false.
    #[serde(default)]
    pub insecure: bool,
}

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8083))
}

fn gateway_address() -> String {
    "http://localhost:8084".to_owned()
}

fn internal_ip() -> String {
    "0.0.0.0".to_owned()
}

/// The key of the address, for errors.
pub(super) const KEY_ADDRESS: &str = "log_cache_auth_proxy.address";

impl ProxyConfig {
    /// Checks what settings may be.
    ///
    /// # Errors
    /// Names the first key that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        let is_loopback = self.address.ip().to_canonical().is_loopback();
        if self.tls.is_none() && !is_loopback && !self.insecure {
            let problem = format!(
                "{} is not loopback, which needs log_cache_auth_proxy.tls; \
                 log_cache_auth_proxy.insecure = true does without",
                self.address
            );
            let key = KEY_ADDRESS;
            return Err(ConfigError { key, problem });
        }
        let gateway = (
            "log_cache_auth_proxy.gateway_address",
            &self.gateway_address,
        );
        let uaa = ("log_cache_auth_proxy.uaa.address", &self.uaa.address);
        for (key, address) in [gateway, uaa] {
            let problem = match Reach::of(address) {
                Ok(Reach::Plain) if !self.insecure => {
                    format!("{address} would get tokens or secrets in plain text")
                }
                Err(wrong) => wrong,
                Ok(_) => continue,
            };
            return Err(ConfigError { key, problem });
        }
        let key = "log_cache_auth_proxy.capi.address";
        self.capi.check(key, self.insecure)
    }
}
