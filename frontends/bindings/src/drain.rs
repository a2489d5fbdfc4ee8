//! What a drain's URL asks for: where its lines go and how, which envelopes and whether with their
//! tags.
//!
//! A drain's URL is a secret: people put passwords and tokens into it. Only `Drain::parse` sees it
//! whole; what is shown and reported is without user name, password, query and fragment.

use crate::secret::Secret;
use crate::source_types::{SourceTypes, SourceTypesError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use std::fmt::{self, Display, Formatter};
use url::Url;

/// A syslog drain, as its URL describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    transport: Transport,
    host: String,
    port: u16,
    data: DrainData,
    source_types: SourceTypes,
    has_tags: Option<bool>,
    framing: Framing,
    is_strict_internal: bool,
    target: Secret,
    authority: String,
    authorization: Option<Secret>,
    redacted: String,
}

/// How lines travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `syslog://`: TCP.
    Tcp,
    /// `syslog-tls://`: TLS over TCP (RFC 5425).
    Tls,
    /// `https://`: a POST for each line.
    Https,
    /// `https-batch://`: a POST for many lines.
    HttpsBatch,
}

/// How the lines of a stream are told apart (RFC 6587 §3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Each behind its length: what upstream does, and RFC 5425 demands.
    #[default]
    OctetCounting,
    /// Each ends with a line feed, and has none within.
    NonTransparent,
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

/// Why a URL is not a drain's. No message repeats more of the URL than its scheme and the names of
/// source types and framings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrainError {
    /// It is no URL.
    #[error("drain URL cannot be read: {0}")]
    Malformed(#[from] url::ParseError),
    /// Nothing like `//host` comes after the scheme.
    #[error("drain URL has no host: write syslog://host:port")]
    HostMissing,
    /// The scheme is none of a drain's.
    #[error(
        "drain scheme `{scheme}` is not known: there are `syslog`, `syslog-tls`, `https` and `https-batch`"
    )]
    SchemeUnsupported {
        /// The scheme, in lower case.
        scheme: String,
    },
    /// Syslog has no default port here, as upstream has none, and 0 is no port.
    #[error("drain URL has no port: write {scheme}://host:port")]
    PortMissing {
        /// The scheme.
        scheme: &'static str,
    },
    /// `include-source-types` or `exclude-source-types` make no sense.
    #[error("drain URL: {0}")]
    SourceTypes(#[from] SourceTypesError),
    /// `framing` is neither.
    #[error(
        "drain URL: framing `{framing}` is not known: there are `octet-counting` and, for syslog and syslog-tls, `non-transparent`"
    )]
    FramingUnknown {
        /// What it says.
        framing: String,
    },
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
        let transport = Transport::of_scheme(url.scheme())?;
        let port = url
            .port_or_known_default()
            .or_else(|| transport.default_port())
            .filter(|port| *port != 0)
            .ok_or_else(|| DrainError::PortMissing {
                scheme: transport.scheme(),
            })?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let source_types = SourceTypes::parse(
            &parameter(&url, "include-source-types"),
            &parameter(&url, "exclude-source-types"),
        )?;
        Ok(Self {
            transport,
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            data: DrainData::of(&url),
            source_types,
            has_tags: has_tags(&url),
            framing: Framing::of(&url, transport)?,
            is_strict_internal: parameter(&url, "ssl-strict-internal") == "true",
            target: target(&url).into(),
            authorization: authorization(&url),
            redacted: format!("{}://{authority}{}", transport.scheme(), url.path()),
            authority,
        })
    }

    /// How lines travel to it.
    #[must_use]
    pub const fn transport(&self) -> Transport {
        self.transport
    }

    /// A name or an address to resolve; an IPv6 address is without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The TCP port, never 0; 443 for HTTPS if the URL has none.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Host and port as the URL has them: what HTTP's `Host` says.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query: what HTTP asks for. The query is sent whole, as upstream sends it.
    #[must_use]
    pub const fn target(&self) -> &Secret {
        &self.target
    }

    /// HTTP's `Authorization` for the URL's user and password, if it has a user; percent-decoded.
    #[must_use]
    pub const fn authorization(&self) -> Option<&Secret> {
        self.authorization.as_ref()
    }

    /// The kinds of envelopes that it gets.
    #[must_use]
    pub const fn data(&self) -> DrainData {
        self.data
    }

    /// Which logs it gets, by the kind of component that wrote them.
    #[must_use]
    pub const fn source_types(&self) -> &SourceTypes {
        &self.source_types
    }

    /// How its lines are told apart.
    #[must_use]
    pub const fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether TLS is to be in the stricter profile that Cloud Foundry has inside.
    #[must_use]
    pub const fn is_strict_internal(&self) -> bool {
        self.is_strict_internal
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

impl Transport {
    /// The URL's scheme.
    #[must_use]
    pub const fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "syslog",
            Self::Tls => "syslog-tls",
            Self::Https => "https",
            Self::HttpsBatch => "https-batch",
        }
    }

    /// Whether it is a stream of framed lines, and not HTTP.
    #[must_use]
    pub const fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }

    fn of_scheme(scheme: &str) -> Result<Self, DrainError> {
        let all = [Self::Tcp, Self::Tls, Self::Https, Self::HttpsBatch];
        let mut all = all.into_iter();
        all.find(|one| one.scheme() == scheme)
            .ok_or_else(|| DrainError::SchemeUnsupported {
                scheme: scheme.to_owned(),
            })
    }

    const fn default_port(self) -> Option<u16> {
        if self.is_stream() { None } else { Some(443) }
    }
}

