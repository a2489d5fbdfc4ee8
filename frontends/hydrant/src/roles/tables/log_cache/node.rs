//! What the settings of a Log Cache node are in our tables.

use super::is_set;
use crate::config::{OperatorConfig, ScrapeNames};
use crate::metrics::machine::Machine;
use crate::roles::Fatal;
use crate::roles::log_cache::LogCacheSettings;
use crate::roles::tables::{
    CONNECTIONS_MAX, OUTBOX_BYTES_MAX, buffer_bytes, engine_without_listeners, listen_address,
    millis,
};
use bytesize::ByteSize;
use hydrant_engine::config::EngineConfig;
use hydrant_log_cache::{LogCacheConfig, MemoryTotal, limits};

/// A day: queries are for people who wait.
const QUERY_MS_MAX: u64 = 24 * 60 * 60 * 1000;

impl LogCacheSettings {
    /// The node. Connections are as many as can be, since upstream knows no limit.
    ///
    /// # Errors
    /// `ADDR` is no address, there is no node of that index, or the machine does not say how much memory
    /// it has.
    pub fn node(&self) -> Result<LogCacheConfig, Fatal> {
        let total = self.memory_total()?;
        let least = LogCacheConfig::default();
        let buffer_count = at_least_1(self.buffer_count);
        let outbox = ByteSize::b(buffer_bytes(buffer_count, OUTBOX_BYTES_MAX));
        let has_files = [&self.files.ca, &self.files.cert, &self.files.key];
        let has_tls = has_files.iter().any(|path| is_set(path));
        let is_cluster = self.node_addresses.len() > 1;
        Ok(LogCacheConfig {
            address: listen_address(&self.address, self.log_stamp)?,
            tls: has_tls.then(|| self.files.tls()),
            insecure: true,
            memory: self.memory(total),
            memory_total: Some(total),
            max_per_source: u64::try_from(self.max_per_source).unwrap_or(0),
            connections_max: CONNECTIONS_MAX,
            nodes: if is_cluster {
                self.node_addresses.clone()
            } else {
                Vec::new()
            },
            node_index: if is_cluster { self.node_index()? } else { 0 },
            peer_outbox: least.peer_outbox.max(outbox),
            peer_outbox_count: buffer_count,
            peer_batch_count: at_least_1(self.batch_count),
            peer_batch_ms: u64::try_from(self.batch_ms).unwrap_or(0),
            query_timeout_ms: millis(self.query_timeout).clamp(1, QUERY_MS_MAX),
            directory: is_set(&self.directory).then(|| self.directory.clone()),
            ..least
        })
    }

    fn memory_total(&self) -> Result<MemoryTotal, Fatal> {
        if self.memory_bytes != 0 {
            return Ok(MemoryTotal::Given(self.memory_bytes));
        }
        let machine = Machine::read();
        let machine = machine.map_err(|error| {
            let text = format_args!("cannot tell how much memory there is: {error}");
            Fatal::new(self.log_stamp, text)
        })?;
        Ok(MemoryTotal::Machine(machine.memory_bytes))
    }

    /// A part of all memory, as upstream has it; at least what a store needs.
    fn memory(&self, total: MemoryTotal) -> ByteSize {
        let bytes = u128::from(total.bytes()) * u128::from(self.memory_percent) / 100;
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        ByteSize::b(bytes.max(limits::MEMORY_BYTES_MIN))
    }

    /// What the node will say of it.
    pub fn memory_line(&self, config: &LogCacheConfig) -> String {
        let percent = self.memory_percent;
        let of = match config.memory_total {
            Some(MemoryTotal::Given(_)) => "MEMORY_LIMIT_BYTES",
            Some(MemoryTotal::Machine(_)) | None => "the machine's memory",
        };
        format!("envelopes may take {}: {percent} % of {of}", config.memory)
    }

    fn node_index(&self) -> Result<usize, Fatal> {
        let (index, count) = (self.node_index, self.node_addresses.len());
        let known = usize::try_from(index).ok().filter(|index| *index < count);
        known.ok_or_else(|| {
            let text = format_args!("invalid configuration: NODE_INDEX {index} is none of the {count} nodes of NODE_ADDRS");
            Fatal::new(self.log_stamp, text)
        })
    }

