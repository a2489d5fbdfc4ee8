//! The role of the gateway (upstream's `rlp-gateway`): its variables, and what they mean.

use super::Fatal;
use super::duration::GoDuration;
use super::env::{Environment, Reader, Report, Variable};
use super::log::Stamp;
use hydrant_access::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// What upstream's gateway is told.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// How lines of the log start, by `USE_RFC339`. Default: with seconds.
    pub log_stamp: Stamp,
    /// Where logs come from.
    pub provider: LogsProvider,
    /// `SKIP_CERT_VERIFY`: UAA and the Cloud Controller may show any certificate.
    pub skip_cert_verify: bool,
    /// `PPROF_PORT`, on 127.0.0.1.
    pub pprof_port: u16,
    /// Whom to ask what a user may read.
    pub log_access: LogAccess,
    /// Whom to ask who a user is.
    pub log_admin: LogAdmin,
    /// `STREAM_TIMEOUT`: how long a stream lasts. Default: 14 minutes.
    pub stream_timeout: Duration,
    /// `GATEWAY_ADDR`, which may lack a host. Default: `127.0.0.1:8088`.
    pub address: String,
    /// `HTTP_CERT_PATH`.
    pub cert_path: PathBuf,
    /// `HTTP_KEY_PATH`.
    pub key_path: PathBuf,
    /// `METRICS_PORT`, on 127.0.0.1; 0 lets the kernel choose.
    pub metrics_port: u16,
    /// `METRICS_{CERT,KEY,CA}_FILE_PATH`, required as upstream.
    pub metrics_files: Files,
}

/// A certificate, its key, and whom to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// The certificates of those who sign the peer's.
    pub ca: PathBuf,
}

/// The reverse log proxy.
#[derive(Clone, Debug)]
pub struct LogsProvider {
    /// `LOGS_PROVIDER_ADDR`: host and port.
    pub address: String,
    /// `LOGS_PROVIDER_CLIENT_{CERT,KEY}_PATH` and `LOGS_PROVIDER_CA_PATH`.
    pub files: Files,
    /// `LOGS_PROVIDER_COMMON_NAME`. Default: `reverselogproxy`.
    pub name: String,
}

/// The Cloud Controller.
#[derive(Clone, Debug)]
pub struct LogAccess {
    /// `LOG_ACCESS_ADDR`: the URL of its internal interface.
    pub address: String,
    /// `LOG_ACCESS_{CERT,KEY,CA}_PATH`.
    pub files: Files,
    /// `LOG_ACCESS_COMMON_NAME`.
    pub name: String,
    /// `LOG_ACCESS_ADDR_EXTERNAL`: the URL of its public interface.
    pub external_address: String,
}

/// The UAA.
#[derive(Clone, Debug)]
pub struct LogAdmin {
    /// `LOG_ADMIN_ADDR`: its URL.
    pub address: String,
    /// `LOG_ADMIN_CLIENT_ID`.
    pub client_id: String,
    /// `LOG_ADMIN_CLIENT_SECRET`.
    pub client_secret: Secret,
    /// `LOG_ADMIN_CA_PATH`.
    pub ca: PathBuf,
}

impl GatewaySettings {
    /// Reads the gateway's variables.
    ///
    /// # Errors
    /// What upstream dies with.
    pub fn read(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let mut reader = Reader::new(environment);
        let settings = Self::read_all(&mut reader);
        let report = reader.finish().map_err(|error| {
            let problem = format_args!("failed to load config from environment: {error}");
            Fatal::new(Stamp::Seconds, problem)
        })?;
        Ok((settings, report))
    }

    /// In the order of upstream's fields.
    fn read_all(reader: &mut Reader<'_>) -> Self {
        let text = |field, name| Variable::new(field, "string", name).reported();
        let rfc3339 = Variable::new("Config.UseRFC339", "bool", "USE_RFC339");
        let log_stamp = reader.stamp(rfc3339, Stamp::Seconds);
        let must = |field, name| text(field, name).required();
        let provider = LogsProvider::read(reader);
        let skip = Variable::new("Config.SkipCertVerify", "bool", "SKIP_CERT_VERIFY").reported();
        let skip_cert_verify = reader.read(skip, false);
        let pprof_port = Variable::new("Config.PProfPort", "uint32", "PPROF_PORT");
        let pprof_port = reader.read(pprof_port, 0);
        let log_access = LogAccess::read(reader);
        let log_admin = LogAdmin::read(reader);
        let timeout = Variable::new("Config.StreamTimeout", "time.Duration", "STREAM_TIMEOUT");
        let timeout = reader.read(timeout.reported(), GoDuration::from_secs(14 * 60));
        let address = text("HTTP.GatewayAddr", "GATEWAY_ADDR");
        let metrics_port = Variable::new("MetricsServer.Port", "uint16", "METRICS_PORT").reported();
        Self {
            log_stamp,
            provider,
            skip_cert_verify,
            pprof_port,
            log_access,
            log_admin,
            stream_timeout: timeout.to_std(),
            address: reader.read(address, "127.0.0.1:8088".to_owned()),
            cert_path: reader.path(must("HTTP.CertPath", "HTTP_CERT_PATH")),
            key_path: reader.path(must("HTTP.KeyPath", "HTTP_KEY_PATH")),
            metrics_port: reader.read(metrics_port, 0),
            metrics_files: Files {
                ca: reader.path(must("MetricsServer.CAFile", "METRICS_CA_FILE_PATH")),
                cert: reader.path(must("MetricsServer.CertFile", "METRICS_CERT_FILE_PATH")),
                key: reader.path(must("MetricsServer.KeyFile", "METRICS_KEY_FILE_PATH")),
            },
        }
    }
}

