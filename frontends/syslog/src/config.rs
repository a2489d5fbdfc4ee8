//! The `[syslog]` table.
//!
//! The URLs of drains are secrets: what is shown of them is what [`Drain::redacted`] leaves.

use crate::limits::{
    DRAINS_MAX, IDLE_TIMEOUT_S, OUTBOX_BYTES_MAX, OUTBOX_BYTES_MIN, OUTBOXES_BYTES_MAX, WORKERS_MAX,
};
use bytesize::ByteSize;
use hydrant_bindings::source::BindingsConfig;
use hydrant_bindings::{Binding, Blacklist, Credentials, Drain, Secret};
use serde::Deserialize;
use std::fmt;
use std::fs;
use std::path::PathBuf;

mod spool;

pub use spool::SpoolConfig;

/// The `[syslog]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyslogConfig {
    /// Where lines go. Default: nowhere.
    pub drains: Vec<DrainConfig>,
    /// Threads that serve them; a drain is served by one. Default: 1.
    pub workers: usize,
    /// What may wait for one drain; what is more is lost, oldest first. Default: 8 MiB.
    pub outbox_bytes: ByteSize,
    /// What may wait for all together. Half of it is shared out equally to those there are. Default:
    /// 512 MiB.
    pub outboxes_bytes: ByteSize,
    /// Whether lines carry the envelopes' tags if the drain's URL does not say. Default: true, as
    /// upstream.
    pub metadata: bool,
    /// Seconds without a line after which a drain's connection is closed, until there is one again.
    /// Default: 600, as upstream.
    pub idle_timeout_s: u64,
    /// Where bindings come from: drains beside those of the file. Default: nowhere.
    pub bindings: Option<BindingsConfig>,
    /// TLS to drains.
    pub tls: TlsConfig,
    /// Where lines wait on disk. Default: nowhere.
    pub spool: Option<SpoolConfig>,
}

/// The `[syslog.tls]` table: TLS to `syslog-tls`, `https` and `https-batch` drains.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// CAs that are trusted beside the machine's. Default: none.
    pub ca_file: Option<PathBuf>,
    /// TLS 1.2 alone, with these suites, by IANA's or OpenSSL's names. Default: TLS 1.2 and 1.3 with
    /// every suite of ECDHE with AES-GCM or ChaCha20.
    pub cipher_suites: Vec<String>,
    /// Whether every certificate of a drain is taken: whoever is in between can read all. Default:
    /// false.
    pub insecure_skip_verify: bool,
}

/// A `[[syslog.drains]]` table.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrainConfig {
    /// `syslog://host:port?drain-data=…`, see [`Drain::parse`].
    pub url: String,
    /// The source id whose envelopes the drain gets. Default: every source's.
    #[serde(default)]
    pub app: Option<String>,
    /// HOSTNAME of lines whose tags name no app. Default: none, written as `-`.
    #[serde(default)]
    pub hostname: String,
    /// PEM file with our certificate for it; goes with `key_file`. Default: none.
    #[serde(default)]
    pub cert_file: Option<PathBuf>,
    /// PEM file with our key for it.
    #[serde(default)]
    pub key_file: Option<PathBuf>,
    /// PEM file with CAs that are trusted for it and no other drain. Default: none.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// A setting that cannot be used. Says nothing of a URL that could be a secret.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct ConfigError {
    /// The key, as in the file.
    pub key: String,
    /// What is wrong and what is allowed.
    pub problem: String,
}

impl Default for SyslogConfig {
    fn default() -> Self {
        Self {
            drains: Vec::new(),
            workers: 1,
            outbox_bytes: ByteSize::mib(8),
            outboxes_bytes: ByteSize::mib(512),
            metadata: true,
            idle_timeout_s: IDLE_TIMEOUT_S,
            bindings: None,
            tls: TlsConfig::default(),
            spool: None,
        }
    }
}

fn in_range(key: &str, bytes: u64, least: u64, most: u64) -> Result<(), ConfigError> {
    if (least..=most).contains(&bytes) {
        return Ok(());
    }
    let [bytes, least, most] = [bytes, least, most].map(|it| ByteSize::b(it).display().iec());
    let problem = format!("{bytes} is not allowed: from {least} to {most}");
    Err(ConfigError::new(key, problem))
}

impl fmt::Debug for DrainConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drain = Drain::parse(&self.url);
        let url = drain.as_ref().map_or("unreadable", Drain::redacted);
        f.debug_struct("DrainConfig")
            .field("url", &url)
            .field("app", &self.app)
            .field("hostname", &self.hostname)
            .finish()
    }
}

