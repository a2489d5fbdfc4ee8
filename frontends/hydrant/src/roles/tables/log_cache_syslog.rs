//! What the settings of Log Cache's syslog server are in our tables.

use super::log_cache::{is_set, set};
use super::{any_address, engine_without_listeners, millis};
use crate::config::{OperatorConfig, ScrapeNames};
use crate::roles::log_cache_syslog::LogCacheSyslogSettings;
use bytesize::ByteSize;
use hydrant_engine::config::EngineConfig;
use hydrant_log_cache_syslog::limits::{IDLE_TIMEOUT_MS_MAX, MESSAGE_BYTES_MAX};
use hydrant_log_cache_syslog::{Framing, LogCacheSyslogConfig, SyslogTls};

/// What upstream takes for a length that is none: RFC 5425's.
const MESSAGE_BYTES_RFC: u64 = 8192;

impl LogCacheSyslogSettings {
    /// The server. A length of more than 4 MiB is 4 MiB, and of nothing or less 8 KiB; a timeout of more
    /// than a day is a day, and of nothing or less a millisecond.
    pub fn syslog(&self) -> LogCacheSyslogConfig {
        let files = &self.node_files;
        let node_tls = [&files.ca, &files.cert, &files.key];
        let has_node_tls = node_tls.iter().any(|path| is_set(path));
        let (cert_file, key_file) = &self.tls;
        let tls = || SyslogTls {
            cert_file: cert_file.clone(),
            key_file: key_file.clone(),
            client_ca_file: set(&self.client_ca),
        };
        let bytes = u64::try_from(self.message_bytes_max).unwrap_or(0);
        let bytes = if bytes == 0 { MESSAGE_BYTES_RFC } else { bytes };
        LogCacheSyslogConfig {
            address: any_address(self.port),
            tls: (is_set(cert_file) || is_set(key_file)).then(tls),
            insecure: true,
            framing: match self.non_transparent_framing {
                true => Framing::NonTransparent,
                false => Framing::OctetCounting,
            },
            message_bytes_max: ByteSize::b(bytes.min(MESSAGE_BYTES_MAX)),
            idle_timeout_ms: millis(self.idle_timeout).clamp(1, IDLE_TIMEOUT_MS_MAX),
            trim_whitespace: self.trim_whitespace,
            node_address: match self.node_address.starts_with(':') {
                true => format!("localhost{}", self.node_address),
                false => self.node_address.clone(),
            },
            node_tls: has_node_tls.then(|| files.tls()),
            ..LogCacheSyslogConfig::default()
        }
    }

    /// The engine: nothing is listened to.
    pub fn engine(&self) -> EngineConfig {
        engine_without_listeners()
    }

    /// Metrics.
    pub fn operator(&self) -> OperatorConfig {
        self.metrics.operator(ScrapeNames::LogCacheSyslogServer)
    }
}
