//! The role of who takes v1 over UDP and sends v2 to the agent of its host (upstream's `udp-forwarder`,
//! job `loggr-udp-forwarder`).

use super::MetricsServer;
use crate::roles::Fatal;
use crate::roles::env::{Environment, IntPort, Reader, Report, Variable};
use crate::roles::log::Stamp;
use hydrant_rpc::tls::TlsFiles;

/// What upstream's UDP forwarder is told, in its units.
#[derive(Clone, Debug)]
pub struct UdpSettings {
    /// How lines of the log start, by `USE_RFC3339`. Default: with seconds.
    pub log_stamp: Stamp,
    /// `UDP_PORT`, on 127.0.0.1. Default: 3457.
    pub udp_port: u16,
    /// `LOGGREGATOR_AGENT_ADDR`. Default: 127.0.0.1:3458.
    pub agent_address: String,
    /// `LOGGREGATOR_AGENT_{CERT,KEY,CA}_FILE_PATH`.
    pub tls: TlsFiles,
    /// `DEPLOYMENT`, `JOB`, `INDEX`, `IP`.
    pub here: [String; 4],
    /// Its metrics.
    pub metrics: MetricsServer,
}

impl UdpSettings {
    /// Reads the UDP forwarder's variables.
    ///
    /// # Errors
    /// What upstream dies with.
    pub fn read(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let mut reader = Reader::new(environment);
        let settings = Self::read_all(&mut reader);
        let report = reader
            .finish()
            .map_err(|error| Fatal::new(Stamp::Seconds, error))?;
        settings.tls.check().map_err(|error| {
            let problem = format_args!("Failed to create loggregator agent credentials: {error}");
            Fatal::new(settings.log_stamp, problem)
        })?;
        Ok((settings, report))
    }

    fn read_all(reader: &mut Reader<'_>) -> Self {
        let reported = |field, kind, name| Variable::new(field, kind, name).reported();
        let required = |field, name| reported(field, "string", name).required();
        let text = |field, name| reported(field, "string", name);
        // In the order of upstream's fields.
        let rfc3339 = Variable::new("Config.UseRFC3339", "bool", "USE_RFC3339");
        let log_stamp = reader.stamp(rfc3339, Stamp::Seconds);
        let udp_port = reported("Config.UDPPort", "int", "UDP_PORT");
        let IntPort(udp_port) = reader.read(udp_port, IntPort(3457));
        let address = text("GRPC.Addr", "LOGGREGATOR_AGENT_ADDR");
        let agent_address = reader.read(address, "127.0.0.1:3458".to_owned());
        let ca_file = reader.path(required("GRPC.CAFile", "LOGGREGATOR_AGENT_CA_FILE_PATH"));
        let cert_file = "LOGGREGATOR_AGENT_CERT_FILE_PATH";
        let cert_file = reader.path(required("GRPC.CertFile", cert_file));
        let key_file = reader.path(required("GRPC.KeyFile", "LOGGREGATOR_AGENT_KEY_FILE_PATH"));
        let mut string = |field, name| reader.read(text(field, name), String::new());
        let here = [
            string("Config.Deployment", "DEPLOYMENT"),
            string("Config.Job", "JOB"),
            string("Config.Index", "INDEX"),
            string("Config.IP", "IP"),
        ];
        Self {
            log_stamp,
            udp_port,
            agent_address,
            tls: TlsFiles {
                cert_file,
                key_file,
                ca_file,
                suites: Vec::new(),
            },
            here,
            metrics: MetricsServer::read(reader, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_upstreams() {
        let environment = Environment::default();
        let settings = UdpSettings::read_all(&mut Reader::new(&environment));
        assert_eq!(settings.udp_port, 3457);
        assert_eq!(settings.agent_address, "127.0.0.1:3458");
        assert_eq!(settings.metrics.port, 0);
    }

    #[test]
    fn what_is_missing_is_told_in_upstreams_words() {
        let fatal = UdpSettings::read(&Environment::default()).unwrap_err();
        assert_eq!(fatal.code(), 1);
        assert_eq!(
            fatal.to_string(),
            "missing required environment variables: LOGGREGATOR_AGENT_CA_FILE_PATH, \
             LOGGREGATOR_AGENT_CERT_FILE_PATH, LOGGREGATOR_AGENT_KEY_FILE_PATH, \
             METRICS_CA_FILE_PATH, METRICS_CERT_FILE_PATH, METRICS_KEY_FILE_PATH"
        );
    }
}
