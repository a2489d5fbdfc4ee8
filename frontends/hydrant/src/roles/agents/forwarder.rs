//! The role of the agent that sends to the other agents of its host (upstream's `forwarder-agent`, job
//! `loggr-forwarder-agent`).

use super::{Downstream, DownstreamError, MetricsServer, identity};
use crate::roles::Fatal;
use crate::roles::env::{Environment, Reader, Report, Variable};
use crate::roles::log::Stamp;
use hydrant_rpc::tls::TlsFiles;
use std::collections::BTreeMap;
use std::net::{SocketAddr, ToSocketAddrs};

/// What upstream's forwarder is told, in its units.
#[derive(Clone, Debug)]
pub struct ForwarderSettings {
    /// How lines of the log start, by `USE_RFC3339`. Default: with seconds.
    pub log_stamp: Stamp,
    /// `DOWNSTREAM_INGRESS_PORT_GLOB`: the files that name destinations.
    pub downstream_pattern: String,
    /// `AGENT_HOST`. Default: 127.0.0.1.
    pub host: String,
    /// `AGENT_PORT`. Default: 3458.
    pub port: u16,
    /// `AGENT_{CERT,KEY,CA}_FILE_PATH`, with `AGENT_CIPHER_SUITES`: for who sends to us, and for
    /// destinations.
    pub tls: TlsFiles,
    /// Its metrics.
    pub metrics: MetricsServer,
    /// `AGENT_TAGS`.
    pub tags: BTreeMap<String, String>,
}

impl ForwarderSettings {
    /// Reads the forwarder's variables.
    ///
    /// # Errors
    /// What upstream dies with.
    pub fn read(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let mut reader = Reader::new(environment);
        let settings = Self::read_all(&mut reader);
        let report = reader.finish().map_err(|error| {
            Fatal::panic(format_args!(
                "Failed to load config from environment: {error}"
            ))
        })?;
        let tls = identity::checked(settings.tls, settings.log_stamp)?;
        Ok((Self { tls, ..settings }, report))
    }

    /// Finds the destinations.
    ///
    /// # Errors
    /// What upstream dies with: a file that cannot be used.
    pub fn downstream(&self) -> Result<Downstream, Fatal> {
        let found = Downstream::find(&self.downstream_pattern);
        found.map_err(|error: DownstreamError| Fatal::new(self.log_stamp, error))
    }

    /// Where to listen.
    ///
    /// # Errors
    /// The host has no address.
    pub fn address(&self) -> Result<SocketAddr, Fatal> {
        let fatal = |problem: &str| {
            let (host, port) = (&self.host, self.port);
            let problem = format_args!("failed to listen: {host}:{port}: {problem}");
            Fatal::new(self.log_stamp, problem)
        };
        let addresses = (self.host.as_str(), self.port).to_socket_addrs();
        let first = addresses.map_err(|error| fatal(&error.to_string()))?.next();
        first.ok_or_else(|| fatal("no such host"))
    }

