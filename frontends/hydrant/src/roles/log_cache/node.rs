//! The role of a Log Cache node (upstream's `log-cache`): its variables, and what they mean.

use super::{LogCacheMetrics, text};
use crate::roles::Fatal;
use crate::roles::duration::GoDuration;
use crate::roles::env::{Environment, Reader, Report, Variable};
use crate::roles::gateway::Files;
use crate::roles::log::Stamp;
use std::path::PathBuf;
use std::time::Duration;

/// What upstream's node is told.
#[derive(Clone, Debug)]
pub struct LogCacheSettings {
    /// How lines of the log start, by `USE_RFC339`. Default: with seconds.
    pub log_stamp: Stamp,
    /// `ADDR`, which may lack a host.
    pub address: String,
    /// `QUERY_TIMEOUT`. Default: 10 s.
    pub query_timeout: Duration,
    /// `MEMORY_LIMIT_PERCENT`: what part of the memory envelopes may take. Default: 50.
    pub memory_percent: u64,
    /// `MEMORY_LIMIT_BYTES`: what memory that is a part of; the machine's if it is 0. Upstream's
    /// documentation says that it takes the place of the percentage; its node takes the percentage of
    /// it, and so do we.
    pub memory_bytes: u64,
    /// `MAX_PER_SOURCE`, in envelopes. Default: 100000.
    pub max_per_source: i64,
    /// `NODE_INDEX`. Default: 0.
    pub node_index: i64,
    /// `NODE_ADDRS`: all nodes, this one among them. Default: this one alone.
    pub node_addresses: Vec<String>,
    /// `INGRESS_BUFFER_SIZE`: envelopes that wait for another node. Default: 10000.
    pub buffer_count: i64,
    /// `INGRESS_BUFFER_READ_BATCH_SIZE`, in envelopes. Default: 100.
    pub batch_count: i64,
    /// `INGRESS_BUFFER_READ_BATCH_INTERVAL`, in milliseconds. Default: 250.
    pub batch_ms: i64,
    /// `CA_PATH`, `CERT_PATH`, `KEY_PATH`; mutual TLS for clients and nodes if there is one of them.
    pub files: Files,
    /// Where metrics are.
    pub metrics: LogCacheMetrics,
    /// `HYDRANT_DIRECTORY`, which upstream does not have: where what is kept is written too, to be there
    /// after a restart. Default: nowhere.
    pub directory: PathBuf,
}

const fn int(field: &'static str, name: &'static str) -> Variable {
    Variable::new(field, "int", name).reported()
}

impl LogCacheSettings {
    /// Reads the node's variables.
    ///
    /// # Errors
    /// What upstream dies with.
    pub fn read(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let mut reader = Reader::new(environment);
        let settings = Self::read_all(&mut reader);
        let report = reader.finish().map_err(|error| {
            let text = format_args!("invalid configuration: {error}");
            Fatal::new(Stamp::Seconds, text)
        })?;
        Ok((settings, report))
    }

    /// In the order of upstream's fields. Two of them say how often upstream looks for what to drop, and
    /// how often it collects garbage for it; we drop as envelopes come in.
    fn read_all(reader: &mut Reader<'_>) -> Self {
        let address = reader.read(text("Config.Addr", "ADDR").required(), ":8080".to_owned());
        let query_timeout = duration(reader, "Config.QueryTimeout", "QUERY_TIMEOUT", 10);
        let percent = of("Config.MemoryLimitPercent", "uint", "MEMORY_LIMIT_PERCENT");
        let memory_percent = reader.read(percent, 50);
        let bytes = of("Config.MemoryLimit", "uint64", "MEMORY_LIMIT_BYTES");
        let memory_bytes = reader.read(bytes, 0);
        let max_per_source = reader.read(int("Config.MaxPerSource", "MAX_PER_SOURCE"), 100_000);
        duration(
            reader,
            "Config.TruncationInterval",
            "TRUNCATION_INTERVAL",
            1,
        );
        ignored(
            reader,
            of("Config.PrunesPerGC", "int64", "PRUNES_PER_GC"),
            3,
        );
        let node_index = reader.read(int("Config.NodeIndex", "NODE_INDEX"), 0);
        let addresses = of("Config.NodeAddrs", "[]string", "NODE_ADDRS");
        let node_addresses = reader.read(addresses, Vec::new());
        let buffer = int("Config.IngressBufferSize", "INGRESS_BUFFER_SIZE");
        let buffer_count = reader.read(buffer, 10_000);
        let batch = int(
            "Config.IngressBufferReadBatchSize",
            "INGRESS_BUFFER_READ_BATCH_SIZE",
        );
        let batch_count = reader.read(batch, 100);
        let interval = int(
            "Config.IngressBufferReadBatchInterval",
            "INGRESS_BUFFER_READ_BATCH_INTERVAL",
        );
        let batch_ms = reader.read(interval, 250);
        let files = Files {
            ca: reader.path(text("TLS.CAPath", "CA_PATH")),
            cert: reader.path(text("TLS.CertPath", "CERT_PATH")),
            key: reader.path(text("TLS.KeyPath", "KEY_PATH")),
        };
        let metrics = LogCacheMetrics::read(reader, 6060);
        let directory = reader.path(text("Hydrant.Directory", "HYDRANT_DIRECTORY"));
        let rfc339 = Variable::new("Config.UseRFC339", "bool", "USE_RFC339");
        Self {
            address,
            query_timeout,
            memory_percent,
            memory_bytes,
            max_per_source,
            node_index,
            node_addresses,
            buffer_count,
            batch_count,
            batch_ms,
            files,
            metrics,
            directory,
            log_stamp: reader.stamp(rfc339, Stamp::Seconds),
        }
    }
}

const fn of(field: &'static str, kind: &'static str, name: &'static str) -> Variable {
    Variable::new(field, kind, name).reported()
}

fn duration(
    reader: &mut Reader<'_>,
    field: &'static str,
    name: &'static str,
    default_s: u32,
) -> Duration {
    let default = GoDuration::from_secs(default_s);
    reader
        .read(of(field, "time.Duration", name), default)
        .to_std()
}

/// What only has to be readable.
fn ignored(reader: &mut Reader<'_>, variable: Variable, default: i64) {
    let _: i64 = reader.read(variable, default);
}
