//! What a drain's URL asks for: where its lines go, which envelopes and whether with their tags.
//!
//! A drain's URL is a secret: people put passwords and tokens into it. Only `Drain::parse` sees it
//! whole; what is kept, shown and reported is without user name, password, query and fragment.

use std::fmt::{self, Display, Formatter};

use url::Url;

/// A syslog drain, as its URL describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    host: String,
    port: u16,
    data: DrainData,
    has_tags: Option<bool>,
    redacted: String,
}

/// The kinds of envelopes that a drain gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DrainData {
    /// Logs and events: what a drain gets that asks for nothing.
    Logs,
    /// Logs alone (the older `drain-type=logs`).
    LogsNoEvents,
    /// Counters and gauges.
    Metrics,
    /// Logs, counters and gauges (the older `drain-type=all`).
    LogsAndMetrics,
    /// Timers.
    Traces,
    /// Every kind.
    All,
}

/// Why a URL is not a drain's. No message repeats more of the URL than its scheme.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrainError {
    /// It is no URL.
    #[error("drain URL cannot be read: {0}")]
    Malformed(#[from] url::ParseError),
    /// Nothing like `//host` comes after the scheme.
    #[error("drain URL has no host: write syslog://host:port")]
    HostMissing,
    /// The scheme is not one of this version's.
    #[error("drain scheme `{scheme}` is not supported: this version has `syslog`")]
    SchemeUnsupported {
        /// The scheme, in lower case.
        scheme: String,
    },
    /// Syslog has no default port here, as upstream has none, and 0 is no port.
    #[error("drain URL has no port: write syslog://host:port")]
    PortMissing,
}

impl Drain {
    /// Reads a drain's URL, `syslog://host:port?drain-data=…`.
    ///
    /// # Errors
    /// `DrainError`, which says what is missing and what is supported.
    pub fn parse(text: &str) -> Result<Self, DrainError> {
        let url = Url::parse(text)?;
        // First, because `user:password@host` reads as a scheme and a path.
        let host = url
            .host_str()
            .filter(|host| !host.is_empty())
            .ok_or(DrainError::HostMissing)?;
        if url.scheme() != "syslog" {
            return Err(DrainError::SchemeUnsupported {
                scheme: url.scheme().to_owned(),
            });
        }
        let port = url
            .port()
            .filter(|port| *port != 0)
            .ok_or(DrainError::PortMissing)?;
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            data: DrainData::of(&url),
            has_tags: has_tags(&url),
            redacted: format!("{}://{host}:{port}{}", url.scheme(), url.path()),
        })
    }

    /// A name or an address to resolve; an IPv6 address is without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port, never 0.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The kinds of envelopes that it gets.
    #[must_use]
    pub const fn data(&self) -> DrainData {
        self.data
    }

    /// Whether its lines carry the envelopes' tags, `default` being the operator's choice for
    /// drains that do not say.
    #[must_use]
    pub fn metadata(&self, default: bool) -> bool {
        self.has_tags.unwrap_or(default)
    }

    /// The URL without user name, password, query and fragment: for labels and logs.
    #[must_use]
    pub fn redacted(&self) -> &str {
        &self.redacted
    }
}

impl Display for Drain {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.redacted)
    }
}

impl DrainData {
    /// Whether the drain gets logs.
    #[must_use]
    pub const fn logs(self) -> bool {
        matches!(
            self,
            Self::Logs | Self::LogsNoEvents | Self::LogsAndMetrics | Self::All
        )
    }

    /// Whether the drain gets events.
    #[must_use]
    pub const fn events(self) -> bool {
        matches!(self, Self::Logs | Self::All)
    }

    /// Whether the drain gets counters and gauges.
    #[must_use]
    pub const fn metrics(self) -> bool {
        matches!(self, Self::Metrics | Self::LogsAndMetrics | Self::All)
    }

