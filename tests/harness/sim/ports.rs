//! The listeners of a simulated shard, and what holds for frames that come in by each.

use hydrant_engine::config::{EngineConfig, Secret, TcpConfig, UdpConfig};
use hydrant_engine::record::{SourceRule, Version};
use std::net::{Ipv4Addr, SocketAddr};

/// The secret of the listener that has one.
pub(super) const SECRET: &str = "hush";

/// Connections at a time; few, so that places are used again and again.
pub(super) const CONNECTIONS_MAX: u32 = 6;

/// One listener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Port {
    pub(super) version: Version,
    pub(super) is_udp: bool,
    pub(super) is_signed: bool,
}

pub(super) const UDP: [Port; 3] = [
    Port::udp(Version::V1, false),
    Port::udp(Version::V2, false),
    Port::udp(Version::V1, true),
];

pub(super) const TCP: [Port; 2] = [Port::tcp(Version::V1), Port::tcp(Version::V2)];

impl Port {
    const fn udp(version: Version, is_signed: bool) -> Self {
        Self {
            version,
            is_udp: true,
            is_signed,
        }
    }

    const fn tcp(version: Version) -> Self {
        Self {
            version,
            is_udp: false,
            is_signed: false,
        }
    }

    /// The agent's rule over UDP, the Doppler's over TCP.
    pub(super) fn source_rule(self) -> SourceRule {
        if self.is_udp {
            SourceRule::Origin
        } else {
            SourceRule::DeploymentJob
        }
    }

    /// The rule by which readers find the source id again: in v2 the envelope names it.
    pub(super) fn rule_of_record(self) -> SourceRule {
        match self.version {
            Version::V1 => self.source_rule(),
            Version::V2 => SourceRule::DeploymentJob,
        }
    }

    /// Agents refuse a v1 envelope whose event is not there.
    pub(super) fn needs_event(self) -> bool {
        self.is_udp
    }
}

/// The config of a simulated shard; its addresses are never opened.
pub fn config() -> EngineConfig {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    EngineConfig {
        udp: UDP
            .iter()
            .map(|port| UdpConfig {
                address,
                version: port.version,
                shared_secret: port.is_signed.then(|| Secret::new(SECRET)),
            })
            .collect(),
        tcp: TCP
            .iter()
            .map(|port| TcpConfig {
                address,
                version: port.version,
            })
            .collect(),
        connections_max: CONNECTIONS_MAX,
        ..EngineConfig::default()
    }
}