    fn read_all(reader: &mut Reader<'_>) -> Self {
        let reported = |field, kind, name| Variable::new(field, kind, name).reported();
        // In the order of upstream's fields.
        let rfc3339 = Variable::new("Config.UseRFC3339", "bool", "USE_RFC3339");
        let log_stamp = reader.stamp(rfc3339, Stamp::Seconds);
        let pattern = "DOWNSTREAM_INGRESS_PORT_GLOB";
        let pattern = reported("Config.DownstreamIngressPortCfg", "string", pattern);
        let downstream_pattern = reader.read(pattern, String::new());
        let host = reported("GRPC.Host", "string", "AGENT_HOST");
        let host = reader.read(host, "127.0.0.1".to_owned());
        let port = reader.read(reported("GRPC.Port", "uint16", "AGENT_PORT"), 3458);
        let tls = identity::read(reader);
        let metrics = MetricsServer::read(reader, 0);
        let tags = Variable::new("Config.Tags", "map[string]string", "AGENT_TAGS");
        let tags = reader.read(tags, BTreeMap::new());
        for (field, name) in [
            ("Config.DebugMetrics", "DEBUG_METRICS"),
            ("Config.EmitOTelTraces", "EMIT_OTEL_TRACES"),
            ("Config.EmitOTelMetrics", "EMIT_OTEL_METRICS"),
            ("Config.EmitOTelLogs", "EMIT_OTEL_LOGS"),
        ] {
            reader.read(reported(field, "bool", name), false);
        }
        let retries = reported("OtelRetry.MaxRetries", "int", "OTEL_RETRY_MAX_RETRIES");
        reader.read(retries, 7_i64);
        let queue = reported("OtelRetry.RetryQueueSize", "int", "OTEL_RETRY_QUEUE_SIZE");
        reader.read(queue, 1024_i64);
        Self {
            log_stamp,
            downstream_pattern,
            host,
            port,
            tls,
            metrics,
            tags,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_upstreams() {
        let environment = Environment::default();
        let settings = ForwarderSettings::read_all(&mut Reader::new(&environment));
        let address = settings.address().unwrap();
        assert_eq!(address, ([127, 0, 0, 1], 3458).into());
        assert_eq!(
            (settings.metrics.port, settings.metrics.pprof_port),
            (0, None)
        );
        assert!(settings.downstream().unwrap().ports.is_empty());
    }

    #[test]
    fn what_is_missing_is_a_panic_as_upstreams() {
        let fatal = ForwarderSettings::read(&Environment::default()).unwrap_err();
        assert_eq!(fatal.code(), 2);
        assert_eq!(
            fatal.to_string(),
            "panic: Failed to load config from environment: missing required environment variables: \
             AGENT_CA_FILE_PATH, AGENT_CERT_FILE_PATH, AGENT_KEY_FILE_PATH, METRICS_CA_FILE_PATH, \
             METRICS_CERT_FILE_PATH, METRICS_KEY_FILE_PATH"
        );
    }

    #[test]
    fn the_report_has_upstreams_rows() {
        let environment = Environment::from_iter([("AGENT_HOST", "localhost")]);
        let mut reader = Reader::new(&environment);
        ForwarderSettings::read_all(&mut reader);
        let names = [
            "USE_RFC3339",
            "DOWNSTREAM_INGRESS_PORT_GLOB",
            "AGENT_HOST",
            "AGENT_PORT",
            "AGENT_CA_FILE_PATH",
            "AGENT_CERT_FILE_PATH",
            "AGENT_KEY_FILE_PATH",
            "AGENT_CIPHER_SUITES",
            "DEBUG_METRICS",
            "METRICS_PORT",
            "PPROF_PORT",
            "METRICS_CA_FILE_PATH",
            "METRICS_CERT_FILE_PATH",
            "METRICS_KEY_FILE_PATH",
            "AGENT_TAGS",
            "DEBUG_METRICS",
            "EMIT_OTEL_TRACES",
            "EMIT_OTEL_METRICS",
            "EMIT_OTEL_LOGS",
            "OTEL_RETRY_MAX_RETRIES",
            "OTEL_RETRY_QUEUE_SIZE",
        ];
        let required: Vec<_> = [
            ("AGENT_CA_FILE_PATH", "a"),
            ("AGENT_CERT_FILE_PATH", "b"),
            ("AGENT_KEY_FILE_PATH", "c"),
            ("METRICS_CA_FILE_PATH", "d"),
            ("METRICS_CERT_FILE_PATH", "e"),
            ("METRICS_KEY_FILE_PATH", "f"),
        ]
        .into();
        let environment = required.into_iter().collect();
        let mut reader = Reader::new(&environment);
        ForwarderSettings::read_all(&mut reader);
        let report = reader.finish().unwrap().to_string();
        let rows = report.lines().skip(1);
        let found: Vec<_> = rows
            .filter_map(|row| row.split_whitespace().nth(2))
            .collect();
        assert_eq!(found, names);
        assert!(report.contains("127.0.0.1"), "{report}");
    }
}
