//! What an operator may set of the syslog server.

use crate::framing::Framing;
use crate::limits::{
    CONNECTIONS_MAX_DEFAULT, IDLE_TIMEOUT_MS_DEFAULT, IDLE_TIMEOUT_MS_MAX, MESSAGE_BYTES_DEFAULT,
    MESSAGE_BYTES_MAX, OUTBOX_BYTES_DEFAULT, OUTBOX_BYTES_MIN,
};
use bytesize::ByteSize;
use hydrant_engine::config::ConfigError;
use hydrant_rpc::tls::{ServerTls, TlsError, TlsFiles};
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The `[log_cache_syslog]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogCacheSyslogConfig {
    /// Where to listen; port 0 lets the kernel choose. Default: 127.0.0.1:8888.
    pub address: SocketAddr,
    /// TLS, of senders who prove who they are or not. Default: plaintext.
    pub tls: Option<SyslogTls>,
    /// Whether plaintext may be on an address that is not loopback.
    pub insecure: bool,
    /// How messages are told apart. Default: octet-counting.
    pub framing: Framing,
    /// Bytes of a message; its connection is closed if there are more. Default: 65 KiB.
    pub message_bytes_max: ByteSize,
    /// A connection is closed if no whole message comes in so many milliseconds. Default: two minutes.
    pub idle_timeout_ms: u64,
    /// Whether white space around the text of a log is left out. Default: true.
    pub trim_whitespace: bool,
    /// Connections at a time; the next wait. Default: 4096.
    pub connections_max: usize,
    /// `host:port` of the node. Default: localhost:8080, where `[log_cache]` is.
    pub node_address: String,
    /// What to show there and to verify it by. Default: none, plaintext.
    pub node_tls: Option<TlsFiles>,
    /// The name that the node's certificate must have. Default: log-cache.
    pub node_name: String,
    /// What may wait for the node; the oldest envelopes are lost beyond it. Default: 64 MiB.
    pub outbox_bytes: ByteSize,
}

/// The files of TLS with senders.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyslogTls {
    /// PEM file of our certificate, followed by those between it and the CA.
    pub cert_file: PathBuf,
    /// PEM file of its key.
    pub key_file: PathBuf,
    /// PEM file of the CAs of senders; who shows no certificate of theirs is refused. Default: nobody is
    /// asked for one.
    #[serde(default)]
    pub client_ca_file: Option<PathBuf>,
}

impl SyslogTls {
    pub(crate) fn load(&self) -> Result<ServerTls, TlsError> {
        let (cert_file, key_file) = (&self.cert_file, &self.key_file);
        match &self.client_ca_file {
            None => ServerTls::load_without_client_auth(cert_file, key_file),
            Some(ca_file) => ServerTls::load(&TlsFiles {
                cert_file: cert_file.clone(),
                key_file: key_file.clone(),
                ca_file: ca_file.clone(),
                suites: Vec::new(),
            }),
        }
    }
}

impl Default for LogCacheSyslogConfig {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8888)),
            tls: None,
            insecure: false,
            framing: Framing::default(),
            message_bytes_max: ByteSize::b(MESSAGE_BYTES_DEFAULT),
            idle_timeout_ms: IDLE_TIMEOUT_MS_DEFAULT,
            trim_whitespace: true,
            connections_max: CONNECTIONS_MAX_DEFAULT,
            node_address: "localhost:8080".to_owned(),
            node_tls: None,
            node_name: "log-cache".to_owned(),
            outbox_bytes: ByteSize::b(OUTBOX_BYTES_DEFAULT),
        }
    }
}

impl LogCacheSyslogConfig {
    /// Checks what settings may be.
    ///
    /// # Errors
    /// Names the first key that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        let is_open = self.tls.is_none() && !self.insecure;
        if is_open && !self.address.ip().to_canonical().is_loopback() {
            let text = "is reachable from other hosts in plaintext: add log_cache_syslog.tls, or set \
                        log_cache_syslog.insecure = true";
            return Err(problem("log_cache_syslog.address", text));
        }
        for (key, value, (least, most)) in [
            (
                "log_cache_syslog.message_bytes_max",
                self.message_bytes_max.as_u64(),
                (1, MESSAGE_BYTES_MAX),
            ),
            (
                "log_cache_syslog.idle_timeout_ms",
                self.idle_timeout_ms,
                (1, IDLE_TIMEOUT_MS_MAX),
            ),
            (
                "log_cache_syslog.connections_max",
                self.connections_max as u64,
                (1, u64::from(u32::MAX)),
            ),
            (
                "log_cache_syslog.outbox_bytes",
                self.outbox_bytes.as_u64(),
                (OUTBOX_BYTES_MIN, u64::MAX),
            ),
        ] {
            if !(least..=most).contains(&value) {
                let text = format!("is {value}: from {least} to {most}");
                return Err(problem(key, text));
            }
        }
        Ok(())
    }

    /// What connections hold at most, of messages that have not come whole.
    pub fn connections_bytes(&self) -> u64 {
        let count = self.connections_max as u64;
        count.saturating_mul(self.message_bytes_max.as_u64())
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

    #[test]
    fn what_cannot_be_is_named() {
        LogCacheSyslogConfig::default().check().unwrap();
        for (text, key) in [
            ("address = \"0.0.0.0:1\"", "log_cache_syslog.address"),
            (
                "message_bytes_max = 0",
                "log_cache_syslog.message_bytes_max",
            ),
            (
                "message_bytes_max = \"5 MiB\"",
                "log_cache_syslog.message_bytes_max",
            ),
            ("idle_timeout_ms = 0", "log_cache_syslog.idle_timeout_ms"),
            ("connections_max = 0", "log_cache_syslog.connections_max"),
            ("outbox_bytes = \"1 MiB\"", "log_cache_syslog.outbox_bytes"),
        ] {
            let config: LogCacheSyslogConfig = toml::from_str(text).unwrap();
            let said = config.check().unwrap_err().to_string();
            assert!(said.starts_with(key), "{said}");
        }
        let open = "address = \"0.0.0.0:1\"\ninsecure = true\nframing = \"non-transparent\"";
        let open: LogCacheSyslogConfig = toml::from_str(open).unwrap();
        open.check().unwrap();
        assert_eq!(open.framing, Framing::NonTransparent);
    }
}
