//! The role of the syslog binding cache (upstream's `binding-cache`): its variables, and what they
//! mean.

use super::duration::GoDuration;
use super::env::{Environment, Reader, Report, Setting, Variable};
use super::gateway::Files;
use super::log::Stamp;
use super::{Fatal, suites};
use hydrant_bindings::{Blacklist, BlacklistError};
use std::path::PathBuf;
use std::time::Duration;

/// What upstream's binding cache is told.
#[derive(Clone, Debug)]
pub struct BindingCacheSettings {
    /// How lines of the log start, by `USE_RFC3339`. Default: with seconds.
    pub log_stamp: Stamp,
    /// The Cloud Controller.
    pub api: Api,
    /// `CIPHER_SUITES`, for those who ask. Default: both.
    pub suites: Vec<String>,
    /// `AGGREGATE_DRAINS_FILE`, which must be there, as upstream.
    pub aggregate_drains_file: PathBuf,
    /// `CACHE_{CA,CERT,KEY}_FILE_PATH`: who may ask, and what they are shown.
    pub cache_files: Files,
    /// `CACHE_PORT`, on all addresses; 0 lets the kernel choose.
    pub cache_port: u16,
    /// `METRICS_PORT`, on 127.0.0.1; 0 lets the kernel choose.
    pub metrics_port: u16,
    /// `PPROF_PORT`, on 127.0.0.1.
    pub pprof_port: u16,
    /// `METRICS_{CA,CERT,KEY}_FILE_PATH`.
    pub metrics_files: Files,
    /// `LOGGREGATOR_AGENT_HOST` and `LOGGREGATOR_AGENT_PORT`: who takes logs to apps. Default:
    /// `127.0.0.1:3458`.
    pub agent_address: String,
    /// `LOGGREGATOR_AGENT_{CA,CERT,KEY}_FILE_PATH`.
    pub agent_files: Files,
    /// `BLACKLISTED_SYSLOG_RANGES`. Default: none.
    pub blacklist: Blacklist,
    /// `WARN_ON_INVALID_DRAINS`. Default: true.
    pub warn_on_invalid: bool,
}

/// The Cloud Controller.
#[derive(Clone, Debug)]
pub struct Api {
    /// `API_URL`.
    pub url: String,
    /// `API_{CA,CERT,KEY}_FILE_PATH`.
    pub files: Files,
    /// `API_COMMON_NAME`: what its certificate must name.
    pub name: String,
    /// `API_POLLING_INTERVAL`, from the end of a round to the next. Default: 15 s.
    pub interval: Duration,
    /// `API_BATCH_SIZE`; 0 if it is negative. Default: 1000.
    pub batch_size: u32,
}

impl BindingCacheSettings {
    /// Reads the cache's variables.
    ///
    /// # Errors
    /// What upstream dies with.
    pub fn read(environment: &Environment) -> Result<(Self, Report), Fatal> {
        let mut reader = Reader::new(environment);
        let settings = Self::read_all(&mut reader);
        let report = reader.finish().map_err(|error| {
            let problem = format_args!("Failed to load config from environment: {error}");
            Fatal::new(Stamp::Seconds, problem)
        })?;
        let suites = suites(&settings.suites, settings.log_stamp)?;
        Ok((Self { suites, ..settings }, report))
    }

