//! What an operator may set of the engine, with defaults that run on any host, and the memory plan
//! that follows from it.

mod cores;
mod plan;

use crate::limits::{DATAGRAM_BYTES_MAX, FRAME_BYTES_MAX, LANES_MAX};
use crate::record::Version;
use crate::ring::record_bytes;
use bytesize::ByteSize;
pub use cores::{Cores, available_cores};
pub use plan::{MemoryPlan, PlanItem};
use serde::{Deserialize, Deserializer};
use std::net::SocketAddr;

/// The `[engine]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// Cores with a shard each: `"0-3"`, `"0,2"` or `[0, 1, 2]`. Default: a quarter of the available
    /// ones, at least one.
    pub cores: Cores,
    /// UDP listeners. Default: dropsonde v1 on 127.0.0.1:3457.
    pub udp: Vec<UdpConfig>,
    /// TCP listeners. Default: v1 envelopes on 127.0.0.1:3459.
    pub tcp: Vec<TcpConfig>,
    /// Size of a lane, of which each shard has one to each frontend worker. A power of two.
    /// Default: 16 MiB.
    pub lane_bytes: ByteSize,
    /// Receive buffers of a shard for UDP, 68 KiB each. A power of two. Default: 64.
    pub udp_buffers: u16,
    /// Receive buffers of a shard for TCP. A power of two. Default: 64.
    pub tcp_buffers: u16,
    /// Size of a TCP receive buffer. Default: 32 KiB.
    pub tcp_buffer_bytes: ByteSize,
    /// What the kernel may hold for a UDP socket (`SO_RCVBUF`). Default: 16 MiB.
    pub udp_receive_bytes: ByteSize,
    /// TCP connections of a shard. Default: 1024.
    pub connections_max: u32,
    /// What the memory plan may add up to. Default: 2 GiB.
    pub memory_max: ByteSize,
}

/// An `[[engine.udp]]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UdpConfig {
    /// Where to listen.
    pub address: SocketAddr,
    /// `"v1"` (dropsonde, the default) or `"v2"`: what a datagram holds.
    #[serde(default = "v1", deserialize_with = "version")]
    pub version: Version,
    /// If set, each datagram starts with the HMAC-SHA256 of the rest under this secret.
    #[serde(default)]
    pub shared_secret: Option<Secret>,
}

/// An `[[engine.tcp]]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TcpConfig {
    /// Where to listen.
    pub address: SocketAddr,
    /// `"v1"` (dropsonde, the default) or `"v2"`: what a frame holds.
    #[serde(default = "v1", deserialize_with = "version")]
    pub version: Version,
}

/// A secret, which no dump or log shows.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// A secret of this text.
    pub fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
        Self {
            cores: Cores::default(),
            udp: vec![UdpConfig {
                address: loopback(3457),
                version: Version::V1,
                shared_secret: None,
            }],
            tcp: vec![TcpConfig {
                address: loopback(3459),
                version: Version::V1,
            }],
            lane_bytes: ByteSize::mib(16),
            udp_buffers: 64,
            tcp_buffers: 64,
            tcp_buffer_bytes: ByteSize::kib(32),
            udp_receive_bytes: ByteSize::mib(16),
            connections_max: 1024,
            memory_max: ByteSize::gib(2),
        }
    }
}

/// Bytes of a receive buffer for UDP: the kernel's head, control messages, a whole train.
pub const UDP_BUFFER_BYTES: usize = (DATAGRAM_BYTES_MAX + 4096).next_multiple_of(4096);

/// A setting that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct ConfigError {
    /// The key, as in the file.
    pub key: &'static str,
    /// What is wrong and what is allowed.
    pub problem: String,
}

impl ConfigError {
    pub(crate) fn new(key: &'static str, problem: impl Into<String>) -> Self {
        Self {
            key,
            problem: problem.into(),
        }
    }
}

impl EngineConfig {
    /// Whether there is anything to listen to; without it there are no shards on io_uring.
    pub const fn has_listeners(&self) -> bool {
        !self.udp.is_empty() || !self.tcp.is_empty()
    }

    /// The cores with a shard on io_uring.
    ///
    /// # Errors
    /// As [`Cores::resolve`].
    pub fn shard_cores(&self) -> Result<Vec<usize>, ConfigError> {
        if self.has_listeners() {
            self.cores.resolve()
        } else {
            Ok(Vec::new())
        }
    }