    /// Whether the drain gets timers.
    #[must_use]
    pub const fn timers(self) -> bool {
        matches!(self, Self::Traces | Self::All)
    }

    /// The parameters from the newest notation to the oldest, where a value that is not known
    /// counts as none; `include-metrics-deprecated`, whatever its value, is above them all.
    fn of(url: &Url) -> Self {
        if !parameter(url, "include-metrics-deprecated").is_empty() {
            return Self::All;
        }
        Self::from_drain_data(&parameter(url, "drain-data"))
            .or_else(|| Self::from_drain_type(&parameter(url, "drain-type")))
            .unwrap_or(Self::Logs)
    }

    fn from_drain_data(value: &str) -> Option<Self> {
        match value {
            "logs" => Some(Self::Logs),
            "metrics" => Some(Self::Metrics),
            "traces" => Some(Self::Traces),
            "all" => Some(Self::All),
            _ => None,
        }
    }

    fn from_drain_type(value: &str) -> Option<Self> {
        match value {
            "logs" => Some(Self::LogsNoEvents),
            "metrics" => Some(Self::Metrics),
            "all" => Some(Self::LogsAndMetrics),
            _ => None,
        }
    }
}

/// `disable-metadata`, or the older `omit-metadata` when that is empty.
fn has_tags(url: &Url) -> Option<bool> {
    let mut disabled = parameter(url, "disable-metadata");
    if disabled.is_empty() {
        disabled = parameter(url, "omit-metadata");
    }
    match disabled.as_str() {
        "true" => Some(false),
        "false" => Some(true),
        _ => None,
    }
}

