//! The ways of arriving that are measured.

use crate::load::{LoadConfig, Transport};
use clap::ValueEnum;
use hydrant_engine::config::{Cores, EngineConfig, TcpConfig, UdpConfig};
use hydrant_engine::record::Version;
use std::net::SocketAddr;

/// A way of arriving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scenario {
    /// UDP in trains: UDP_SEGMENT at the sender, UDP_GRO at the receiver.
    UdpGro,
    /// UDP, a datagram at a time.
    Udp,
    /// TCP, many frames a write.
    Tcp,
}

impl Scenario {
    /// Every scenario, in the order of the table.
    pub const ALL: [Self; 3] = [Self::UdpGro, Self::Udp, Self::Tcp];

    /// Its name in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UdpGro => "udp-gro",
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }

    /// Envelopes of a run: about a second's work.
    pub const fn work(self) -> u64 {
        match self {
            Self::UdpGro => 12_000_000,
            Self::Udp => 500_000,
            Self::Tcp => 8_000_000,
        }
    }

    /// Whether the transport holds the sender back, so that nothing may be lost on the way.
    pub const fn is_lossless(self) -> bool {
        matches!(self, Self::Tcp)
    }

    /// The engine's config: one shard on `core`, one listener on a port of the kernel's choice,
    /// everything else by default. The ceiling takes its sockets and buffers from it too.
    pub fn engine_config(self, core: usize) -> EngineConfig {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let version = Version::V2;
        let mut config = EngineConfig {
            cores: Cores::of(&[core]),
            udp: Vec::new(),
            tcp: Vec::new(),
            ..EngineConfig::default()
        };
        if self == Self::Tcp {
            config.tcp.push(TcpConfig { address, version });
        } else {
            config.udp.push(UdpConfig {
                address,
                version,
                shared_secret: None,
            });
        }
        config
    }

    /// The load of one run, to be sent from `core`.
    pub fn load(self, address: SocketAddr, core: usize) -> LoadConfig {
        let over = match self {
            Self::UdpGro | Self::Udp => Transport::Udp,
            Self::Tcp => Transport::Tcp,
        };
        LoadConfig {
            train: if self == Self::Udp { 1 } else { 64 },
            seconds: Some(60),
            core: Some(core),
            ..LoadConfig::new(address, over)
        }
    }
}