    /// Checks the settings against each other, the limits and this host, for `lane_count` lanes a
    /// shard and `intake_count` shards that are driven by others; gives the memory plan.
    ///
    /// # Errors
    /// Names the first key that cannot be used.
    pub fn check(&self, lane_count: usize, intake_count: usize) -> Result<MemoryPlan, ConfigError> {
        if lane_count > LANES_MAX {
            let problem = format!("{lane_count} frontend workers; at most {LANES_MAX}");
            return Err(ConfigError::new("frontends", problem));
        }
        self.cores.resolve()?;
        self.check_lane_bytes()?;
        power_of_two("engine.udp_buffers", self.udp_buffers)?;
        power_of_two("engine.tcp_buffers", self.tcp_buffers)?;
        in_range(
            "engine.tcp_buffer_bytes",
            self.tcp_buffer_bytes.as_u64(),
            1024,
            1 << 20,
        )?;
        in_range(
            "engine.connections_max",
            self.connections_max.into(),
            1,
            32_768,
        )?;
        in_range(
            "engine.udp_receive_bytes",
            self.udp_receive_bytes.as_u64(),
            4096,
            1 << 30,
        )?;
        MemoryPlan::of(self, lane_count, intake_count)
    }

    fn check_lane_bytes(&self) -> Result<(), ConfigError> {
        let bytes = self.lane_bytes.as_u64();
        let smallest = (2 * record_bytes(FRAME_BYTES_MAX)).next_power_of_two() as u64;
        if bytes.is_power_of_two() && bytes >= smallest && bytes <= 1 << 36 {
            return Ok(());
        }
        let problem = format!(
            "{} is not allowed: a power of two from {} (two of the largest envelopes) to 64 GiB",
            self.lane_bytes.display().iec(),
            ByteSize::b(smallest).display().iec(),
        );
        Err(ConfigError::new("engine.lane_bytes", problem))
    }
}

fn power_of_two(key: &'static str, count: u16) -> Result<(), ConfigError> {
    if count.is_power_of_two() && (2..=32_768).contains(&count) {
        return Ok(());
    }
    Err(ConfigError::new(
        key,
        format!("{count} is not allowed: a power of two from 2 to 32768"),
    ))
}

fn in_range(key: &'static str, value: u64, least: u64, most: u64) -> Result<(), ConfigError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(ConfigError::new(
        key,
        format!("{value} is not allowed: from {least} to {most}"),
    ))
}

const fn v1() -> Version {
    Version::V1
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "v1" => Ok(Version::V1),
        "v2" => Ok(Version::V2),
        other => {
            let problem = format!("unknown version {other:?}, expected \"v1\" or \"v2\"");
            Err(serde::de::Error::custom(problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<EngineConfig, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn the_defaults_pass() {
        let plan = EngineConfig::default().check(2, 0).unwrap();
        assert!(plan.total_bytes() > 0);
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_what_is_allowed() {
        let error = parse("cores = \"0\"\nlane_byte = \"1 MiB\"").unwrap_err();
        assert!(error.contains("line 2"), "{error}");
        assert!(error.contains("lane_byte"), "{error}");
        assert!(error.contains("`lane_bytes`"), "{error}");
        let error = parse("[[udp]]\naddress = \"127.0.0.1:1\"\nversion = \"v3\"").unwrap_err();
        assert!(
            error.contains("line 3") && error.contains("\"v1\" or \"v2\""),
            "{error}"
        );
    }

    #[test]
    fn a_value_out_of_range_names_its_key() {
        let check = |text: &str| parse(text).unwrap().check(2, 0).unwrap_err().to_string();
        assert!(check("lane_bytes = \"3 MiB\"").starts_with("engine.lane_bytes: 3.0 MiB"));
        assert!(check("lane_bytes = 1024").starts_with("engine.lane_bytes"));
        assert!(check("udp_buffers = 3").starts_with("engine.udp_buffers: 3"));
        assert!(check("tcp_buffers = 1").starts_with("engine.tcp_buffers: 1"));
        assert!(check("tcp_buffer_bytes = 7").starts_with("engine.tcp_buffer_bytes: 7"));
        assert!(check("connections_max = 0").starts_with("engine.connections_max: 0"));
        assert!(check("udp_receive_bytes = 1").starts_with("engine.udp_receive_bytes: 1"));
        let lanes = EngineConfig::default().check(65, 0).unwrap_err();
        assert_eq!(lanes.key, "frontends");
    }

    #[test]
    fn a_ring_that_does_not_fit_the_plan_names_its_key() {
        let config = parse("cores = [0]\nlane_bytes = \"1 GiB\"").unwrap();
        let error = config.check(3, 1).unwrap_err();
        assert_eq!(error.key, "engine.lane_bytes");
        assert!(error.problem.contains("engine.memory_max"), "{error}");
    }

    #[test]
    fn a_secret_is_not_shown() {
        let config = parse("[[udp]]\naddress = \"127.0.0.1:1\"\nshared_secret = \"hush\"").unwrap();
        assert!(!format!("{config:?}").contains("hush"));
        assert_eq!(
            config.udp[0].shared_secret.as_ref().map(Secret::bytes),
            Some(&b"hush"[..])
        );
    }
}