impl SyslogConfig {
    /// Checks the settings; gives the drains, in the order of the file.
    ///
    /// # Errors
    /// Names the first key that cannot be used, such as `syslog.drains[2].url`.
    pub fn check(&self) -> Result<Vec<Drain>, ConfigError> {
        let outbox_bytes = self.outbox_bytes.as_u64();
        in_range(
            "syslog.outbox_bytes",
            outbox_bytes,
            OUTBOX_BYTES_MIN,
            OUTBOX_BYTES_MAX,
        )?;
        let outboxes_bytes = self.outboxes_bytes.as_u64();
        if !(outbox_bytes..=OUTBOXES_BYTES_MAX).contains(&outboxes_bytes) {
            let problem = format!(
                "{} is not allowed: from {} (syslog.outbox_bytes) to {}",
                self.outboxes_bytes.display().iec(),
                self.outbox_bytes.display().iec(),
                ByteSize::b(OUTBOXES_BYTES_MAX).display().iec(),
            );
            return Err(ConfigError::new("syslog.outboxes_bytes", problem));
        }
        if !(1..=WORKERS_MAX).contains(&self.workers) {
            let problem = format!("{} is not allowed: from 1 to {WORKERS_MAX}", self.workers);
            return Err(ConfigError::new("syslog.workers", problem));
        }
        if let Some(bindings) = &self.bindings {
            let checked = bindings.check();
            checked.map_err(|error| ConfigError::new(error.key, error.problem))?;
        }
        if self.idle_timeout_s == 0 {
            let problem = "0 is not allowed: at least 1 second";
            return Err(ConfigError::new("syslog.idle_timeout_s", problem));
        }
        if let Some(spool) = &self.spool {
            spool.check(self.workers)?;
        }
        if self.drains.len() > DRAINS_MAX {
            let problem = format!("{} drains; at most {DRAINS_MAX}", self.drains.len());
            return Err(ConfigError::new("syslog.drains", problem));
        }
        let drains = self.drains.iter().enumerate();
        drains
            .map(|(index, drain)| drain.check(&format!("syslog.drains[{index}]")))
            .collect()
    }
}

impl SyslogConfig {
    /// Whether there are drains, or may be.
    pub const fn is_on(&self) -> bool {
        !self.drains.is_empty() || self.bindings.is_some()
    }

    /// Addresses that no app's drain may have: each that its name has is checked before we connect.
    pub(crate) fn blacklist(&self) -> Blacklist {
        let bindings = self.bindings.as_ref();
        bindings.map_or_else(Blacklist::default, |bindings| bindings.blacklist.clone())
    }

    /// The drains of the file as bindings.
    ///
    /// # Errors
    /// Names the first key whose file cannot be read.
    pub(crate) fn bindings(&self) -> Result<Vec<Binding>, ConfigError> {
        let drains = self.drains.iter().enumerate();
        let binding = |(index, drain): (usize, &DrainConfig)| {
            Ok(Binding {
                url: drain.url.as_str().into(),
                credentials: drain.credentials(&format!("syslog.drains[{index}]"))?,
                app: drain.app.clone(),
                hostname: drain.hostname.clone(),
            })
        };
        drains.map(binding).collect()
    }
}

impl DrainConfig {
    fn credentials(&self, key: &str) -> Result<Credentials, ConfigError> {
        let read = |name: &str, file: &Option<PathBuf>| match file {
            None => Ok(Secret::default()),
            Some(file) => fs::read_to_string(file).map(Secret::from).map_err(|error| {
                let problem = format!("{}: {error}", file.display());
                ConfigError::new(format!("{key}.{name}"), problem)
            }),
        };
        Ok(Credentials {
            cert: read("cert_file", &self.cert_file)?,
            key: read("key_file", &self.key_file)?,
            ca: read("ca_file", &self.ca_file)?,
        })
    }

    fn check(&self, key: &str) -> Result<Drain, ConfigError> {
        if self.app.as_deref() == Some("") {
            let problem = "is empty: name a source id, or leave it out for every source";
            return Err(ConfigError::new(format!("{key}.app"), problem));
        }
        if !self.hostname.bytes().all(|byte| byte.is_ascii_graphic()) {
            let problem = "is not printable ASCII without spaces, as RFC 5424 wants it";
            return Err(ConfigError::new(format!("{key}.hostname"), problem));
        }
        let fail = |problem: String| ConfigError::new(format!("{key}.url"), problem);
        if self.cert_file.is_some() != self.key_file.is_some() {
            let problem = "goes with key_file, and key_file with it";
            return Err(ConfigError::new(format!("{key}.cert_file"), problem));
        }
        Drain::parse(&self.url).map_err(|error| fail(error.to_string()))
    }
}

