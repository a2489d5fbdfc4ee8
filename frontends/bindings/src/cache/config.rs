//! The table `[binding_cache]`.

use crate::blacklist::Blacklist;
use crate::limits::{BATCH_SIZE_MAX, REQUEST_TIMEOUT_MS};
use crate::service::{ServiceConfig, ServiceKeys, check_time, problem};
use hydrant_engine::config::ConfigError;
use hydrant_rpc::tls::TlsFiles;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A binding cache: where it asks, what it checks, and where it serves.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheConfig {
    /// Where agents ask.
    pub address: SocketAddr,
    /// What to show them, and the CAs of theirs: who has no certificate of one is refused.
    pub tls: TlsFiles,
    /// The Cloud Controller.
    pub api: ServiceConfig,
    /// Bindings that it is asked for at a time. Default: 1000, as upstream.
    #[serde(default = "batch_size")]
    pub batch_size: u32,
    /// How long after a round the next one begins. Default: 15 000, as upstream; BOSH sets 60 000.
    #[serde(default = "interval_ms")]
    pub interval_ms: u64,
    /// How long the Cloud Controller may take for a page. Default: 30 000.
    #[serde(default = "timeout_ms")]
    pub timeout_ms: u64,
    /// YAML file of the operator's drains, which get every app's envelopes: a list of `url`, `cert`,
    /// `key` and `ca`. Read at start. Default: none.
    #[serde(default)]
    pub aggregate_drains_file: Option<PathBuf>,
    /// Addresses that apps' drains must not have: `["10.0.0.0-10.255.255.255"]`, ends included.
    /// Default: none.
    #[serde(default)]
    pub blacklist: Blacklist,
    /// Whether apps, and the log, are told what is wrong with their bindings. Default: true.
    #[serde(default = "warn_on_invalid")]
    pub warn_on_invalid: bool,
}

const fn batch_size() -> u32 {
    1_000
}

const fn interval_ms() -> u64 {
    15_000
}

const fn timeout_ms() -> u64 {
    REQUEST_TIMEOUT_MS
}

const fn warn_on_invalid() -> bool {
    true
}

const API: ServiceKeys = ServiceKeys {
    url: "binding_cache.api.url",
    tls: "binding_cache.api.tls",
    server_name: "binding_cache.api.server_name",
};

impl CacheConfig {
    /// Checks the table.
    ///
    /// # Errors
    /// Names the first key that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.api.check(&API)?;
        let batch_size = self.batch_size;
        if !(1..=BATCH_SIZE_MAX).contains(&batch_size) {
            let range = format!("{batch_size} is not between 1 and {BATCH_SIZE_MAX}");
            return problem("binding_cache.batch_size", range);
        }
        check_time("binding_cache.interval_ms", self.interval_ms)?;
        check_time("binding_cache.timeout_ms", self.timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "address = '[::]:9000'\n\
                         tls = { cert_file = 'c', key_file = 'k', ca_file = 'a' }\n\
                         [api]\nurl = 'http://localhost:9023'";

    fn wrong(more: &str) -> String {
        let config: CacheConfig = toml::from_str(&format!("{more}\n{LEAST}")).unwrap();
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn the_rest_is_as_upstream_has_it() {
        let config: CacheConfig = toml::from_str(LEAST).unwrap();
        config.check().unwrap();
        assert_eq!((config.batch_size, config.interval_ms), (1_000, 15_000));
        assert!(config.warn_on_invalid && config.blacklist.is_empty());
    }

    #[test]
    fn a_wrong_key_is_named() {
        for (more, error) in [
            ("batch_size = 0", "binding_cache.batch_size: 0 is not"),
            ("interval_ms = 0", "binding_cache.interval_ms: 0 is not"),
            (
                "timeout_ms = 86400001",
                "binding_cache.timeout_ms: 86400001 is",
            ),
        ] {
            let said = wrong(more);
            assert!(said.starts_with(error), "{said}");
        }
    }
}