impl LogsProvider {
    fn read(reader: &mut Reader<'_>) -> Self {
        let text = |field, name| Variable::new(field, "string", name).reported();
        let address = text("Config.LogsProviderAddr", "LOGS_PROVIDER_ADDR").required();
        let ca = text("Config.LogsProviderCAPath", "LOGS_PROVIDER_CA_PATH").required();
        let cert = text(
            "Config.LogsProviderClientCertPath",
            "LOGS_PROVIDER_CLIENT_CERT_PATH",
        );
        let key = text(
            "Config.LogsProviderClientKeyPath",
            "LOGS_PROVIDER_CLIENT_KEY_PATH",
        );
        let name = text("Config.LogsProviderCommonName", "LOGS_PROVIDER_COMMON_NAME");
        Self {
            address: reader.read(address, String::new()),
            files: Files {
                ca: reader.path(ca),
                cert: reader.path(cert.required()),
                key: reader.path(key.required()),
            },
            name: reader.read(name, "reverselogproxy".to_owned()),
        }
    }
}

impl LogAccess {
    fn read(reader: &mut Reader<'_>) -> Self {
        let must = |field, name| Variable::new(field, "string", name).required().reported();
        let address = must("LogAccessAuthorization.Addr", "LOG_ACCESS_ADDR");
        let cert = must("LogAccessAuthorization.CertPath", "LOG_ACCESS_CERT_PATH");
        let key = must("LogAccessAuthorization.KeyPath", "LOG_ACCESS_KEY_PATH");
        let ca = must("LogAccessAuthorization.CAPath", "LOG_ACCESS_CA_PATH");
        let name = must(
            "LogAccessAuthorization.CommonName",
            "LOG_ACCESS_COMMON_NAME",
        );
        let external = must(
            "LogAccessAuthorization.ExternalAddr",
            "LOG_ACCESS_ADDR_EXTERNAL",
        );
        Self {
            address: reader.read(address, String::new()),
            files: Files {
                cert: reader.path(cert),
                key: reader.path(key),
                ca: reader.path(ca),
            },
            name: reader.read(name, String::new()),
            external_address: reader.read(external, String::new()),
        }
    }
}

