//! The `[forward]` table.

use crate::limits::{
    AHEAD_BYTES, CONNECTIONS_MAX, DESTINATIONS_MAX, OUTBOX_BYTES_MAX, OUTBOX_BYTES_MIN,
    TAG_BYTES_MAX, TAGS_MAX,
};
use bytesize::ByteSize;
use hydrant_engine::record::Version;
use hydrant_rpc::address::{host, is_loopback};
use hydrant_rpc::tls::TlsFiles;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The `[forward]` table: components that everything is sent on to.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ForwardConfig {
    /// Default: none, and nothing is forwarded.
    pub destinations: Vec<DestinationConfig>,
    /// Envelopes that may wait for one destination, in bytes; beyond that its oldest are lost.
    /// Default: 16 MiB.
    pub outbox_bytes: ByteSize,
    /// Tags that v2 envelopes get if they have none of that name. Default: none.
    pub tags: BTreeMap<String, String>,
    /// Fields that v1 envelopes get if they have none, also if it is empty here. Default: none.
    pub v1: V1Tags,
    /// Whether counters that say how much they have grown get the total since we started. Default:
    /// true.
    pub totals: bool,
    /// Whether v2 logs are sent on; v1 logs are in any case, as upstream does it. Default: true.
    pub logs: bool,
}

/// The `[forward.v1]` table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct V1Tags {
    /// `Envelope.deployment`.
    pub deployment: Option<String>,
    /// `Envelope.job`.
    pub job: Option<String>,
    /// `Envelope.index`.
    pub index: Option<String>,
    /// `Envelope.ip`.
    pub ip: Option<String>,
}

/// A `[[forward.destinations]]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestinationConfig {
    /// `host:port`, resolved anew for each connection.
    pub address: String,
    /// `host:port` that is tried first: those of our own zone. Default: none.
    #[serde(default)]
    pub preferred_address: Option<String>,
    /// What it speaks. Default: v2.
    #[serde(default)]
    pub protocol: Protocol,
    /// Which envelopes it gets, converted if they are not its protocol's. Default: all.
    #[serde(default)]
    pub takes: Takes,
    /// Our certificate, and the CA of the destination's. Default: plaintext.
    #[serde(default)]
    pub tls: Option<TlsFiles>,
    /// The name that its certificate must have. Default: `metron`.
    #[serde(default = "metron")]
    pub server_name: String,
    /// Connections, each with a stream. Default: 1.
    #[serde(default = "one")]
    pub connections: u16,
    /// Whether connections are ended and made anew after some 100,000 messages. Default: false.
    #[serde(default)]
    pub recycle: bool,
    /// Whether HTTP/2 asks every 15 s if a silent destination is there, for Dopplers; upstream's agents
    /// end connections on which that happens. Default: false.
    #[serde(default)]
    pub keepalive: bool,
    /// Allows plaintext over the network. Default: false.
    #[serde(default)]
    pub insecure: bool,
}

/// What a destination speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// `plumbing.DopplerIngestor/Pusher`.
    V1,
    /// `loggregator.v2.Ingress/BatchSender`.
    #[default]
    V2,
}

/// Which envelopes a destination gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Takes {
    /// All of them.
    #[default]
    All,
    /// Those that came as v1.
    V1,
    /// Those that came as v2.
    V2,
}

impl Takes {
    /// Whether envelopes that came so are among them.
    pub const fn has(self, version: Version) -> bool {
        matches!(
            (self, version),
            (Self::All, _) | (Self::V1, Version::V1) | (Self::V2, Version::V2)
        )
    }
}

fn metron() -> String {
    "metron".to_owned()
}

const fn one() -> u16 {
    1
}

impl Default for ForwardConfig {
    fn default() -> Self {
        Self {
            destinations: Vec::new(),
            outbox_bytes: ByteSize::mib(16),
            tags: BTreeMap::new(),
            v1: V1Tags::default(),
            totals: true,
            logs: true,
        }
    }
}

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct ConfigError {
    /// The key, such as `forward.destinations[2].address`.
    pub key: String,
    /// What is wrong and what is allowed.
    pub problem: String,
}

impl ConfigError {
    fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            problem: problem.into(),
        }
    }
}

impl DestinationConfig {
    /// A destination at `address` with the defaults.
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            preferred_address: None,
            protocol: Protocol::default(),
            takes: Takes::default(),
            tls: None,
            server_name: metron(),
            connections: one(),
            recycle: false,
            keepalive: false,
            insecure: false,
        }
    }
}

impl ForwardConfig {
    /// Whether anything is forwarded.
    pub fn is_on(&self) -> bool {
        !self.destinations.is_empty()
    }

    /// Bytes that may be on their way to all destinations together, beside their outboxes.
    pub fn ahead_bytes(&self) -> u64 {
        let connections = self
            .destinations
            .iter()
            .map(|one| u64::from(one.connections));
        connections.sum::<u64>() * AHEAD_BYTES
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// Names the first key that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        let outbox_bytes = self.outbox_bytes.as_u64();
        if !(OUTBOX_BYTES_MIN..=OUTBOX_BYTES_MAX).contains(&outbox_bytes) {
            let problem = format!(
                "{} is not allowed: from {} to {}",
                self.outbox_bytes.display().iec(),
                ByteSize::b(OUTBOX_BYTES_MIN).display().iec(),
                ByteSize::b(OUTBOX_BYTES_MAX).display().iec(),
            );
            return Err(ConfigError::new("forward.outbox_bytes", problem));
        }
        self.check_tags()?;
        if self.destinations.len() > DESTINATIONS_MAX {
            let problem = format!("{}; at most {DESTINATIONS_MAX}", self.destinations.len());
            return Err(ConfigError::new("forward.destinations", problem));
        }
        let mut destinations = self.destinations.iter().enumerate();
        destinations.try_for_each(|(index, destination)| {
            destination.check(&format!("forward.destinations[{index}]"))
        })
    }

