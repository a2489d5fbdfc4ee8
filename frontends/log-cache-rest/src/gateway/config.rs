//! What an operator may set of the gateway.

use hydrant_engine::config::ConfigError;
use hydrant_http::HttpsFiles;
use hydrant_rpc::tls::TlsFiles;
use serde::Deserialize;
use std::net::SocketAddr;

/// The `[log_cache_gateway]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Where to listen; port 0 lets the kernel choose. Default: 127.0.0.1:8084;
    /// upstream's 8081 is the WebSocket frontend's here.
    pub address: SocketAddr,
    /// The certificate to serve HTTPS with, without asking for the client's. Default: none.
    pub tls: Option<HttpsFiles>,
    /// `host:port` of the node. Default: localhost:8080.
    pub node_address: String,
    /// What to show there and to verify it by. Default: none, plaintext.
    pub node_tls: Option<TlsFiles>,
    /// The name that the node's certificate must have. Default: log-cache.
    pub node_name: String,
    /// Whether `address` may be other than loopback: everybody who reaches it reads everything.
    pub insecure: bool,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8084)),
            tls: None,
            node_address: "localhost:8080".to_owned(),
            node_tls: None,
            node_name: "log-cache".to_owned(),
            insecure: false,
        }
    }
}

/// The key of the address, for errors.
pub(super) const KEY_ADDRESS: &str = "log_cache_gateway.address";

impl GatewayConfig {
    /// Checks what settings may be.
    ///
    /// # Errors
    /// Names the first key that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.insecure || self.address.ip().to_canonical().is_loopback() {
            return Ok(());
        }
        let problem = format!(
            "{} is not loopback, and everybody who reaches it reads everything; \
             log_cache_gateway.insecure = true allows that",
            self.address
        );
        Err(ConfigError {
            key: KEY_ADDRESS,
            problem,
        })
    }
}
