//! Where bindings come from: the table `bindings` of the syslog frontend.

use crate::blacklist::Blacklist;
use crate::drain::Drain;
use crate::limits::REQUEST_TIMEOUT_MS;
use crate::secret::Secret;
use crate::service::{ServiceConfig, ServiceKeys, check_time, problem};
use hydrant_engine::config::ConfigError;
use serde::Deserialize;

/// The table `[syslog.bindings]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BindingsConfig {
    /// The binding cache. Default: none; then there have to be `aggregate_urls`.
    pub cache: Option<ServiceConfig>,
    /// How often the cache is asked for apps' bindings; each process takes up to as much again, by
    /// chance. Default: 60 000, as upstream; BOSH sets 15 000.
    pub interval_ms: u64,
    /// How often the cache is asked for aggregate drains. Default: 60 000, as upstream.
    pub aggregates_interval_ms: u64,
    /// Aggregate drains' URLs; empty ones are none, as upstream. If there are any, the cache is not
    /// asked for others. Default: none.
    pub aggregate_urls: Vec<Secret>,
    /// Drains that an app may have; of more, the first by URL. Default: 5, as upstream.
    pub per_app_limit: usize,
    /// Addresses that apps' drains must not have: `["10.0.0.0-10.255.255.255"]`, ends included.
    /// Default: none.
    pub blacklist: Blacklist,
    /// Whether it is reported that the cache serves what it should have rejected. Default: true.
    pub warn_on_invalid: bool,
    /// How long the cache may take for an answer. Default: 30 000.
    pub timeout_ms: u64,
}

impl Default for BindingsConfig {
    fn default() -> Self {
        Self {
            cache: None,
            interval_ms: 60_000,
            aggregates_interval_ms: 60_000,
            aggregate_urls: Vec::new(),
            per_app_limit: 5,
            blacklist: Blacklist::default(),
            warn_on_invalid: true,
            timeout_ms: REQUEST_TIMEOUT_MS,
        }
    }
}

const CACHE: ServiceKeys = ServiceKeys {
    url: "syslog.bindings.cache.url",
    tls: "syslog.bindings.cache.tls",
    server_name: "syslog.bindings.cache.server_name",
};
const AGGREGATES: &str = "syslog.bindings.aggregate_urls";

impl BindingsConfig {
    /// The URLs that are some.
    pub(super) fn aggregates(&self) -> impl Iterator<Item = &Secret> {
        self.aggregate_urls.iter().filter(|url| !url.is_empty())
    }

    /// Checks the table.
    ///
    /// # Errors
    /// Names the first key that cannot be used; shows no drain's URL.
    pub fn check(&self) -> Result<(), ConfigError> {
        match &self.cache {
            Some(cache) => cache.check(&CACHE)?,
            None if self.aggregates().next().is_none() => {
                let problem = format!("is needed where there are no {AGGREGATES}");
                return Err(ConfigError {
                    key: "syslog.bindings.cache",
                    problem,
                });
            }
            None => {}
        }
        check_time("syslog.bindings.interval_ms", self.interval_ms)?;
        let aggregates_interval = "syslog.bindings.aggregates_interval_ms";
        check_time(aggregates_interval, self.aggregates_interval_ms)?;
        check_time("syslog.bindings.timeout_ms", self.timeout_ms)?;
        let urls = self.aggregate_urls.iter().enumerate();
        for (index, url) in urls.filter(|(_, url)| !url.is_empty()) {
            if let Err(error) = Drain::parse(url.reveal()) {
                return problem(AGGREGATES, format!("[{index}]: {error}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> BindingsConfig {
        toml::from_str(text).unwrap()
    }

    fn wrong(text: &str) -> String {
        read(text).check().unwrap_err().to_string()
    }

    const FILES: &str = "{ cert_file = 'c', key_file = 'k', ca_file = 'a' }";

    #[test]
    fn a_cache_or_aggregate_drains_suffice() {
        let cache =
            format!("cache = {{ url = 'https://c:9000', server_name = 'c', tls = {FILES} }}");
        let config = read(&cache);
        config.check().unwrap();
        assert_eq!((config.interval_ms, config.per_app_limit), (60_000, 5));
        let config = read("aggregate_urls = ['', 'syslog://h:1']");
        config.check().unwrap();
        assert_eq!(config.aggregates().count(), 1);
        read("cache = { url = 'http://127.0.0.1:1' }")
            .check()
            .unwrap();
        let config = read("aggregate_urls = ['syslog://u:hush@h:1']");
        config.check().unwrap();
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn a_wrong_key_is_named() {
        let error = wrong("aggregate_urls = ['']");
        assert!(
            error.starts_with("syslog.bindings.cache: is needed "),
            "{error}"
        );
        let error = wrong("");
        assert!(
            error.starts_with("syslog.bindings.cache: is needed "),
            "{error}"
        );
        for (text, key) in [
            ("url = 'https://c'".to_owned(), "cache.tls: "),
            (
                format!("url = 'https://c', tls = {FILES}"),
                "cache.server_name: ",
            ),
            (
                "url = 'http://10.0.0.1'".to_owned(),
                "cache.url: http://10.0.0.1 would send private",
            ),
            ("url = 'c:1'".to_owned(), "cache.url: "),
        ] {
            let error = wrong(&format!("cache = {{ {text} }}"));
            assert!(
                error.starts_with(&format!("syslog.bindings.{key}")),
                "{error}"
            );
        }
        for key in ["interval_ms", "aggregates_interval_ms", "timeout_ms"] {
            let error = wrong(&format!("cache = {{ url = 'http://[::1]' }}\n{key} = 0"));
            assert!(
                error.starts_with(&format!("syslog.bindings.{key}: 0 is not")),
                "{error}"
            );
        }
        let error = wrong("aggregate_urls = ['syslog://h:1', 'syslog://u:hush@h']");
        assert!(error.starts_with("syslog.bindings.aggregate_urls: [1]: drain URL has no port"));
        assert!(!error.contains("hush"), "{error}");
    }

    #[test]
    fn ranges_are_read_with_the_file() {
        let config = read("blacklist = ['10.0.0.0-10.0.0.9', 'fd00::-fd00::1']");
        assert!(config.blacklist.contains("10.0.0.9".parse().unwrap()));
        let error = toml::from_str::<BindingsConfig>("blacklist = ['10.0.0.9-10.0.0.1']");
        let error = error.unwrap_err().to_string();
        assert!(error.contains("has to be before End 10.0.0.1"), "{error}");
    }
}
