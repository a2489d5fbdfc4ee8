//! The role of the agent that sends to Dopplers (upstream's `loggregator-agent`, job
//! `loggregator_agent`, once Metron).

use super::MetricsServer;
use crate::roles::env::{Environment, IntPort, Reader, Report, Variable};
use crate::roles::log::Stamp;
use crate::roles::{Fatal, suites};
use hydrant_rpc::tls::TlsFiles;
use std::collections::BTreeMap;

/// What upstream's agent is told, in its units. `AGENT_ZONE`,
/// `AGENT_METRIC_BATCH_INTERVAL_MILLISECONDS` and `AGENT_METRIC_SOURCE_ID` are read there and not used.
#[derive(Clone, Debug)]
pub struct LoggregatorSettings {
    /// How lines of the log start, by `USE_RFC3339`. Default: with microseconds.
    pub log_stamp: Stamp,
    /// `AGENT_DEPLOYMENT`, `AGENT_JOB`, `AGENT_INDEX`, `AGENT_IP`: for v1 envelopes.
    pub here: [String; 4],
    /// `AGENT_TAGS`: for v2 envelopes.
    pub tags: BTreeMap<String, String>,
    /// `AGENT_DISABLE_UDP`: whether there is no v1 at all.
    pub disable_udp: bool,
    /// `LOGS_DISABLED`: whether v2 logs are left out.
    pub logs_disabled: bool,
    /// `AGENT_INCOMING_UDP_PORT`, on 127.0.0.1. Default: 3457.
    pub udp_port: u16,
    /// `ROUTER_ADDR`: host and port of the Dopplers.
    pub router_address: String,
    /// `ROUTER_ADDR_WITH_AZ`: of those of our own zone, in ASCII. May be empty.
    pub router_address_with_az: String,
    /// `AGENT_PORT`, on 127.0.0.1. Default: 3458.
    pub port: u16,
    /// `AGENT_{CERT,KEY,CA}_FILE`, with `AGENT_CIPHER_SUITES`: for who sends to us, and for Dopplers.
    pub tls: TlsFiles,
    /// Its metrics. Default port: 14824.
    pub metrics: MetricsServer,
}

impl LoggregatorSettings {
    /// Reads the agent's variables. Upstream shows no report of them.
    ///
    /// # Errors
    /// What upstream dies with.
    pub fn read(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let mut reader = Reader::new(environment);
        let settings = Self::read_all(&mut reader);
        let stamp = settings.log_stamp;
        let fatal = |problem: &dyn std::fmt::Display| {
            Fatal::new(stamp, format_args!("Unable to parse config: {problem}"))
        };
        reader.finish().map_err(|error| fatal(&error))?;
        if settings.router_address.is_empty() {
            return Err(fatal(&"RouterAddr is required"));
        }
        let check = |what: &str, problem: &dyn std::fmt::Display| {
            Fatal::new(stamp, format_args!("{what}: {problem}"))
        };
        let suites = suites(&settings.tls.suites, stamp)?;
        let tls = TlsFiles {
            suites,
            ..settings.tls
        };
        tls.check()
            .map_err(|error| check("Could not use GRPC creds for client", &error))?;
        Ok((Self { tls, ..settings }, Report::none()))
    }

    fn read_all(reader: &mut Reader<'_>) -> Self {
        let text = |name| Variable::new("", "string", name);
        let mut string = |name| reader.read(text(name), String::new());
        let here = ["AGENT_DEPLOYMENT", "AGENT_JOB", "AGENT_INDEX", "AGENT_IP"];
        let here = here.map(&mut string);
        let router_address = string("ROUTER_ADDR");
        let router_address_with_az = string("ROUTER_ADDR_WITH_AZ");
        let flag = |name| Variable::new("", "bool", name);
        let number = |name| Variable::new("", "uint16", name);
        let unused = number("AGENT_METRIC_BATCH_INTERVAL_MILLISECONDS");
        reader.read(unused, 60_000_u64);
        let tls = TlsFiles {
            cert_file: reader.path(text("AGENT_CERT_FILE")),
            key_file: reader.path(text("AGENT_KEY_FILE")),
            ca_file: reader.path(text("AGENT_CA_FILE")),
            suites: reader.read(text("AGENT_CIPHER_SUITES"), Vec::new()),
        };
        Self {
            log_stamp: reader.stamp(flag("USE_RFC3339"), Stamp::Microseconds),
            here,
            tags: reader.read(text("AGENT_TAGS"), BTreeMap::new()),
            disable_udp: reader.read(flag("AGENT_DISABLE_UDP"), false),
            logs_disabled: reader.read(flag("LOGS_DISABLED"), false),
            udp_port: reader
                .read(number("AGENT_INCOMING_UDP_PORT"), IntPort(3457))
                .0,
            router_address,
            router_address_with_az: in_ascii(&router_address_with_az).replace('@', "-"),
            port: reader.read(number("AGENT_PORT"), 3458),
            tls,
            metrics: MetricsServer::read(reader, 14_824),
        }
    }
}