impl LogAdmin {
    fn read(reader: &mut Reader<'_>) -> Self {
        let must = |field, name| Variable::new(field, "string", name).required();
        let address = must("LogAdminAuthorization.Addr", "LOG_ADMIN_ADDR").reported();
        let id = must("LogAdminAuthorization.ClientID", "LOG_ADMIN_CLIENT_ID");
        let secret = must(
            "LogAdminAuthorization.ClientSecret",
            "LOG_ADMIN_CLIENT_SECRET",
        );
        let ca = must("LogAdminAuthorization.CAPath", "LOG_ADMIN_CA_PATH").reported();
        Self {
            address: reader.read(address, String::new()),
            client_id: reader.read(id, String::new()),
            client_secret: Secret::new(&reader.read(secret, String::new())),
            ca: reader.path(ca),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that upstream requires.
    const REQUIRED: [(&str, &str); 19] = [
        ("LOGS_PROVIDER_ADDR", "rlp:8082"),
        ("LOGS_PROVIDER_CA_PATH", "/p/ca"),
        ("LOGS_PROVIDER_CLIENT_CERT_PATH", "/p/crt"),
        ("LOGS_PROVIDER_CLIENT_KEY_PATH", "/p/key"),
        ("LOG_ACCESS_ADDR", "https://cc:9023"),
        ("LOG_ACCESS_ADDR_EXTERNAL", "https://api"),
        ("LOG_ACCESS_CERT_PATH", "/a/crt"),
        ("LOG_ACCESS_KEY_PATH", "/a/key"),
        ("LOG_ACCESS_CA_PATH", "/a/ca"),
        ("LOG_ACCESS_COMMON_NAME", "cloud-controller"),
        ("LOG_ADMIN_ADDR", "https://uaa:8443"),
        ("LOG_ADMIN_CLIENT_ID", "doppler"),
        ("LOG_ADMIN_CLIENT_SECRET", "hush"),
        ("LOG_ADMIN_CA_PATH", "/u/ca"),
        ("HTTP_CERT_PATH", "/h/crt"),
        ("HTTP_KEY_PATH", "/h/key"),
        ("METRICS_CA_FILE_PATH", "/m/ca"),
        ("METRICS_CERT_FILE_PATH", "/m/crt"),
        ("METRICS_KEY_FILE_PATH", "/m/key"),
    ];

    fn read(changes: &[(&str, &str)]) -> Result<(GatewaySettings, Report), Fatal> {
        GatewaySettings::read(&REQUIRED.iter().chain(changes).copied().collect())
    }

    fn files(folder: &str) -> Files {
        let file = |name| PathBuf::from(format!("{folder}/{name}"));
        Files {
            cert: file("crt"),
            key: file("key"),
            ca: file("ca"),
        }
    }

    #[test]
    fn what_is_required_suffices() {
        let (settings, _) = read(&[]).unwrap();
        assert_eq!(settings.provider.address, "rlp:8082");
        assert_eq!(settings.provider.files, files("/p"));
        assert_eq!(settings.provider.name, "reverselogproxy");
        assert_eq!(settings.log_access.address, "https://cc:9023");
        assert_eq!(settings.log_access.external_address, "https://api");
        assert_eq!(settings.log_access.name, "cloud-controller");
        assert_eq!(settings.log_access.files, files("/a"));
        assert_eq!(settings.log_admin.address, "https://uaa:8443");
        assert_eq!(settings.log_admin.client_id, "doppler");
        assert_eq!(settings.log_admin.ca, PathBuf::from("/u/ca"));
        assert_eq!(settings.address, "127.0.0.1:8088");
        assert_eq!(settings.cert_path, PathBuf::from("/h/crt"));
        assert_eq!(settings.key_path, PathBuf::from("/h/key"));
        assert_eq!(settings.metrics_files, files("/m"));
        assert_eq!((settings.metrics_port, settings.pprof_port), (0, 0));
        assert_eq!(settings.stream_timeout, Duration::from_secs(840));
        assert!(!settings.skip_cert_verify);
        assert_eq!(settings.log_stamp, Stamp::Seconds);
    }

    #[test]
    fn the_rest_can_be_set() {
        let (settings, _) = read(&[
            ("GATEWAY_ADDR", ":8088"),
            ("METRICS_PORT", "8089"),
            ("PPROF_PORT", "6062"),
            ("SKIP_CERT_VERIFY", "true"),
            ("STREAM_TIMEOUT", "1h2m3.5s"),
            ("LOGS_PROVIDER_COMMON_NAME", "proxy"),
            ("USE_RFC339", "1"),
        ])
        .unwrap();
        assert_eq!(settings.address, ":8088");
        assert_eq!((settings.metrics_port, settings.pprof_port), (8089, 6062));
        assert!(settings.skip_cert_verify);
        assert_eq!(settings.stream_timeout, Duration::from_millis(3_723_500));
        assert_eq!(settings.provider.name, "proxy");
        assert_eq!(settings.log_stamp, Stamp::Rfc3339);
    }

    #[test]
    fn each_required_variable_is_missed() {
        for (name, _) in REQUIRED {
            let error = read(&[(name, "")]).unwrap_err().to_string();
            let missing = format!("missing required environment variables: {name}");
            assert_eq!(
                error,
                format!("failed to load config from environment: {missing}")
            );
        }
        let error = GatewaySettings::read(&Environment::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(": HTTP_CERT_PATH, HTTP_KEY_PATH, LOGS_PROVIDER_ADDR, "),
            "{error}"
        );
        assert_eq!(error.matches(", ").count(), REQUIRED.len() - 1);
    }

    #[test]
    fn the_report_shows_all_but_secrets() {
        let (settings, report) = read(&[]).unwrap();
        let report = report.to_string();
        assert_eq!(report.lines().count(), 1 + 26);
        assert!(!report.contains("hush") && !format!("{settings:?}").contains("hush"));
        let row = |name: &str| {
            let line = report.lines().find(|line| line.contains(name)).unwrap();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let omitted = "LogAdminAuthorization.ClientID string LOG_ADMIN_CLIENT_ID true (OMITTED)";
        assert_eq!(row("LOG_ADMIN_CLIENT_ID"), omitted);
        let shown = "Config.StreamTimeout time.Duration STREAM_TIMEOUT false 14m0s";
        assert_eq!(row("STREAM_TIMEOUT"), shown);
        let shown = "MetricsServer.Port uint16 METRICS_PORT false 0";
        assert_eq!(row("METRICS_PORT"), shown);
        let omitted = "Config.PProfPort uint32 PPROF_PORT false (OMITTED)";
        assert_eq!(row(" PPROF_PORT"), omitted);
    }
}
