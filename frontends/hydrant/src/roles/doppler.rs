//! The router's role (upstream's `doppler`): its variables, and what they mean.

use super::env::{Environment, Reader, Report, Variable};
use super::log::Stamp;
use super::{Fatal, suites};
use hydrant_rpc::tls::TlsFiles;

/// What upstream's router is told, in its units.
#[derive(Clone, Debug)]
pub struct DopplerSettings {
    /// `ROUTER_PORT`, on all addresses; 0 lets the kernel choose.
    pub port: u16,
    /// `ROUTER_{CERT,KEY,CA}_FILE`, with `ROUTER_CIPHER_SUITES`.
    pub tls: TlsFiles,
    /// `INGRESS_BUFFER_SIZE`: envelopes between ingress and routing. Default: 10000.
    pub ingress_buffer_envelopes: u64,
    /// `EGRESS_BUFFER_SIZE`: envelopes that wait for a subscription. Default: 1000.
    pub egress_buffer_envelopes: u64,
    /// How lines of the log start, by `USE_RFC339`. Default: with microseconds.
    pub log_stamp: Stamp,
    /// `ROUTER_PPROF_PORT`, on 127.0.0.1.
    pub pprof_port: u16,
    /// `AGENT_GRPC_ADDRESS`: host and port; empty for none.
    pub agent_address: String,
    /// `ROUTER_METRIC_BATCH_INTERVAL_MILLISECONDS`; 0 for never. Default: 5000.
    pub metric_interval_ms: u64,
    /// `ROUTER_METRIC_SOURCE_ID`. Default: `doppler`.
    pub metric_source_id: String,
}

/// What BOSH sets. Upstream itself has no defaults and dies of a ring without room.
const INGRESS_BUFFER_ENVELOPES: u64 = 10_000;
const EGRESS_BUFFER_ENVELOPES: u64 = 1_000;

impl DopplerSettings {
    /// Reads the router's variables.
    ///
    /// # Errors
    /// What upstream dies with.
    pub fn read(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let fatal = |error: &dyn std::fmt::Display| {
            Fatal::new(
                Stamp::Seconds,
                format_args!("Unable to parse config: {error}"),
            )
        };
        let mut reader = Reader::new(environment);
        let settings = Self::read_all(&mut reader);
        let report = reader.finish().map_err(|error| fatal(&error))?;
        for (field, path) in [
            ("CAFile", &settings.tls.ca_file),
            ("CertFile", &settings.tls.cert_file),
            ("KeyFile", &settings.tls.key_file),
        ] {
            if path.as_os_str().is_empty() {
                let problem = format!("invalid router config, no GRPC.{field} provided");
                return Err(fatal(&problem));
            }
        }
        let suites = suites(&settings.tls.suites, settings.log_stamp)?;
        let tls = TlsFiles {
            suites,
            ..settings.tls
        };
        Ok((Self { tls, ..settings }, report))
    }

    fn read_all(reader: &mut Reader<'_>) -> Self {
        let text = |field, name| Variable::new(field, "string", name);
        let grpc_port = Variable::new("GRPC.Port", "uint16", "ROUTER_PORT");
        let suites = Variable::new("GRPC.CipherSuites", "[]string", "ROUTER_CIPHER_SUITES");
        let ingress = Variable::new("Config.IngressBufferSize", "int", "INGRESS_BUFFER_SIZE");
        let egress = Variable::new("Config.EgressBufferSize", "int", "EGRESS_BUFFER_SIZE");
        let rfc3339 = Variable::new("Config.UseRFC339", "bool", "USE_RFC339");
        let pprof_port = Variable::new("Config.PProfPort", "uint32", "ROUTER_PPROF_PORT");
        let interval = Variable::new(
            "Config.MetricBatchIntervalMilliseconds",
            "uint",
            "ROUTER_METRIC_BATCH_INTERVAL_MILLISECONDS",
        );
        let source_id = text("Config.MetricSourceID", "ROUTER_METRIC_SOURCE_ID");
        // In the order of upstream's fields.
        Self {
            port: reader.read(grpc_port, 0),
            tls: TlsFiles {
                cert_file: reader.path(text("GRPC.CertFile", "ROUTER_CERT_FILE")),
                key_file: reader.path(text("GRPC.KeyFile", "ROUTER_KEY_FILE")),
                ca_file: reader.path(text("GRPC.CAFile", "ROUTER_CA_FILE")),
                suites: reader.read(suites, Vec::new()),
            },
            ingress_buffer_envelopes: envelopes(reader.read(ingress, 0), INGRESS_BUFFER_ENVELOPES),
            egress_buffer_envelopes: envelopes(reader.read(egress, 0), EGRESS_BUFFER_ENVELOPES),
            log_stamp: reader.stamp(rfc3339, Stamp::Microseconds),
            pprof_port: reader.read(pprof_port, 0),
            agent_address: reader.read(
                text("Agent.GRPCAddress", "AGENT_GRPC_ADDRESS"),
                String::new(),
            ),
            metric_interval_ms: reader.read(interval, 5_000),
            metric_source_id: reader.read(source_id, "doppler".to_owned()),
        }
    }
}

