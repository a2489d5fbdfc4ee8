//! The role of the reverse log proxy (upstream's `rlp`): its variables, and what they mean.

use super::duration::GoDuration;
use super::env::{Environment, Reader, Report, Variable};
use super::log::Stamp;
use super::{Fatal, suites};
use hydrant_rpc::tls::TlsFiles;
use std::time::Duration;

/// What upstream's reverse log proxy is told, in its units.
#[derive(Clone, Debug)]
pub struct RlpSettings {
    /// How lines of the log start, by `USE_RFC339`. Default: with microseconds.
    pub log_stamp: Stamp,
    /// `RLP_PPROF_PORT`, on 127.0.0.1. Default: 6061.
    pub pprof_port: u16,
    /// `RLP_METRIC_EMITTER_INTERVAL`; zero for never. Default: a minute.
    pub metric_interval: Duration,
    /// `RLP_METRIC_SOURCE_ID`. Default: `reverse_log_proxy`.
    pub metric_source_id: String,
    /// `ROUTER_ADDRS`: host and port of each router.
    pub router_addresses: Vec<String>,
    /// `AGENT_ADDR`: host and port. Default: `localhost:3458`.
    pub agent_address: String,
    /// `MAX_EGRESS_STREAMS`, 0 if it is negative: both refuse every stream. Default: 500.
    pub streams_max: u64,
    /// `RLP_PORT`, on all addresses; 0 lets the kernel choose.
    pub port: u16,
    /// `RLP_{CERT,KEY,CA}_FILE`, with `RLP_CIPHER_SUITES`: for subscribers, routers and the agent.
    pub tls: TlsFiles,
}

impl RlpSettings {
    /// Reads the proxy's variables.
    ///
    /// # Errors
    /// What upstream dies with.
    pub fn read(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let mut reader = Reader::new(environment);
        let settings = Self::read_all(&mut reader);
        let report = reader.finish().map_err(|error| {
            Fatal::new(
                Stamp::Seconds,
                format_args!("Failed to load config: {error}"),
            )
        })?;
        let suites = suites(&settings.tls.suites, settings.log_stamp)?;
        let tls = TlsFiles {
            suites,
            ..settings.tls
        };
        Ok((Self { tls, ..settings }, report))
    }

    fn read_all(reader: &mut Reader<'_>) -> Self {
        let text = |field, name| Variable::new(field, "string", name);
        let rfc3339 = Variable::new("Config.UseRFC339", "bool", "USE_RFC339");
        let pprof_port = Variable::new("Config.PProfPort", "uint32", "RLP_PPROF_PORT");
        let interval = Variable::new(
            "Config.MetricEmitterInterval",
            "time.Duration",
            "RLP_METRIC_EMITTER_INTERVAL",
        );
        let source_id = text("Config.MetricSourceID", "RLP_METRIC_SOURCE_ID");
        let routers = Variable::new("Config.RouterAddrs", "[]string", "ROUTER_ADDRS").required();
        let agent = text("Config.AgentAddr", "AGENT_ADDR");
        let streams = Variable::new("Config.MaxEgressStreams", "int64", "MAX_EGRESS_STREAMS");
        let port = Variable::new("GRPC.Port", "int", "RLP_PORT");
        let suites = Variable::new("GRPC.CipherSuites", "[]string", "RLP_CIPHER_SUITES");
        // In the order of upstream's fields.
        Self {
            log_stamp: reader.stamp(rfc3339, Stamp::Microseconds),
            pprof_port: reader.read(pprof_port, 6061),
            metric_interval: reader.read(interval, GoDuration::from_secs(60)).to_std(),
            metric_source_id: reader.read(source_id, "reverse_log_proxy".to_owned()),
            router_addresses: reader.read(routers, Vec::new()),
            agent_address: reader.read(agent, "localhost:3458".to_owned()),
            streams_max: u64::try_from(reader.read(streams, 500_i64)).unwrap_or(0),
            port: reader.read(port, 0),
            tls: TlsFiles {
                cert_file: reader.path(text("GRPC.CertFile", "RLP_CERT_FILE")),
                key_file: reader.path(text("GRPC.KeyFile", "RLP_KEY_FILE")),
                ca_file: reader.path(text("GRPC.CAFile", "RLP_CA_FILE")),
                suites: reader.read(suites, Vec::new()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn read(variables: &[(&str, &str)]) -> Result<RlpSettings, Fatal> {
        let environment = variables.iter().copied().collect();
        RlpSettings::read(&environment).map(|(settings, _)| settings)
    }

    #[test]
    fn only_routers_are_required() {
        let settings = read(&[("ROUTER_ADDRS", "a:1, b:2")]).unwrap();
        assert_eq!(settings.router_addresses, ["a:1", "b:2"]);
        assert_eq!((settings.port, settings.pprof_port), (0, 6061));
        assert_eq!(settings.metric_interval, Duration::from_secs(60));
        assert_eq!(settings.metric_source_id, "reverse_log_proxy");
        assert_eq!(settings.agent_address, "localhost:3458");
        assert_eq!(settings.streams_max, 500);
        let error = read(&[("ROUTER_ADDRS", "")]).unwrap_err().to_string();
        let expected = "missing required environment variables: ROUTER_ADDRS";
        assert_eq!(error, format!("Failed to load config: {expected}"));
    }

    #[test]
    fn everything_can_be_set() {
        let settings = read(&[
            ("ROUTER_ADDRS", "a:1"),
            ("RLP_PORT", "8082"),
            ("RLP_CERT_FILE", "/c/rlp.crt"),
            ("RLP_KEY_FILE", "/c/rlp.key"),
            ("RLP_CA_FILE", "/c/ca.crt"),
            ("RLP_CIPHER_SUITES", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
            ("RLP_PPROF_PORT", "0"),
            ("RLP_METRIC_EMITTER_INTERVAL", "0s"),
            ("RLP_METRIC_SOURCE_ID", "proxy"),
            ("AGENT_ADDR", "127.0.0.1:0"),
            ("MAX_EGRESS_STREAMS", "1000"),
            ("USE_RFC339", "true"),
        ])
        .unwrap();
        assert_eq!((settings.port, settings.pprof_port), (8082, 0));
        assert_eq!(settings.tls.cert_file, Path::new("/c/rlp.crt"));
        assert_eq!(settings.tls.key_file, Path::new("/c/rlp.key"));
        assert_eq!(settings.tls.ca_file, Path::new("/c/ca.crt"));
        assert_eq!(
            settings.tls.suites,
            ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]
        );
        assert_eq!(settings.metric_interval, Duration::ZERO);
        assert_eq!(settings.metric_source_id, "proxy");
        assert_eq!(settings.agent_address, "127.0.0.1:0");
        assert_eq!(settings.streams_max, 1000);
        assert_eq!(settings.log_stamp, Stamp::Rfc3339);
    }

    #[test]
    fn a_wrong_value_is_told_in_upstreams_words() {
        let routers = ("ROUTER_ADDRS", "a:1");
        let said = |name, value| read(&[routers, (name, value)]).unwrap_err().to_string();
        assert_eq!(
            said("RLP_METRIC_EMITTER_INTERVAL", "60"),
            "Failed to load config: time: missing unit in duration \"60\""
        );
        assert_eq!(
            said("MAX_EGRESS_STREAMS", "many"),
            "Failed to load config: strconv.ParseInt: parsing \"many\": invalid syntax"
        );
        assert_eq!(
            said("RLP_CIPHER_SUITES", "TLS_FOO,"),
            "no valid ciphers provided for TLS configuration"
        );
    }
}
