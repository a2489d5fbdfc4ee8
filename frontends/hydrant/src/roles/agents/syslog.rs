//! The role of the agent that sends to syslog drains (upstream's `syslog-agent`, job
//! `loggr-syslog-agent`).

use super::{MetricsServer, identity};
use crate::roles::Fatal;
use crate::roles::duration::GoDuration;
use crate::roles::env::{Environment, IntPort, Reader, Report, Variable};
use crate::roles::gateway::Files;
use crate::roles::log::Stamp;
use hydrant_bindings::{Blacklist, Secret};
use hydrant_rpc::tls::TlsFiles;
use std::path::PathBuf;
use std::time::Duration;

/// What upstream's syslog agent is told, in its units.
#[derive(Clone, Debug)]
pub struct SyslogSettings {
    /// How lines of the log start, by `USE_RFC3339`. Default: with seconds.
    pub log_stamp: Stamp,
    /// `BINDING_PER_APP_LIMIT`. Default: 5.
    pub per_app_limit: usize,
    /// `DRAIN_SKIP_CERT_VERIFY`. Default: false.
    pub skip_verify: bool,
    /// `DRAIN_CIPHER_SUITES`: names with colons between. Default: none, for the external profile.
    pub drain_suites: Vec<String>,
    /// `DRAIN_TRUSTED_CA_FILE`. Default: none.
    pub trusted_ca: Option<PathBuf>,
    /// `DEFAULT_DRAIN_METADATA`. Default: true.
    pub metadata: bool,
    /// `IDLE_DRAIN_TIMEOUT`. Default: 10 min.
    pub idle_timeout: Duration,
    /// `WARN_ON_INVALID_DRAINS`. Default: false.
    pub warn_on_invalid: bool,
    /// `LOGGREGATOR_AGENT_ADDR`: who takes logs to apps.
    pub agent_address: String,
    /// `AGENT_PORT`, on 127.0.0.1. Default: 3458.
    pub port: u16,
    /// `AGENT_{CERT,KEY,CA}_FILE_PATH` with `AGENT_CIPHER_SUITES`: for who sends to us, and for who
    /// takes logs to apps.
    pub tls: TlsFiles,
    /// The binding cache, if `CACHE_CA_FILE_PATH` is set.
    pub cache: Option<Cache>,
    /// `CACHE_POLLING_INTERVAL`. Default: 1 min.
    pub interval: Duration,
    /// `BLACKLISTED_SYSLOG_RANGES`. Default: none.
    pub blacklist: Blacklist,
    /// Its metrics.
    pub metrics: MetricsServer,
    /// `AGGREGATE_CONNECTION_REFRESH_INTERVAL`. Default: 1 min. Ours keep their connections over it.
    pub aggregates_interval: Duration,
    /// `AGGREGATE_DRAIN_URLS`; if there are any, the cache is not asked for others.
    pub aggregate_urls: Vec<Secret>,
}

/// Where bindings are asked for.
#[derive(Clone, Debug)]
pub struct Cache {
    /// `CACHE_URL`.
    pub url: String,
    /// `CACHE_{CA,CERT,KEY}_FILE_PATH`.
    pub files: Files,
    /// `CACHE_COMMON_NAME`: what its certificate must name.
    pub name: String,
}

impl SyslogSettings {
    /// Reads the syslog agent's variables.
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

