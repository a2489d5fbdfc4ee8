//! Metrics and health: where they are shown, to whom, and under whose names.

use hydrant_engine::config::ConfigError;
use hydrant_rpc::tls::TlsFiles;
use serde::Deserialize;
use std::net::SocketAddr;

/// The `[operator]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperatorConfig {
    /// Where /metrics and /health are served. Default: 127.0.0.1:8089.
    pub address: SocketAddr,
    /// Whether `address` may be other than loopback: it has neither TLS nor access control.
    pub insecure: bool,
    /// Where the same is served to a scraper. Default: nowhere.
    pub scrape: Option<ScrapeConfig>,
}

/// The `[operator.scrape]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScrapeConfig {
    /// Where to listen.
    pub address: SocketAddr,
    /// Our certificate and key, and the authorities of the scrapers'. Default: none, plain HTTP.
    #[serde(default)]
    pub tls: Option<TlsFiles>,
    /// Whose metrics are shown, under whose names. Default: ours, all of them.
    #[serde(default)]
    pub names: ScrapeNames,
}

/// Whose metrics a scraper is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScrapeNames {
    /// All of ours, in OpenMetrics.
    #[default]
    Hydrant,
    /// Those of upstream's agent alone, as its endpoint shows them. So with those that follow.
    LoggregatorAgent,
    /// Those of upstream's forwarder agent.
    ForwarderAgent,
    /// Those of upstream's UDP forwarder.
    UdpForwarder,
    /// Those of upstream's syslog agent.
    SyslogAgent,
    /// Those of a Log Cache node.
    LogCache,
    /// Those of Log Cache's gateway, which has none of its own.
    LogCacheGateway,
    /// Those of Log Cache's auth proxy.
    LogCacheAuthProxy,
    /// Those of Log Cache's syslog server.
    LogCacheSyslogServer,
}

impl Default for OperatorConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 8089)),
            insecure: false,
            scrape: None,
        }
    }
}

impl OperatorConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.check_scrape()?;
        if self.address.ip().is_loopback() || self.insecure {
            return Ok(());
        }
        let problem = format!(
            "{} is not loopback, and there is neither TLS nor access control: choose a loopback \
             address or set operator.insecure = true",
            self.address
        );
        Err(ConfigError {
            key: "operator.address",
            problem,
        })
    }

    fn check_scrape(&self) -> Result<(), ConfigError> {
        let Some(scrape) = self.scrape.as_ref().filter(|it| it.tls.is_none()) else {
            return Ok(());
        };
        if scrape.address.ip().is_loopback() || self.insecure {
            return Ok(());
        }
        let problem = format!(
            "{} is not loopback, which needs operator.scrape.tls; operator.insecure = true does without",
            scrape.address
        );
        Err(ConfigError {
            key: "operator.scrape.address",
            problem,
        })
    }
}
