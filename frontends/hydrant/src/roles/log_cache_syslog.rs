//! The role of Log Cache's syslog server (upstream's `log-cache-syslog-server`): its variables, and what
//! they mean.

use super::Fatal;
use super::duration::GoDuration;
use super::env::{Environment, IntPort, Reader, Report, Variable};
use super::gateway::Files;
use super::log::Stamp;
use super::log_cache::{LogCacheMetrics, flag, text};
use std::path::PathBuf;
use std::time::Duration;

/// What upstream's syslog server is told.
#[derive(Clone, Debug)]
pub struct LogCacheSyslogSettings {
    /// How lines of the log start, by `USE_RFC339`. Default: with micros.
    pub log_stamp: Stamp,
    /// `LOG_CACHE_ADDR`: host and port of the node; without a host it is this one.
    pub node_address: String,
    /// `SYSLOG_PORT`, on every address of the host; 0 lets the kernel choose.
    pub port: u16,
    /// `CA_PATH`, `CERT_PATH`, `KEY_PATH`; the node is asked over mutual TLS if there is one of them.
    pub node_files: Files,
    /// `SYSLOG_TLS_CERT_PATH` and `SYSLOG_TLS_KEY_PATH`; TLS is served if there is one of them.
    pub tls: (PathBuf, PathBuf),
    /// `SYSLOG_CLIENT_TRUSTED_CA_FILE`: then TLS is mutual.
    pub client_ca: PathBuf,
    /// `SYSLOG_IDLE_TIMEOUT`. Default: two minutes.
    pub idle_timeout: Duration,
    /// `SYSLOG_MAX_MESSAGE_LENGTH` in bytes. Default: 65 KiB.
    pub message_bytes_max: i64,
    /// `SYSLOG_TRIM_MESSAGE_WHITESPACE`. Default: true.
    pub trim_whitespace: bool,
    /// `SYSLOG_NON_TRANSPARENT_FRAMING`.
    pub non_transparent_framing: bool,
    /// Where metrics are.
    pub metrics: LogCacheMetrics,
}

const fn number(field: &'static str, name: &'static str) -> Variable {
    Variable::new(field, "int", name).reported()
}

impl LogCacheSyslogSettings {
    /// Reads the server's variables.
    ///
    /// # Errors
    /// What upstream dies with.
    pub fn read(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let mut reader = Reader::new(environment);
        let settings = Self::read_all(&mut reader);
        let report = reader.finish().map_err(|error| {
            Fatal::new(
                Stamp::Seconds,
                format_args!("invalid configuration: {error}"),
            )
        })?;
        Ok((settings, report))
    }

    /// In the order of upstream's fields.
    fn read_all(reader: &mut Reader<'_>) -> Self {
        let node = text("Config.LogCacheAddr", "LOG_CACHE_ADDR").required();
        let node_address = reader.read(node, ":8080".to_owned());
        let port = number("Config.SyslogPort", "SYSLOG_PORT").required();
        let IntPort(port) = reader.read(port, IntPort(8888));
        let node_files = Files {
            ca: reader.path(text("TLS.CAPath", "CA_PATH")),
            cert: reader.path(text("TLS.CertPath", "CERT_PATH")),
            key: reader.path(text("TLS.KeyPath", "KEY_PATH")),
        };
        let cert = reader.path(text("Config.SyslogTLSCertPath", "SYSLOG_TLS_CERT_PATH"));
        let key = reader.path(text("Config.SyslogTLSKeyPath", "SYSLOG_TLS_KEY_PATH"));
        let idle = Variable::new(
            "Config.SyslogIdleTimeout",
            "time.Duration",
            "SYSLOG_IDLE_TIMEOUT",
        );
        let idle = reader.read(idle.reported(), GoDuration::from_secs(120));
        let longest = number("Config.SyslogMaxMessageLength", "SYSLOG_MAX_MESSAGE_LENGTH");
        let message_bytes_max = reader.read(longest, 65 * 1024);
        let trims = flag(
            "Config.SyslogTrimMessageWhitespace",
            "SYSLOG_TRIM_MESSAGE_WHITESPACE",
        );
        let trim_whitespace = reader.read(trims, true);
        let client_ca = text(
            "Config.SyslogClientTrustedCAFile",
            "SYSLOG_CLIENT_TRUSTED_CA_FILE",
        );
        let client_ca = reader.path(client_ca);
        let framing = flag(
            "Config.SyslogNonTransparentFraming",
            "SYSLOG_NON_TRANSPARENT_FRAMING",
        );
        let non_transparent_framing = reader.read(framing, false);
        let metrics = LogCacheMetrics::read(reader, 6061);
        let rfc339 = Variable::new("Config.UseRFC339", "bool", "USE_RFC339");
        Self {
            log_stamp: reader.stamp(rfc339, Stamp::Microseconds),
            node_address,
            port,
            node_files,
            tls: (cert, key),
            client_ca,
            idle_timeout: idle.to_std(),
            message_bytes_max,
            trim_whitespace,
            non_transparent_framing,
            metrics,
        }
    }
}