impl ConfigError {
    pub(crate) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            problem: problem.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<SyslogConfig, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    fn problem(text: &str) -> String {
        parse(text).unwrap().check().unwrap_err().to_string()
    }

    #[test]
    fn nothing_is_said_and_all_is_fine() {
        let config = parse("").unwrap();
        assert_eq!(config.outbox_bytes, ByteSize::mib(8));
        assert_eq!(config.check(), Ok(Vec::new()));
    }

    #[test]
    fn drains_keep_their_order() {
        let config = parse(
            "outbox_bytes = '256 KiB'\n\
             [[drains]]\nurl = 'syslog://a:1'\n\
             [[drains]]\nurl = 'syslog://b:2?drain-data=all'\napp = 'x'\nhostname = 'h.o'\n",
        );
        let config = config.unwrap();
        let drains = config.check().unwrap();
        let hosts: Vec<_> = drains.iter().map(Drain::host).collect();
        assert_eq!(hosts, ["a", "b"]);
        assert_eq!(config.drains[0].app, None);
        assert_eq!(config.drains[1].app.as_deref(), Some("x"));
        assert_eq!(config.drains[1].hostname, "h.o");
    }

    #[test]
    fn errors_name_their_key() {
        let fine = "[[drains]]\nurl = 'syslog://a:1'\n";
        let error = problem(&format!("{fine}{fine}[[drains]]\nurl = 'syslog://a'\n"));
        assert_eq!(
            error,
            "syslog.drains[2].url: drain URL has no port: write syslog://host:port"
        );
        assert!(problem(&format!("{fine}app = ''\n")).starts_with("syslog.drains[0].app: "));
        assert!(problem(&format!("{fine}hostname = 'a b'\n")).starts_with("syslog.drains[0].host"));
        assert_eq!(
            problem("outbox_bytes = '1 KiB'"),
            "syslog.outbox_bytes: 1.0 KiB is not allowed: from 256.0 KiB to 64.0 GiB"
        );
        let error = parse("[[drains]]\nurl = 'syslog://a:1'\nport = 1").unwrap_err();
        assert!(
            error.contains("line 3") && error.contains("port"),
            "{error}"
        );
    }

    #[test]
    fn a_spool_needs_a_directory_and_room_for_a_drain() {
        let config = parse("[spool]\ndirectory = '/var/vcap/data/spool'").unwrap();
        config.check().unwrap();
        assert_eq!(config.spool.unwrap().bytes, ByteSize::gib(16));
        assert!(parse("[spool]").unwrap_err().contains("directory"));
        for (more, expected) in [
            ("directory = ''", "syslog.spool.directory: is empty"),
            (
                "directory = 'd'\nbytes_per_drain = '1 KiB'",
                "syslog.spool.bytes_per_drain: 1.0 KiB is not allowed: from 1.0 MiB to 16.0 TiB",
            ),
            (
                "directory = 'd'\nbytes = '1 GB'",
                "syslog.spool.bytes: 953.7 MiB is not allowed: from 1.0 GiB to 16.0 TiB",
            ),
            (
                "directory = 'd'\nkeep_retired_s = 0",
                "syslog.spool.keep_retired_s: 0 is not allowed",
            ),
        ] {
            let error = problem(&format!("[spool]\n{more}\n"));
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn more_drains_than_a_worker_can_have_are_refused() {
        let config = SyslogConfig {
            drains: vec![
                DrainConfig {
                    url: "syslog://a:1".to_owned(),
                    ..Default::default()
                };
                DRAINS_MAX + 1
            ],
            ..Default::default()
        };
        let error = config.check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "syslog.drains: 10001 drains; at most 10000"
        );
    }

    #[test]
    fn secrets_are_shown_by_neither_debug_nor_errors() {
        for url in [
            "syslog://user:hush@h:1?token=hush",
            "syslog://user:hush@h?hush",
            "hush",
        ] {
            let config = parse(&format!("[[drains]]\nurl = '{url}'\n")).unwrap();
            let shown = format!("{config:?} {:?}", config.check());
            assert!(!shown.contains("hush"), "{shown}");
            assert!(shown.contains("url"), "{shown}");
        }
    }
}