    /// In the order of upstream's fields. Some say nothing to us: each request has a connection of
    /// its own whatever is said of keep-alives, a name of our own need not be known, and the suites
    /// to the agent are ignored by upstream too.
    fn read_all(reader: &mut Reader<'_>) -> Self {
        let text = |field, name| Variable::new(field, "string", name).reported();
        let must = |field, name| text(field, name).required();
        let list = |field, name| Variable::new(field, "[]string", name).reported();
        let flag = |field, name| Variable::new(field, "bool", name).reported();
        let rfc3339 = flag("Config.UseRFC3339", "USE_RFC3339");
        let log_stamp = reader.stamp(rfc3339, Stamp::Seconds);
        let api = Api::read(reader);
        let keep_alives = flag("Config.APIDisableKeepAlives", "API_DISABLE_KEEP_ALIVES");
        reader.read(keep_alives, true);
        let suites = reader.read(list("Config.CipherSuites", "CIPHER_SUITES"), Vec::new());
        let aggregates = text("Config.AggregateDrainsFile", "AGGREGATE_DRAINS_FILE");
        let aggregate_drains_file = reader.path(aggregates);
        let cache_files = Files {
            ca: reader.path(must("Config.CacheCAFile", "CACHE_CA_FILE_PATH")),
            cert: reader.path(must("Config.CacheCertFile", "CACHE_CERT_FILE_PATH")),
            key: reader.path(must("Config.CacheKeyFile", "CACHE_KEY_FILE_PATH")),
        };
        let name = must("Config.CacheCommonName", "CACHE_COMMON_NAME");
        reader.read(name, String::new());
        let port = Variable::new("Config.CachePort", "int", "CACHE_PORT").reported();
        let cache_port = reader.read(port.required(), 0);
        reader.read(flag("MetricsServer.DebugMetrics", "DEBUG_METRICS"), false);
        let port = |field, name| Variable::new(field, "uint16", name).reported();
        let metrics_port = reader.read(port("MetricsServer.Port", "METRICS_PORT"), 0);
        let pprof_port = reader.read(port("MetricsServer.PprofPort", "PPROF_PORT"), 0);
        let metrics_files = Files {
            ca: reader.path(must("MetricsServer.CAFile", "METRICS_CA_FILE_PATH")),
            cert: reader.path(must("MetricsServer.CertFile", "METRICS_CERT_FILE_PATH")),
            key: reader.path(must("MetricsServer.KeyFile", "METRICS_KEY_FILE_PATH")),
        };
        let host = text("GRPC.Host", "LOGGREGATOR_AGENT_HOST");
        let host = reader.read(host, "127.0.0.1".to_owned());
        let port = Variable::new("GRPC.Port", "int", "LOGGREGATOR_AGENT_PORT").reported();
        let port: u16 = reader.read(port, 3458);
        let agent_files = Files {
            ca: reader.path(must("GRPC.CAFile", "LOGGREGATOR_AGENT_CA_FILE_PATH")),
            cert: reader.path(must("GRPC.CertFile", "LOGGREGATOR_AGENT_CERT_FILE_PATH")),
            key: reader.path(must("GRPC.KeyFile", "LOGGREGATOR_AGENT_KEY_FILE_PATH")),
        };
        let agent_suites = list("GRPC.CipherSuites", "LOGGREGATOR_AGENT_CIPHER_SUITES");
        reader.read(agent_suites, Vec::<String>::new());
        let ranges = Variable::new(
            "Config.Blacklist",
            "blacklist.BlacklistRanges",
            "BLACKLISTED_SYSLOG_RANGES",
        );
        let blacklist = reader.read(ranges.reported(), Blacklist::default());
        let warn = flag("Config.WarnOnInvalidDrains", "WARN_ON_INVALID_DRAINS");
        Self {
            log_stamp,
            api,
            suites,
            aggregate_drains_file,
            cache_files,
            cache_port,
            metrics_port,
            pprof_port,
            metrics_files,
            agent_address: format!("{host}:{port}"),
            agent_files,
            blacklist,
            warn_on_invalid: reader.read(warn, true),
        }
    }
}

impl Api {
    fn read(reader: &mut Reader<'_>) -> Self {
        let must = |field, name| Variable::new(field, "string", name).required().reported();
        let url = reader.read(must("Config.APIURL", "API_URL"), String::new());
        let files = Files {
            ca: reader.path(must("Config.APICAFile", "API_CA_FILE_PATH")),
            cert: reader.path(must("Config.APICertFile", "API_CERT_FILE_PATH")),
            key: reader.path(must("Config.APIKeyFile", "API_KEY_FILE_PATH")),
        };
        let name = must("Config.APICommonName", "API_COMMON_NAME");
        let name = reader.read(name, String::new());
        let interval = Variable::new(
            "Config.APIPollingInterval",
            "time.Duration",
            "API_POLLING_INTERVAL",
        );
        let interval = reader.read(interval.reported(), GoDuration::from_secs(15));
        let batch_size = Variable::new("Config.APIBatchSize", "int", "API_BATCH_SIZE").reported();
        let batch_size = reader.read(batch_size, 1_000_i64).max(0);
        Self {
            url,
            files,
            name,
            interval: interval.to_std(),
            batch_size: u32::try_from(batch_size).unwrap_or(u32::MAX),
        }
    }
}