    fn check_tags(&self) -> Result<(), ConfigError> {
        if self.tags.len() > TAGS_MAX {
            let problem = format!("{} tags; at most {TAGS_MAX}", self.tags.len());
            return Err(ConfigError::new("forward.tags", problem));
        }
        let V1Tags {
            deployment,
            job,
            index,
            ip,
        } = &self.v1;
        let fields = [deployment, job, index, ip].into_iter().flatten();
        if fields.into_iter().any(|field| field.len() > TAG_BYTES_MAX) {
            let problem = format!("a value is longer than {TAG_BYTES_MAX} bytes");
            return Err(ConfigError::new("forward.v1", problem));
        }
        let mut tags = self.tags.iter().flat_map(|(key, value)| [key, value]);
        if tags.any(|text| text.len() > TAG_BYTES_MAX) {
            let problem = format!("a key or a value is longer than {TAG_BYTES_MAX} bytes");
            return Err(ConfigError::new("forward.tags", problem));
        }
        Ok(())
    }
}

impl DestinationConfig {
    fn check(&self, key: &str) -> Result<(), ConfigError> {
        self.check_address(&format!("{key}.address"), &self.address)?;
        if let Some(address) = &self.preferred_address {
            self.check_address(&format!("{key}.preferred_address"), address)?;
        }
        if !(1..=CONNECTIONS_MAX).contains(&self.connections) {
            let problem = format!(
                "{} is not allowed: from 1 to {CONNECTIONS_MAX}",
                self.connections
            );
            return Err(ConfigError::new(format!("{key}.connections"), problem));
        }
        Ok(())
    }

    fn check_address(&self, key: &str, address: &str) -> Result<(), ConfigError> {
        let Some(host) = host(address) else {
            let problem = format!("{address:?} is not host:port, such as agent.example:3458");
            return Err(ConfigError::new(key, problem));
        };
        if self.tls.is_some() || self.insecure || is_loopback(host) {
            return Ok(());
        }
        let problem = format!(
            "{address:?} would be sent to in plaintext over the network: give tls, or allow it with \
             insecure = true"
        );
        Err(ConfigError::new(key, problem))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ForwardConfig, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    fn problem(text: &str) -> String {
        let checked = parse(text).unwrap().check();
        checked.map_or_else(|error| error.to_string(), |()| String::new())
    }

    fn destination(keys: &str) -> String {
        format!("[[destinations]]\n{keys}\n")
    }

    #[test]
    fn nothing_is_said_and_nothing_is_forwarded() {
        let config = parse("").unwrap();
        config.check().unwrap();
        assert!(!config.is_on() && config.totals && config.logs);
    }

    #[test]
    fn a_destination_has_defaults() {
        let config = parse(&destination("address = 'localhost:3458'")).unwrap();
        config.check().unwrap();
        let [destination] = &config.destinations[..] else {
            panic!("{config:?}")
        };
        assert_eq!(destination.protocol, Protocol::V2);
        assert_eq!(destination.takes, Takes::All);
        assert_eq!((destination.connections, destination.recycle), (1, false));
        assert_eq!(destination.server_name, "metron");
    }

    #[test]
    fn errors_name_their_key() {
        for (text, key) in [
            ("outbox_bytes = '1 KiB'".to_owned(), "forward.outbox_bytes"),
            (
                format!("[tags]\nk = '{}'", "v".repeat(5000)),
                "forward.tags",
            ),
            (format!("[v1]\nip = '{}'", "v".repeat(5000)), "forward.v1"),
            (
                destination("address = 'x'"),
                "forward.destinations[0].address",
            ),
            (
                destination("address = 'h:0'"),
                "forward.destinations[0].address",
            ),
            (
                destination("address = 'localhost:1'") + &destination("address = '::1:8'"),
                "forward.destinations[1].address",
            ),
            (
                destination("address = 'localhost:1'\npreferred_address = 'a b:1'"),
                "forward.destinations[0].preferred_address",
            ),
            (
                destination("address = 'localhost:1'\nconnections = 0"),
                "forward.destinations[0].connections",
            ),
        ] {
            let said = problem(&text);
            assert!(said.starts_with(&format!("{key}: ")), "{text}: {said}");
        }
        let tags: String = (0..=TAGS_MAX).map(|n| format!("k{n} = ''\n")).collect();
        assert!(problem(&format!("[tags]\n{tags}")).starts_with("forward.tags: 65 tags"));
        let error = parse(&destination("address = 'a:1'\nprotocol = 'otlp'")).unwrap_err();
        assert!(error.contains("`v2`"), "{error}");
    }

    #[test]
    fn plaintext_over_the_network_must_be_allowed() {
        let far = destination("address = 'agent.example:3458'");
        assert!(problem(&far).contains("in plaintext over the network"));
        assert_eq!(problem(&(far.clone() + "insecure = true\n")), "");
        let tls = "tls = { cert_file = 'c', key_file = 'k', ca_file = 'a' }\n";
        assert_eq!(problem(&(far + tls)), "");
    }

    #[test]
    fn takes_say_which_versions() {
        let has = |takes: Takes| [Version::V1, Version::V2].map(|version| takes.has(version));
        assert_eq!(has(Takes::All), [true, true]);
        assert_eq!(has(Takes::V1), [true, false]);
        assert_eq!(has(Takes::V2), [false, true]);
    }
}