/// A ring's size; the default if it has no room.
fn envelopes(size: i64, default: u64) -> u64 {
    u64::try_from(size)
        .ok()
        .filter(|size| *size > 0)
        .unwrap_or(default)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// As upstream's router suite starts it.
    const SUITE: [(&str, &str); 12] = [
        ("ROUTER_PORT", "0"),
        ("ROUTER_CERT_FILE", "/c/doppler.crt"),
        ("ROUTER_KEY_FILE", "/c/doppler.key"),
        ("ROUTER_CA_FILE", "/c/ca.crt"),
        ("ROUTER_CIPHER_SUITES", ""),
        ("INGRESS_BUFFER_SIZE", "10000"),
        ("EGRESS_BUFFER_SIZE", "1000"),
        ("USE_RFC339", "false"),
        ("ROUTER_PPROF_PORT", "0"),
        ("AGENT_GRPC_ADDRESS", "127.0.0.1:0"),
        ("ROUTER_METRIC_BATCH_INTERVAL_MILLISECONDS", "10"),
        ("ROUTER_METRIC_SOURCE_ID", ""),
    ];

    fn read(changes: &[(&str, &str)]) -> Result<DopplerSettings, Fatal> {
        let variables = SUITE.iter().chain(changes).copied();
        DopplerSettings::read(&variables.collect()).map(|(settings, _)| settings)
    }

    #[test]
    fn upstreams_suite_is_understood() {
        let settings = read(&[]).unwrap();
        assert_eq!((settings.port, settings.pprof_port), (0, 0));
        assert_eq!(settings.tls.cert_file, Path::new("/c/doppler.crt"));
        assert_eq!(settings.tls.key_file, Path::new("/c/doppler.key"));
        assert_eq!(settings.tls.ca_file, Path::new("/c/ca.crt"));
        assert!(settings.tls.suites.is_empty());
        assert_eq!(settings.log_stamp, Stamp::Microseconds);
        assert_eq!(settings.ingress_buffer_envelopes, 10_000);
        assert_eq!(settings.egress_buffer_envelopes, 1_000);
        assert_eq!(settings.agent_address, "127.0.0.1:0");
        assert_eq!(settings.metric_interval_ms, 10);
        assert_eq!(settings.metric_source_id, "doppler");
    }

    #[test]
    fn a_ring_without_room_gets_boshs_size() {
        let sizes = |ingress, egress| {
            let changes = [
                ("INGRESS_BUFFER_SIZE", ingress),
                ("EGRESS_BUFFER_SIZE", egress),
            ];
            let settings = read(&changes).unwrap();
            (
                settings.ingress_buffer_envelopes,
                settings.egress_buffer_envelopes,
            )
        };
        assert_eq!(sizes("0", ""), (10_000, 1_000));
        assert_eq!(sizes("", "-1"), (10_000, 1_000));
        assert_eq!(sizes("7", "8"), (7, 8));
    }

    #[test]
    fn what_upstream_dies_of_is_said_in_its_words() {
        let said = |name, value| read(&[(name, value)]).unwrap_err().to_string();
        for (name, field) in [
            ("ROUTER_CA_FILE", "CAFile"),
            ("ROUTER_CERT_FILE", "CertFile"),
            ("ROUTER_KEY_FILE", "KeyFile"),
        ] {
            let expected =
                format!("Unable to parse config: invalid router config, no GRPC.{field} provided");
            assert_eq!(said(name, ""), expected);
        }
        let expected = "Unable to parse config: strconv.ParseUint: parsing \"x\": invalid syntax";
        assert_eq!(said("ROUTER_PORT", "x"), expected);
        let expected = "no valid ciphers provided for TLS configuration";
        assert_eq!(said("ROUTER_CIPHER_SUITES", "TLS_FOO"), expected);
    }

    #[test]
    fn the_report_has_upstreams_rows() {
        let (_, report) = DopplerSettings::read(&SUITE.into_iter().collect()).unwrap();
        let report = report.to_string();
        let rows: Vec<Vec<&str>> = report
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let expected = [
            ("GRPC.Port", "uint16", "ROUTER_PORT"),
            ("GRPC.CertFile", "string", "ROUTER_CERT_FILE"),
            ("GRPC.KeyFile", "string", "ROUTER_KEY_FILE"),
            ("GRPC.CAFile", "string", "ROUTER_CA_FILE"),
            ("GRPC.CipherSuites", "[]string", "ROUTER_CIPHER_SUITES"),
            ("Config.IngressBufferSize", "int", "INGRESS_BUFFER_SIZE"),
            ("Config.EgressBufferSize", "int", "EGRESS_BUFFER_SIZE"),
            ("Config.UseRFC339", "bool", "USE_RFC339"),
            ("Config.PProfPort", "uint32", "ROUTER_PPROF_PORT"),
            ("Agent.GRPCAddress", "string", "AGENT_GRPC_ADDRESS"),
            (
                "Config.MetricBatchIntervalMilliseconds",
                "uint",
                "ROUTER_METRIC_BATCH_INTERVAL_MILLISECONDS",
            ),
            ("Config.MetricSourceID", "string", "ROUTER_METRIC_SOURCE_ID"),
        ];
        assert_eq!(rows.len(), 1 + expected.len());
        for (row, (field, kind, name)) in rows[1..].iter().zip(expected) {
            assert_eq!(row, &[field, kind, name, "false", "(OMITTED)"]);
        }
    }
}