impl Setting for Blacklist {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
            .map_err(|error: BlacklistError| error.to_string())
    }

    fn shown(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that upstream requires.
    const REQUIRED: [(&str, &str); 16] = [
        ("API_URL", "https://cc:9023"),
        ("API_CA_FILE_PATH", "/a/ca"),
        ("API_CERT_FILE_PATH", "/a/crt"),
        ("API_KEY_FILE_PATH", "/a/key"),
        ("API_COMMON_NAME", "cloud-controller"),
        ("CACHE_CA_FILE_PATH", "/c/ca"),
        ("CACHE_CERT_FILE_PATH", "/c/crt"),
        ("CACHE_KEY_FILE_PATH", "/c/key"),
        ("CACHE_COMMON_NAME", "binding-cache"),
        ("CACHE_PORT", "9000"),
        ("METRICS_CA_FILE_PATH", "/m/ca"),
        ("METRICS_CERT_FILE_PATH", "/m/crt"),
        ("METRICS_KEY_FILE_PATH", "/m/key"),
        ("LOGGREGATOR_AGENT_CA_FILE_PATH", "/l/ca"),
        ("LOGGREGATOR_AGENT_CERT_FILE_PATH", "/l/crt"),
        ("LOGGREGATOR_AGENT_KEY_FILE_PATH", "/l/key"),
    ];

    fn read(changes: &[(&str, &str)]) -> Result<(BindingCacheSettings, Report), Fatal> {
        BindingCacheSettings::read(&REQUIRED.iter().chain(changes).copied().collect())
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
        let (settings, report) = read(&[]).unwrap();
        assert_eq!(settings.log_stamp, Stamp::Seconds);
        assert_eq!(settings.api.url, "https://cc:9023");
        assert_eq!(settings.api.files, files("/a"));
        assert_eq!(settings.api.name, "cloud-controller");
        assert_eq!(settings.api.interval, Duration::from_secs(15));
        assert_eq!(settings.api.batch_size, 1_000);
        assert_eq!(settings.cache_files, files("/c"));
        assert_eq!(settings.metrics_files, files("/m"));
        assert_eq!(settings.agent_files, files("/l"));
        assert_eq!(settings.agent_address, "127.0.0.1:3458");
        let ports = [
            settings.cache_port,
            settings.metrics_port,
            settings.pprof_port,
        ];
        assert_eq!(ports, [9000, 0, 0]);
        assert!(settings.warn_on_invalid && settings.blacklist.is_empty());
        assert!(settings.suites.is_empty());
        assert_eq!(report.to_string().lines().count(), 1 + 30);
    }

    #[test]
    fn the_rest_can_be_set() {
        let (settings, report) = read(&[
            ("USE_RFC3339", "true"),
            ("API_POLLING_INTERVAL", "1m"),
            ("API_BATCH_SIZE", "-5"),
            ("API_DISABLE_KEEP_ALIVES", "false"),
            (
                "CIPHER_SUITES",
                "TLS_FOO,TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            ),
            ("AGGREGATE_DRAINS_FILE", "/d.yml"),
            ("METRICS_PORT", "14828"),
            ("PPROF_PORT", "1"),
            ("LOGGREGATOR_AGENT_HOST", "agent"),
            ("LOGGREGATOR_AGENT_PORT", "3460"),
            (
                "BLACKLISTED_SYSLOG_RANGES",
                "10.0.0.1-10.0.0.9,fd00::-fd00::1",
            ),
            ("WARN_ON_INVALID_DRAINS", "false"),
        ])
        .unwrap();
        assert_eq!(settings.log_stamp, Stamp::Rfc3339);
        assert_eq!(settings.api.interval, Duration::from_secs(60));
        assert_eq!(settings.api.batch_size, 0);
        assert_eq!(settings.suites, ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
        assert_eq!(settings.aggregate_drains_file, PathBuf::from("/d.yml"));
        assert_eq!((settings.metrics_port, settings.pprof_port), (14828, 1));
        assert_eq!(settings.agent_address, "agent:3460");
        assert!(settings.blacklist.contains("fd00::1".parse().unwrap()));
        assert!(!settings.warn_on_invalid);
        let report = report.to_string();
        assert!(
            report.contains("10.0.0.1-10.0.0.9,fd00::-fd00::1"),
            "{report}"
        );
    }

    #[test]
    fn each_required_variable_is_missed_and_ranges_must_be_ranges() {
        for (name, _) in REQUIRED {
            let error = read(&[(name, "")]).unwrap_err().to_string();
            let missing = format!("missing required environment variables: {name}");
            let expected = format!("Failed to load config from environment: {missing}");
            assert_eq!(error, expected);
        }
        let error = read(&[("BLACKLISTED_SYSLOG_RANGES", "10.0.0.1")]).unwrap_err();
        let expected = "Failed to load config from environment: invalid BlacklistRange: 10.0.0.1";
        assert_eq!(error.to_string(), expected);
    }
}
