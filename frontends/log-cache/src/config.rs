//! What an operator may set of Log Cache.

use crate::limits::{
    COUNT_PER_SOURCE_DEFAULT, MEMORY_BYTES_MIN, NODES_MAX, PEER_OUTBOX_BYTES_MIN, QUERY_TIMEOUT_S,
    WRITE_INTERVAL_S,
};
use crate::store::Bounds;
use bytesize::ByteSize;
use hydrant_engine::config::ConfigError;
use hydrant_rpc::address::{host, is_loopback};
use hydrant_rpc::tls::TlsFiles;
use serde::Deserialize;
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The `[log_cache]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogCacheConfig {
    /// Where to listen for gRPC; port 0 lets the kernel choose. Default: 127.0.0.1:8080.
    pub address: SocketAddr,
    /// Mutual TLS: our certificate and key, and the authorities of our clients'. The same for other
    /// nodes, whose certificates must name `log-cache`. Default: plaintext.
    pub tls: Option<TlsFiles>,
    /// Allows plaintext on an address, or to a node, that is not loopback. Default: false.
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
    /// The nodes that keep sources together, as `host:port`, this one among them: the same list for each,
    /// in the same order, upstream's nodes included. Default: none, this one keeps all.
    pub nodes: Vec<String>,
    /// Which of `nodes` this one is, from 0. Default: 0.
    pub node_index: usize,
    /// Memory for what waits for another node, each; its oldest envelopes are lost beyond it. Default: 16 MiB.
    pub peer_outbox: ByteSize,
    /// Envelopes that wait for another node; as `peer_outbox`. Default: 10000.
    pub peer_outbox_count: u64,
    /// Envelopes that are worth a batch to another node; there are more in it if more wait. Default: 100.
    pub peer_batch_count: u64,
    /// Milliseconds after which fewer are sent. Default: 250.
    pub peer_batch_ms: u64,
    /// Milliseconds that a query may take, what it asks of other nodes included. Default: 10000.
    pub query_timeout_ms: u64,
    /// What upstream's metrics call all memory, which the memory for envelopes is a share of. Default:
    /// that memory.
    #[serde(skip)]
    pub memory_total: Option<MemoryTotal>,
}

/// All memory, as upstream's node knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryTotal {
    /// So many bytes, of which somebody decided.
    Given(u64),
    /// The machine's, in bytes.
    Machine(u64),
}

impl MemoryTotal {
    /// In bytes.
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Given(bytes) | Self::Machine(bytes) => bytes,
        }
    }
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
            nodes: Vec::new(),
            node_index: 0,
            peer_outbox: ByteSize::mib(16),
            peer_outbox_count: 10_000,
            peer_batch_count: 100,
            peer_batch_ms: 250,
            query_timeout_ms: QUERY_TIMEOUT_S * 1_000,
            memory_total: None,
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
            ("log_cache.peer_outbox_count", self.peer_outbox_count),
            ("log_cache.peer_batch_count", self.peer_batch_count),
            ("log_cache.query_timeout_ms", self.query_timeout_ms),
        ] {
            if value == 0 {
                return Err(problem(key, "is 0: at least 1"));
            }
        }
        self.check_nodes()
    }

    fn check_nodes(&self) -> Result<(), ConfigError> {
        let mut known = HashSet::new();
        for address in &self.nodes {
            if let Some(text) = self.problem_of(address) {
                return Err(problem("log_cache.nodes", format!("{address:?} {text}")));
            }
            if !known.insert(address) {
                let text = format!("{address:?} is there twice: each node has one place");
                return Err(problem("log_cache.nodes", text));
            }
        }
        let count = self.nodes.len();
        if count > NODES_MAX {
            let text = format!("{count} nodes: at most {NODES_MAX}");
            return Err(problem("log_cache.nodes", text));
        }
        if self.node_index >= count.max(1) {
            let text = format!("is {} of {count} nodes: from 0 on", self.node_index);
            return Err(problem("log_cache.node_index", text));
        }
        if self.peer_outbox.as_u64() < PEER_OUTBOX_BYTES_MIN {
            let least = ByteSize(PEER_OUTBOX_BYTES_MIN);
            let text = format!("is {}: at least {least}", self.peer_outbox);
            return Err(problem("log_cache.peer_outbox", text));
        }
        Ok(())
    }

    fn problem_of(&self, address: &str) -> Option<&'static str> {
        let Some(host) = host(address) else {
            return Some("is not host:port, such as node.example:8080 or [::1]:8080");
        };
        if self.tls.is_some() || self.insecure || is_loopback(host) {
            return None;
        }
        Some(
            "would be sent to in plaintext over the network: add log_cache.tls, or set log_cache.insecure = true",
        )
    }

    /// Memory for what waits for all other nodes, in bytes at most.
    pub fn peer_outboxes_bytes(&self) -> u64 {
        let peers = self.nodes.len().saturating_sub(1) as u64;
        self.peer_outbox.as_u64().saturating_mul(peers)
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

    #[test]
    fn a_cluster_is_a_list_that_this_node_is_in() {
        let nodes = |list: &[&str], index| {
            let mut config = LogCacheConfig {
                nodes: list.iter().map(|node| (*node).to_owned()).collect(),
                node_index: index,
                ..Default::default()
            };
            let checked = config.check().map_err(|error| error.to_string());
            config.insecure = true;
            (checked, config.check().is_ok())
        };
        assert_eq!(nodes(&["127.0.0.1:1", "localhost:2"], 1), (Ok(()), true));
        for (list, index, key, text) in [
            (
                &["127.0.0.1:1", "localhost:2"][..],
                2,
                "node_index",
                "is 2 of 2 nodes",
            ),
            (&[], 1, "node_index", "is 1 of 0 nodes"),
            (&["localhost:1", "localhost:1"], 0, "nodes", "twice"),
            (&["localhost"], 0, "nodes", "is not host:port"),
        ] {
            let (checked, is_allowed) = nodes(list, index);
            let error = checked.unwrap_err();
            assert!(error.contains(&format!("log_cache.{key}")), "{error}");
            assert!(error.contains(text), "{error}");
            assert!(!is_allowed);
        }
        let (checked, is_allowed) = nodes(&["localhost:1", "10.0.0.1:2"], 0);
        assert!(checked.unwrap_err().contains("in plaintext"));
        assert!(is_allowed);
        let small = problem(|config| config.peer_outbox = ByteSize::kib(1));
        assert!(small.contains("log_cache.peer_outbox"), "{small}");
        let none = problem(|config| config.peer_outbox_count = 0);
        assert!(none.contains("log_cache.peer_outbox_count"), "{none}");
    }
}