    /// The engine: nothing is listened to.
    pub fn engine(&self) -> EngineConfig {
        engine_without_listeners()
    }

    /// Metrics.
    pub fn operator(&self) -> OperatorConfig {
        self.metrics.operator(ScrapeNames::LogCache)
    }
}

fn at_least_1(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::env::Environment;

    fn settings(more: &str) -> LogCacheSettings {
        let variables = format!("ADDR=127.0.0.1:0 {more}");
        let pairs = variables
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='));
        LogCacheSettings::read(&Environment::from_iter(pairs))
            .unwrap()
            .0
    }

    fn node(more: &str) -> LogCacheConfig {
        let config = settings(more).node().unwrap();
        config.check().unwrap();
        config
    }

    #[test]
    fn the_percentage_is_of_the_bytes_as_upstreams_node_has_it() {
        let memory = |more: &str| node(more).memory.as_u64();
        assert_eq!(memory("MEMORY_LIMIT_BYTES=30000000"), 15_000_000);
        let quarter = "MEMORY_LIMIT_BYTES=1000000000 MEMORY_LIMIT_PERCENT=25";
        assert_eq!(memory(quarter), 250_000_000);
        assert_eq!(memory("MEMORY_LIMIT_PERCENT=0"), limits::MEMORY_BYTES_MIN);
        let machine = Machine::read().unwrap().memory_bytes;
        assert_eq!(memory(""), machine / 2);
        assert_eq!(node("").memory_total, Some(MemoryTotal::Machine(machine)));
        let most = "MEMORY_LIMIT_BYTES=18446744073709551615 MEMORY_LIMIT_PERCENT=100";
        assert_eq!(memory(most), u64::MAX);
        let line = settings(quarter).memory_line(&node(quarter));
        assert!(line.ends_with(": 25 % of MEMORY_LIMIT_BYTES"), "{line}");
    }

    #[test]
    fn nothing_is_written_unless_a_directory_is_named() {
        assert_eq!(node("").directory, None);
        let named = node("HYDRANT_DIRECTORY=/var/vcap/store/log-cache").directory;
        assert_eq!(named, Some("/var/vcap/store/log-cache".into()));
    }

    #[test]
    fn one_node_is_alone_whatever_its_index() {
        for more in ["", "NODE_ADDRS=x NODE_INDEX=7"] {
            let config = node(more);
            assert!(config.nodes.is_empty() && config.node_index == 0);
        }
        let config = node("NODE_ADDRS=10.0.0.1:8080,10.0.0.2:8080 NODE_INDEX=1");
        assert_eq!(config.nodes, ["10.0.0.1:8080", "10.0.0.2:8080"]);
        assert_eq!(config.node_index, 1);
        for index in ["2", "-1"] {
            let more = format!("NODE_ADDRS=a:1,b:2 NODE_INDEX={index}");
            let error = settings(&more).node().unwrap_err().to_string();
            assert!(
                error.contains(&format!("NODE_INDEX {index} is none of the 2")),
                "{error}"
            );
        }
    }

    #[test]
    fn what_upstream_accepts_starts() {
        let config = node("");
        let batch = (
            config.peer_outbox_count,
            config.peer_batch_count,
            config.peer_batch_ms,
        );
        assert_eq!(batch, (10_000, 100, 250));
        assert_eq!(
            (config.max_per_source, config.query_timeout_ms),
            (100_000, 10_000)
        );
        let odd = node(
            "INGRESS_BUFFER_SIZE=-1 INGRESS_BUFFER_READ_BATCH_SIZE=0 INGRESS_BUFFER_READ_BATCH_INTERVAL=-5 \
             QUERY_TIMEOUT=0s",
        );
        let batch = (
            odd.peer_outbox_count,
            odd.peer_batch_count,
            odd.peer_batch_ms,
        );
        assert_eq!((batch, odd.query_timeout_ms), ((1, 1, 0), 1));
        assert_eq!(node("QUERY_TIMEOUT=9000h").query_timeout_ms, QUERY_MS_MAX);
        let large = node("INGRESS_BUFFER_SIZE=100000");
        assert_eq!(large.peer_outbox, ByteSize::b(102_400_000));
        assert!(node("KEY_PATH=/k").tls.is_some());
    }
}
