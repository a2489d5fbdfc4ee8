//! What an operator may set of Log Cache.

use crate::limits::{COUNT_PER_SOURCE_DEFAULT, MEMORY_BYTES_MIN, WRITE_INTERVAL_S};
use crate::store::Bounds;
use bytesize::ByteSize;
use hydrant_engine::config::ConfigError;
use hydrant_rpc::tls::TlsFiles;
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The `[log_cache]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogCacheConfig {
    /// Where to listen for gRPC; port 0 lets the kernel choose. Default: 127.0.0.1:8080.
    pub address: SocketAddr,
    /// Mutual TLS: our certificate and key, and the authorities of our clients'. Default: plaintext.
    pub tls: Option<TlsFiles>,
    /// Allows plaintext on an address that is not loopback. Default: false.
    pub insecure: bool,
    /// Memory for envelopes; what is more is dropped, of the sources with most first. Default: 512 MiB.
    pub memory: ByteSize,
    /// Envelopes that are kept of a source. Default: 100000.
    pub max_per_source: u64,
    /// Seconds after which envelopes are dropped, by their own timestamps, a segment at a time; 0 for
    /// never. Default: 0.
    pub max_age_s: u64,
    /// Where everything is written to, so that it is there after a restart. Default: nowhere.
    pub directory: Option<PathBuf>,
    /// Seconds between writes, after a crash what came since the last one is lost. Default: 10.
    pub write_interval_s: u64,
    /// Parts that sources are spread over, each one thread's at a time. Default: 1.
    pub partitions: usize,
    /// Connections at a time; who comes after that waits. Default: 4096.
    pub connections_max: usize,
}

impl Default for LogCacheConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            tls: None,
            insecure: false,
            memory: ByteSize::mib(512),
            max_per_source: COUNT_PER_SOURCE_DEFAULT,
            max_age_s: 0,
            directory: None,
            write_interval_s: WRITE_INTERVAL_S,
            partitions: 1,
            connections_max: 4096,
        }
    }
}

impl LogCacheConfig {
    /// Names the first key that cannot be used.
    ///
    /// # Errors
    /// The key, and what is allowed.
    pub fn check(&self) -> Result<(), ConfigError> {
        let is_open = self.tls.is_none() && !self.insecure;
        if is_open && !self.address.ip().is_loopback() {
            let text = "is reachable from other hosts in plaintext: add log_cache.tls, or set log_cache.insecure = true";
            return Err(problem("log_cache.address", text));
        }
        if self.memory.as_u64() < MEMORY_BYTES_MIN {
            let text = format!(
                "is {}: at least {}",
                self.memory,
                ByteSize(MEMORY_BYTES_MIN)
            );
            return Err(problem("log_cache.memory", text));
        }
        for (key, value) in [
            ("log_cache.max_per_source", self.max_per_source),
            ("log_cache.write_interval_s", self.write_interval_s),
            ("log_cache.partitions", self.partitions as u64),
            ("log_cache.connections_max", self.connections_max as u64),
        ] {
            if value == 0 {
                return Err(problem(key, "is 0: at least 1"));
            }
        }
        Ok(())
    }

    /// What the store may keep.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            memory_bytes: usize::try_from(self.memory.as_u64()).unwrap_or(usize::MAX),
            count_per_source: self.max_per_source,
        }
    }
}

fn problem(key: &'static str, text: impl Into<String>) -> ConfigError {
    ConfigError {
        key,
        problem: text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(set: impl FnOnce(&mut LogCacheConfig)) -> String {
        let mut config = LogCacheConfig::default();
        set(&mut config);
        config.check().unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_is_named() {
        LogCacheConfig::default().check().unwrap();
        let open = problem(|config| config.address = "0.0.0.0:1".parse().unwrap());
        assert!(open.contains("log_cache.address"), "{open}");
        let small = problem(|config| config.memory = ByteSize::kib(1));
        assert!(small.contains("log_cache.memory"), "{small}");
        let none = problem(|config| config.max_per_source = 0);
        assert!(none.contains("log_cache.max_per_source"), "{none}");
        let none = problem(|config| config.partitions = 0);
        assert!(none.contains("log_cache.partitions"), "{none}");
    }
}