impl Framing {
    fn of(url: &Url, transport: Transport) -> Result<Self, DrainError> {
        match parameter(url, "framing").as_str() {
            "" | "octet-counting" => Ok(Self::OctetCounting),
            "non-transparent" if transport.is_stream() => Ok(Self::NonTransparent),
            other => Err(DrainError::FramingUnknown {
                framing: other.to_owned(),
            }),
        }
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

fn target(url: &Url) -> String {
    // Other schemes than https may have no path.
    let path = if url.path().is_empty() {
        "/"
    } else {
        url.path()
    };
    let query = url.query().map(|query| format!("?{query}"));
    format!("{path}{}", query.unwrap_or_default())
}

fn authorization(url: &Url) -> Option<Secret> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut plain: Vec<u8> = percent_decode_str(url.username()).collect();
    plain.push(b':');
    plain.extend(percent_decode_str(url.password().unwrap_or_default()));
    Some(format!("Basic {}", STANDARD.encode(plain)).into())
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
    fn the_scheme_chooses_the_transport() {
        let table = [
            ("syslog://h:1", Transport::Tcp, 1),
            ("SYSLOG-TLS://h:2", Transport::Tls, 2),
            ("https://h", Transport::Https, 443),
            ("https://h:8443/p", Transport::Https, 8443),
            ("https-batch://[::1]/p", Transport::HttpsBatch, 443),
            ("https-batch://h:444", Transport::HttpsBatch, 444),
        ];
        for (url, transport, port) in table {
            let drain = Drain::parse(url).unwrap();
            assert_eq!(
                (drain.transport(), drain.port()),
                (transport, port),
                "{url}"
            );
        }
    }

    #[test]
    fn http_gets_the_whole_target_and_the_decoded_user() {
        let drain = Drain::parse("https://us%20er:p%40ss@h:8443/a?drain-data=logs&t=abc").unwrap();
        assert_eq!(drain.target().reveal(), "/a?drain-data=logs&t=abc");
        assert_eq!(drain.authority(), "h:8443");
        let authorization = drain.authorization().unwrap();
        assert_eq!(authorization.reveal(), "Basic dXMgZXI6cEBzcw==");
        let drain = Drain::parse("https-batch://h").unwrap();
        assert_eq!(drain.target().reveal(), "/");
        assert_eq!((drain.authority(), drain.authorization()), ("h", None));
        assert_eq!(drain.redacted(), "https-batch://h");
        assert_eq!(
            Drain::parse("https://[::1]:443").unwrap().authority(),
            "[::1]"
        );
    }

    #[test]
    fn parameters_choose_the_framing_the_profile_and_the_logs() {
        let drain = Drain::parse("syslog://h:1").unwrap();
        assert_eq!(drain.framing(), Framing::OctetCounting);
        assert!(!drain.is_strict_internal());
        assert_eq!(drain.source_types(), &SourceTypes::All);
        let query = "framing=non-transparent&ssl-strict-internal=true&exclude-source-types=rtr";
        let drain = Drain::parse(&format!("syslog-tls://h:1?{query}")).unwrap();
        assert_eq!(drain.framing(), Framing::NonTransparent);
        assert!(drain.is_strict_internal());
        assert!(!drain.source_types().want("RTR") && drain.source_types().want("APP"));
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
                "syslog-tls://h",
                "drain URL has no port: write syslog-tls://host:port",
            ),
            (
                "https-batch://h:0",
                "drain URL has no port: write https-batch://host:port",
            ),
            (
                "http://h",
                "drain scheme `http` is not known: there are `syslog`, `syslog-tls`, `https` and \
                 `https-batch`",
            ),
            (
                "syslog://h:1?include-source-types=app,x",
                "drain URL: unknown source types `x`: known are API, STG, RTR, LGR, APP, SSH, \
                 CELL, PROXY, HEALTH, SYS and STATS",
            ),
            (
                "https://h?framing=non-transparent",
                "drain URL: framing `non-transparent` is not known: there are `octet-counting` \
                 and, for syslog and syslog-tls, `non-transparent`",
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
            "http://secret:secret@h?secret",
            "https://secret:secret@h?include-source-types=a&secret",
            "secret",
        ];
        for url in urls {
            let error = Drain::parse(url).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{url}: {error}");
            assert!(!format!("{error:?}").contains("secret"), "{url}: {error:?}");
        }
    }
}