    /// In the order of upstream's fields.
    fn read_all(reader: &mut Reader<'_>) -> Self {
        let reported = |field, kind, name| Variable::new(field, kind, name).reported();
        let text = |field, name| reported(field, "string", name);
        let flag = |field, name| reported(field, "bool", name);
        let time = |field, name| reported(field, "time.Duration", name);
        let must = |field, name| text(field, name).required();
        let rfc3339 = Variable::new("Config.UseRFC3339", "bool", "USE_RFC3339");
        let log_stamp = reader.stamp(rfc3339, Stamp::Seconds);
        let limit = reported("Config.BindingsPerAppLimit", "int", "BINDING_PER_APP_LIMIT");
        let limit = reader.read(limit, 5_i64).max(0);
        let skip = flag("Config.DrainSkipCertVerify", "DRAIN_SKIP_CERT_VERIFY");
        let skip_verify = reader.read(skip, false);
        let suites = text("Config.DrainCipherSuites", "DRAIN_CIPHER_SUITES");
        let suites: String = reader.read(suites, String::new());
        let ca = text("Config.DrainTrustedCAFile", "DRAIN_TRUSTED_CA_FILE");
        let trusted_ca = reader.path(ca);
        let metadata = flag("Config.DefaultDrainMetadata", "DEFAULT_DRAIN_METADATA");
        let metadata = reader.read(metadata, true);
        let idle = time("Config.IdleDrainTimeout", "IDLE_DRAIN_TIMEOUT");
        let idle = reader.read(idle, GoDuration::from_secs(600));
        let warn = flag("Config.WarnOnInvalidDrains", "WARN_ON_INVALID_DRAINS");
        let warn_on_invalid = reader.read(warn, false);
        let address = must("Config.LoggregatorIngressAddr", "LOGGREGATOR_AGENT_ADDR");
        let agent_address = reader.read(address, String::new());
        let port = reported("GRPC.Port", "int", "AGENT_PORT");
        let IntPort(port) = reader.read(port, IntPort(3458));
        let tls = identity::read(reader);
        let cache = Cache::read(reader);
        let interval = time("Cache.PollingInterval", "CACHE_POLLING_INTERVAL");
        let interval = reader.read(interval, GoDuration::from_secs(60));
        let ranges = reported(
            "Cache.Blacklist",
            "blacklist.BlacklistRanges",
            "BLACKLISTED_SYSLOG_RANGES",
        );
        let blacklist = reader.read(ranges, Blacklist::default());
        let metrics = MetricsServer::read(reader, 0);
        let refresh = time(
            "Config.AggregateConnectionRefreshInterval",
            "AGGREGATE_CONNECTION_REFRESH_INTERVAL",
        );
        let refresh = reader.read(refresh, GoDuration::from_secs(60));
        // Not reported, as upstream reports it: users and passwords are in it.
        let urls = Variable::new(
            "Config.AggregateDrainURLs",
            "[]string",
            "AGGREGATE_DRAIN_URLS",
        );
        let urls: Vec<String> = reader.read(urls, Vec::new());
        Self {
            log_stamp,
            per_app_limit: usize::try_from(limit).unwrap_or(usize::MAX),
            skip_verify,
            drain_suites: named(&suites),
            trusted_ca: Some(trusted_ca).filter(|file| !file.as_os_str().is_empty()),
            metadata,
            idle_timeout: idle.to_std(),
            warn_on_invalid,
            agent_address,
            port,
            tls,
            cache,
            interval: interval.to_std(),
            blacklist,
            metrics,
            aggregates_interval: refresh.to_std(),
            aggregate_urls: urls.into_iter().map(Secret::from).collect(),
        }
    }
}

impl Cache {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let text = |field, name| Variable::new(field, "string", name).reported();
        let url = reader.read(text("Cache.URL", "CACHE_URL"), String::new());
        let files = Files {
            ca: reader.path(text("Cache.CAFile", "CACHE_CA_FILE_PATH")),
            cert: reader.path(text("Cache.CertFile", "CACHE_CERT_FILE_PATH")),
            key: reader.path(text("Cache.KeyFile", "CACHE_KEY_FILE_PATH")),
        };
        let name = text("Cache.CommonName", "CACHE_COMMON_NAME");
        let name = reader.read(name, String::new());
        let cache = Self { url, files, name };
        Some(cache).filter(|cache| !cache.files.ca.as_os_str().is_empty())
    }
}

/// Names with colons between.
fn named(suites: &str) -> Vec<String> {
    let names = suites.split(':').map(str::trim);
    let names = names.filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_upstreams() {
        let environment = Environment::default();
        let settings = SyslogSettings::read_all(&mut Reader::new(&environment));
        assert_eq!(settings.port, 3458);
        assert_eq!(settings.per_app_limit, 5);
        assert!(settings.metadata && !settings.skip_verify && !settings.warn_on_invalid);
        assert_eq!(settings.idle_timeout, Duration::from_secs(600));
        assert_eq!(settings.interval, Duration::from_secs(60));
        assert_eq!(settings.aggregates_interval, Duration::from_secs(60));
        assert!(settings.cache.is_none() && settings.trusted_ca.is_none());
        assert!(settings.drain_suites.is_empty() && settings.aggregate_urls.is_empty());
    }

    #[test]
    fn what_is_missing_is_told_in_upstreams_words() {
        let fatal = SyslogSettings::read(&Environment::default()).unwrap_err();
        assert_eq!(fatal.code(), 2);
        assert_eq!(
            fatal.to_string(),
            "panic: Failed to load config from environment: missing required environment \
             variables: AGENT_CA_FILE_PATH, AGENT_CERT_FILE_PATH, AGENT_KEY_FILE_PATH, \
             LOGGREGATOR_AGENT_ADDR, METRICS_CA_FILE_PATH, METRICS_CERT_FILE_PATH, \
             METRICS_KEY_FILE_PATH"
        );
    }

    #[test]
    fn suites_have_colons_between() {
        assert_eq!(named("A: B :"), ["A", "B"]);
        assert!(named("").is_empty());
    }
}
