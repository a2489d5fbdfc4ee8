//! What an operator may set of the gRPC frontend.

use bytesize::ByteSize;
use hydrant_engine::config::ConfigError;
use hydrant_engine::limits::FRAME_BYTES_MAX;
use hydrant_rpc::tls::TlsFiles;
use serde::Deserialize;
use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;

/// The `[grpc]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GrpcConfig {
    /// Whether it runs. Default: true.
    pub enabled: bool,
    /// Where to listen; port 0 lets the kernel choose. Default: 127.0.0.1:8082.
    pub address: SocketAddr,
    /// Mutual TLS: our certificate and key, and the authorities of our clients'. Default: plaintext.
    pub tls: Option<TlsFiles>,
    /// Allows plaintext on an address that is not loopback. Default: false.
    pub insecure: bool,
    /// Threads, each a shard for what comes in and a worker for what goes out. Default: 1.
    pub workers: usize,
    /// By which of upstream's components v2 readers are treated. Default: both.
    pub rules: Rules,
    /// Envelopes that may wait for one session, in bytes; beyond that its oldest are lost. Default:
    /// 64 MiB.
    pub outbox_bytes: ByteSize,
    /// Envelopes that may wait for all sessions of a worker together, in bytes. Half of it is for
    /// who comes first, half is divided into equal shares that are always there. Default: 256 MiB.
    pub outboxes_bytes: ByteSize,
    /// Streams of readers of a worker at a time; who comes after that is told so. 0 refuses all.
    /// Default: 1000.
    pub sessions_max: usize,
    /// Connections of a worker at a time; who comes after that waits. Default: 4096.
    pub connections_max: usize,
}

/// The rules that differ between upstream's components.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rules {
    /// As the Doppler: a v2 request without selectors is served nothing, tags stay as they came.
    Doppler,
    /// As the Reverse Log Proxy: v2 readers only, tags as the request prefers them.
    ReverseLogProxy,
    /// As an agent: senders of v2 only, a batch by itself among them. Envelopes without a source id get
    /// their origin for one.
    Agent,
    /// All services of the Doppler, and v2 readers as the Reverse Log Proxy treats them: what
    /// a client expects that was made for one of the two.
    #[default]
    Both,
}

impl Rules {
    /// Whether v2 readers are treated as the Reverse Log Proxy does.
    pub(crate) const fn is_proxy(self) -> bool {
        matches!(self, Self::ReverseLogProxy | Self::Both)
    }

    /// Whether v2 envelopes are taken in.
    pub(crate) const fn has_senders(self) -> bool {
        self.is_doppler() || self.is_agent()
    }

    /// Whether there is nothing but v2 senders.
    pub(crate) const fn is_agent(self) -> bool {
        matches!(self, Self::Agent)
    }

    /// Whether there are the Doppler's services beside `Egress`.
    pub(crate) const fn is_doppler(self) -> bool {
        matches!(self, Self::Doppler | Self::Both)
    }
}

impl Default for GrpcConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            address: SocketAddr::from(([127, 0, 0, 1], 8082)),
            tls: None,
            insecure: false,
            workers: 1,
            rules: Rules::default(),
            outbox_bytes: ByteSize::mib(64),
            outboxes_bytes: ByteSize::mib(256),
            sessions_max: 1_000,
            connections_max: 4_096,
        }
    }
}

const WORKERS: RangeInclusive<usize> = 1..=32;
/// An envelope as large as UDP and TCP take them waits beside another, however small the outbox.
/// One by gRPC may be of 10 MiB: it is lost (`lane_full`) if it takes more than half of a lane, or
/// (`outbox_full`) more than an outbox, or than its share while the others' use up the rest.
const OUTBOX_BYTES: RangeInclusive<u64> = 4 * FRAME_BYTES_MAX as u64..=1 << 32;
const OUTBOXES_BYTES: RangeInclusive<u64> = 4 * FRAME_BYTES_MAX as u64..=1 << 40;
const SESSIONS: RangeInclusive<usize> = 0..=100_000;
const CONNECTIONS: RangeInclusive<usize> = 1..=100_000;

/// The key of the address, for errors.
pub(crate) const KEY_ADDRESS: &str = "grpc.address";

impl GrpcConfig {
    /// Checks what a single setting may be.
    ///
    /// # Errors
    /// Names the first key that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_address()?;
        in_range("grpc.workers", &self.workers, &WORKERS)?;
        let outbox_bytes = self.outbox_bytes.as_u64();
        in_range("grpc.outbox_bytes", &outbox_bytes, &OUTBOX_BYTES)?;
        let outboxes_bytes = self.outboxes_bytes.as_u64();
        in_range("grpc.outboxes_bytes", &outboxes_bytes, &OUTBOXES_BYTES)?;
        in_range("grpc.sessions_max", &self.sessions_max, &SESSIONS)?;
        in_range("grpc.connections_max", &self.connections_max, &CONNECTIONS)
    }

    fn check_address(&self) -> Result<(), ConfigError> {
        let is_safe = self.tls.is_some() || self.address.ip().to_canonical().is_loopback();
        if self.insecure || is_safe {
            return Ok(());
        }
        let problem = format!(
            "{} is not loopback and there is no grpc.tls: set it, or grpc.insecure = true",
            self.address
        );
        Err(ConfigError {
            key: KEY_ADDRESS,
            problem,
        })
    }
}

fn in_range<T: PartialOrd + Display>(
    key: &'static str,
    value: &T,
    range: &RangeInclusive<T>,
) -> Result<(), ConfigError> {
    if range.contains(value) {
        return Ok(());
    }
    let (least, most) = (range.start(), range.end());
    let problem = format!("{value} is not between {least} and {most}");
    Err(ConfigError { key, problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let config: GrpcConfig = toml::from_str(text).unwrap();
        config
            .check()
            .err()
            .map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn reads_its_table_and_nothing_else() {
        let config: GrpcConfig =
            toml::from_str("rules = \"reverse-log-proxy\"\nsessions_max = 3").unwrap();
        assert_eq!(
            (config.rules, config.sessions_max),
            (Rules::ReverseLogProxy, 3)
        );
        let error = toml::from_str::<GrpcConfig>("session_max = 1").unwrap_err();
        assert!(error.to_string().contains("session_max"), "{error}");
        let error = toml::from_str::<GrpcConfig>("rules = \"metron\"").unwrap_err();
        assert!(error.to_string().contains("`doppler`"), "{error}");
    }

    #[test]
    fn there_may_be_no_readers_at_all() {
        assert_eq!(problem("sessions_max = 0"), "");
    }

    #[test]
    fn plaintext_is_for_loopback() {
        assert_eq!(problem(""), "");
        assert!(problem("address = \"0.0.0.0:1\"").contains("grpc.insecure"));
        assert_eq!(problem("address = \"0.0.0.0:1\"\ninsecure = true"), "");
        let tls = "cert_file = \"c\"\nkey_file = \"k\"\nca_file = \"a\"";
        assert_eq!(
            problem(&format!("address = \"0.0.0.0:1\"\n[tls]\n{tls}")),
            ""
        );
    }

    #[test]
    fn what_is_out_of_range_names_its_key() {
        for (key, value) in [
            ("workers", "0"),
            ("outbox_bytes", "\"1 KiB\""),
            ("outboxes_bytes", "\"1 KiB\""),
            ("sessions_max", "100001"),
            ("connections_max", "0"),
        ] {
            let error = problem(&format!("{key} = {value}"));
            assert!(error.starts_with(&format!("grpc.{key}: ")), "{error}");
        }
    }
}