/// Labels that are not ASCII in Punycode, and nothing else changed.
fn in_ascii(name: &str) -> String {
    let label = |label: &str| match label.is_ascii() {
        true => label.to_owned(),
        // A label that is too long for Punycode is no name that can be resolved: it stays as it is.
        false => idna::punycode::encode_str(label)
            .map_or_else(|| label.to_owned(), |coded| format!("xn--{coded}")),
    };
    let labels: Vec<_> = name.split('.').map(label).collect();
    labels.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(variables: &[(&str, &str)]) -> String {
        let environment = variables.iter().copied().collect();
        LoggregatorSettings::read(&environment)
            .unwrap_err()
            .to_string()
    }

    fn read(variables: &[(&str, &str)]) -> LoggregatorSettings {
        let environment = variables.iter().copied().collect();
        LoggregatorSettings::read_all(&mut Reader::new(&environment))
    }

    #[test]
    fn defaults_are_upstreams() {
        let settings = read(&[]);
        assert_eq!((settings.port, settings.udp_port), (3458, 3457));
        assert_eq!(settings.metrics.port, 14_824);
        assert_eq!(settings.metrics.pprof_port, None);
        assert!(settings.tags.is_empty() && settings.here.concat().is_empty());
        assert!(!settings.disable_udp && !settings.logs_disabled);
        assert_eq!(settings.log_stamp, Stamp::Microseconds);
    }

    #[test]
    fn everything_can_be_set() {
        let settings = read(&[
            ("AGENT_DEPLOYMENT", "cf"),
            ("AGENT_JOB", "cell"),
            ("AGENT_INDEX", "7"),
            ("AGENT_IP", "10.0.0.1"),
            ("AGENT_TAGS", "a:b,c:d:e"),
            ("AGENT_DISABLE_UDP", "1"),
            ("LOGS_DISABLED", "true"),
            ("AGENT_INCOMING_UDP_PORT", "1"),
            ("AGENT_PORT", "2"),
            ("ROUTER_ADDR", "doppler:8082"),
            ("ROUTER_ADDR_WITH_AZ", "my@zöne.doppler:8082"),
            ("DEBUG_METRICS", "true"),
            ("PPROF_PORT", "3"),
            ("USE_RFC3339", "true"),
        ]);
        assert_eq!(settings.here, ["cf", "cell", "7", "10.0.0.1"]);
        assert_eq!(settings.tags["c"], "d:e");
        assert!(settings.disable_udp && settings.logs_disabled);
        assert_eq!((settings.udp_port, settings.port), (1, 2));
        assert_eq!(settings.router_address, "doppler:8082");
        let with_az = settings.router_address_with_az;
        assert_eq!(with_az, "xn--my-zne-zxa.doppler:8082");
        assert_eq!(settings.metrics.pprof_port, Some(3));
        assert_eq!(settings.log_stamp, Stamp::Rfc3339);
    }

    #[test]
    fn what_upstream_dies_of_is_said_in_its_words() {
        let metrics = [
            ("METRICS_CA_FILE_PATH", "/m/ca"),
            ("METRICS_CERT_FILE_PATH", "/m/crt"),
            ("METRICS_KEY_FILE_PATH", "/m/key"),
        ];
        assert_eq!(
            problem(&[]),
            "Unable to parse config: missing required environment variables: \
             METRICS_CA_FILE_PATH, METRICS_CERT_FILE_PATH, METRICS_KEY_FILE_PATH"
        );
        let expected = "Unable to parse config: RouterAddr is required";
        assert_eq!(problem(&metrics), expected);
        let with = |name, value| {
            problem(&[&metrics[..], &[("ROUTER_ADDR", "a:1"), (name, value)]].concat())
        };
        let expected = "no valid ciphers provided for TLS configuration";
        assert_eq!(with("AGENT_CIPHER_SUITES", "TLS_FOO"), expected);
        let expected = "Unable to parse config: map[string]string key 'a' is missing a value";
        assert_eq!(with("AGENT_TAGS", "a"), expected);
        let said = with("AGENT_CERT_FILE", "/no/such");
        assert!(
            said.starts_with("Could not use GRPC creds for client: "),
            "{said}"
        );
    }
}
