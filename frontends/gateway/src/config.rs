//! What an operator may set of the gateway.

use hydrant_access::{AccessConfig, Keys};
use hydrant_engine::config::ConfigError;
use hydrant_http::HttpsFiles;
use hydrant_rpc::tls::TlsFiles;
use serde::Deserialize;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

/// The `[gateway]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewayConfig {
    /// Where to listen; port 0 lets the kernel choose. Default: 127.0.0.1:8088.
    pub address: SocketAddr,
    /// The certificate to serve HTTPS with, without asking for the client's. Default: none, plain
    /// HTTP, for loopback only.
    pub tls: Option<HttpsFiles>,
    /// Where logs come from.
    pub provider: ProviderConfig,
    /// Who may read. Default: everybody, for loopback only. Remembers nothing by default, as
    /// upstream.
    pub access: Option<AccessConfig>,
    /// A stream ends after this time, with an event that says so; 0: never. Default: 0; upstream:
    /// 840000 (14 minutes).
    pub stream_timeout_ms: u64,
    /// An event without contents is sent after this time without any. Default: 15000, as upstream.
    pub heartbeat_ms: u64,
    /// Streams at a time; who comes after that is answered 503. Default: 10000.
    pub streams_max: u32,
    /// Whether requests are written to stdout in Apache's common format, each when its answer is
    /// over; as upstream, a stdout that nobody reads holds everything up. Default: false; upstream
    /// always does.
    pub access_log: bool,
    /// Allows what is otherwise for loopback only: to listen without TLS or without access control,
    /// and to send tokens or fetch logs without TLS. Default: false.
    pub insecure: bool,
}

/// The `[gateway.provider]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderConfig {
    /// `host:port` of a `loggregator.v2.Egress` service. Default: 127.0.0.1:8082.
    pub address: String,
    /// What to show there and to verify it by. Default: none, plaintext, for loopback only.
    pub tls: Option<TlsFiles>,
    /// The name that its certificate must have. Default: reverselogproxy, as upstream.
    pub server_name: String,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8088)),
            tls: None,
            provider: ProviderConfig::default(),
            access: None,
            stream_timeout_ms: 0,
            heartbeat_ms: 15_000,
            streams_max: 10_000,
            access_log: false,
            insecure: false,
        }
    }
}

impl Default for ProviderConfig {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:8082".to_owned(),
            tls: None,
            server_name: "reverselogproxy".to_owned(),
        }
    }
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
const STREAM_TIMEOUT_MS: RangeInclusive<u64> = 0..=365 * DAY_MS;
const HEARTBEAT_MS: RangeInclusive<u64> = 1..=DAY_MS;
const STREAMS: RangeInclusive<u32> = 1..=1_000_000;

/// The key of the address, for errors.
pub(crate) const KEY_ADDRESS: &str = "gateway.address";

impl GatewayConfig {
    /// Checks what single settings may be, and which go together.
    ///
    /// # Errors
    /// Names the first key that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_address()?;
        self.provider.check(self.insecure)?;
        self.check_access()?;
        in_range(
            "gateway.stream_timeout_ms",
            &self.stream_timeout_ms,
            &STREAM_TIMEOUT_MS,
        )?;
        in_range("gateway.heartbeat_ms", &self.heartbeat_ms, &HEARTBEAT_MS)?;
        in_range("gateway.streams_max", &self.streams_max, &STREAMS)
    }

    fn check_access(&self) -> Result<(), ConfigError> {
        let Some(access) = &self.access else {
            return Ok(());
        };
        access.check(&Keys::GATEWAY, self.insecure)?;
        if access.capi.external_address.is_none() {
            let key = Keys::GATEWAY.capi_external_address;
            return problem(key, "is needed: it knows whose service instances are whose");
        }
        Ok(())
    }

    fn check_address(&self) -> Result<(), ConfigError> {
        if self.insecure || is_loopback(self.address.ip()) {
            return Ok(());
        }
        let missing = match (&self.tls, &self.access) {
            (None, _) => "gateway.tls",
            (_, None) => "gateway.access",
            (Some(_), Some(_)) => return Ok(()),
        };
        let problem = format!(
            "{} is not loopback, which needs {missing}; gateway.insecure = true does without",
            self.address
        );
        Err(ConfigError {
            key: KEY_ADDRESS,
            problem,
        })
    }
}

impl ProviderConfig {
    fn check(&self, is_insecure: bool) -> Result<(), ConfigError> {
        let key = "gateway.provider.address";
        let host = match self.address.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => host,
            _ => return problem(key, format!("{:?} is not host:port", self.address)),
        };
        if self.tls.is_some() || is_insecure || is_loopback_name(host) {
            return Ok(());
        }
        let needs = "is not loopback, which needs gateway.provider.tls; \
                     gateway.insecure = true does without";
        problem(key, format!("{} {needs}", self.address))
    }
}

fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether a host is loopback without asking DNS.
fn is_loopback_name(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse().is_ok_and(is_loopback)
}

fn problem<T>(key: &'static str, problem: impl Into<String>) -> Result<T, ConfigError> {
    let problem = problem.into();
    Err(ConfigError { key, problem })
}

fn in_range<T: PartialOrd + Display>(
    key: &'static str,
    value: &T,
    range: &RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if range.contains(value) {
        return Ok(());
    }
    let (start, end) = (range.start(), range.end());
    problem(key, format!("{value} is not between {start} and {end}"))
}

#[cfg(test)]
mod tests;