/// The first value that the query gives `name`; empty when it gives none.
fn parameter(url: &Url, name: &str) -> String {
    let first = url.query_pairs().find(|(key, _)| key == name);
    first.map_or_else(String::new, |(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(query: &str) -> DrainData {
        Drain::parse(&format!("syslog://h:514?{query}"))
            .unwrap()
            .data()
    }

    #[test]
    fn queries_choose_the_kinds() {
        let table = [
            ("", DrainData::Logs),
            ("drain-type=", DrainData::Logs),
            ("drain-type=traces", DrainData::Logs),
            ("drain-data=LOGS", DrainData::Logs),
            ("drain-type=logs", DrainData::LogsNoEvents),
            ("drain-type=metrics", DrainData::Metrics),
            ("drain-type=all", DrainData::LogsAndMetrics),
            ("drain-data=logs", DrainData::Logs),
            ("drain-data=metrics", DrainData::Metrics),
            ("drain-data=traces", DrainData::Traces),
            ("drain-data=all", DrainData::All),
            ("include-metrics-deprecated=no", DrainData::All),
        ];
        for (query, expected) in table {
            assert_eq!(data(query), expected, "{query}");
        }
    }

    #[test]
    fn newer_parameters_override_older_ones() {
        assert_eq!(data("drain-type=all&drain-data=logs"), DrainData::Logs);
        assert_eq!(
            data("drain-data=traces&drain-type=metrics"),
            DrainData::Traces
        );
        assert_eq!(
            data("drain-type=metrics&drain-data=unknown"),
            DrainData::Metrics
        );
        assert_eq!(
            data("drain-data=logs&include-metrics-deprecated=true"),
            DrainData::All
        );
        assert_eq!(
            data("drain-data=logs&include-metrics-deprecated="),
            DrainData::Logs
        );
        assert_eq!(
            data("drain-data=metrics&drain-data=all"),
            DrainData::Metrics
        );
    }

    #[test]
    fn each_choice_is_a_set_of_kinds() {
        let sets = [
            (DrainData::Logs, [true, true, false, false]),
            (DrainData::LogsNoEvents, [true, false, false, false]),
            (DrainData::Metrics, [false, false, true, false]),
            (DrainData::LogsAndMetrics, [true, false, true, false]),
            (DrainData::Traces, [false, false, false, true]),
            (DrainData::All, [true, true, true, true]),
        ];
        for (data, kinds) in sets {
            assert_eq!(
                [data.logs(), data.events(), data.metrics(), data.timers()],
                kinds
            );
        }
    }

    #[test]
    fn metadata_follows_the_url_and_else_the_operator() {
        let table = [
            ("", [true, false]),
            ("disable-metadata=true", [false, false]),
            ("disable-metadata=false", [true, true]),
            ("disable-metadata=yes", [true, false]),
            ("omit-metadata=true", [false, false]),
            ("omit-metadata=false", [true, true]),
            ("disable-metadata=&omit-metadata=true", [false, false]),
            ("disable-metadata=false&omit-metadata=true", [true, true]),
        ];
        for (query, expected) in table {
            let drain = Drain::parse(&format!("syslog://h:514?{query}")).unwrap();
            assert_eq!(
                [drain.metadata(true), drain.metadata(false)],
                expected,
                "{query}"
            );
        }
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        let table = [
            ("syslog://logs.example.com:514", "logs.example.com", 514),
            ("SYSLOG://10.0.0.1:65535/path", "10.0.0.1", 65535),
            (
                "syslog://q_s0.syslog.default.bosh:1",
                "q_s0.syslog.default.bosh",
                1,
            ),
            (
                "syslog://[2001:db8::1]:6514?drain-data=all",
                "2001:db8::1",
                6514,
            ),
            ("syslog://name:word@h:80", "h", 80),
        ];
        for (url, host, port) in table {
            let drain = Drain::parse(url).unwrap();
            assert_eq!((drain.host(), drain.port()), (host, port), "{url}");
        }
    }

    #[test]
    fn what_is_shown_has_neither_credentials_nor_query() {
        let drain = Drain::parse("syslog://user:secret@h:514/p?token=secret#secret").unwrap();
        assert_eq!(drain.redacted(), "syslog://h:514/p");
        assert_eq!(drain.to_string(), "syslog://h:514/p");
        assert!(!format!("{drain:?}").contains("secret"));
        let drain = Drain::parse("syslog://u@[::1]:514").unwrap();
        assert_eq!(drain.redacted(), "syslog://[::1]:514");
    }

    #[test]
    fn errors_say_what_to_write() {
        let table = [
            (
                "syslog://h",
                "drain URL has no port: write syslog://host:port",
            ),
            (
                "syslog://h:0",
                "drain URL has no port: write syslog://host:port",
            ),
            (
                "syslog://[::1]",
                "drain URL has no port: write syslog://host:port",
            ),
            (
                "syslog:h:514",
                "drain URL has no host: write syslog://host:port",
            ),
            (
                "syslog://?x",
                "drain URL has no host: write syslog://host:port",
            ),
            (
                "https://h",
                "drain scheme `https` is not supported: this version has `syslog`",
            ),
            (
                "syslog-tls://h:6514",
                "drain scheme `syslog-tls` is not supported: this version has `syslog`",
            ),
            ("h", "drain URL cannot be read: relative URL without a base"),
            (
                "syslog://h:99999",
                "drain URL cannot be read: invalid port number",
            ),
            (
                "syslog://[::1:514",
                "drain URL cannot be read: invalid IPv6 address",
            ),
        ];
        for (url, message) in table {
            assert_eq!(Drain::parse(url).unwrap_err().to_string(), message, "{url}");
        }
    }

    #[test]
    fn errors_keep_secrets() {
        let urls = [
            "secret:secret@h:514",
            "secret@h:514?secret",
            "syslog://secret:secret@h?secret",
            "syslog://secret:secret@:514?secret",
            "syslog://secret:secret@h:secret?secret",
            "syslog://secret:sec ret@[secret]:1?secret",
            "https://secret:secret@h?secret",
            "secret",
        ];
        for url in urls {
            let error = Drain::parse(url).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{url}: {error}");
            assert!(!format!("{error:?}").contains("secret"), "{url}: {error:?}");
        }
    }
}
