//! What a drain's URL leads to, judged as upstream judges it before anything is looked up, and the
//! form in which it may be shown.

use super::problem::Reason;
use crate::drain::{Drain, DrainError};
use crate::limits::SHOWN_CHARS_MAX;
use crate::source_types::SourceTypesError;
use url::{ParseError, Url};

/// Where a drain is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Host and port, as the URL has them.
    pub(super) authority: String,
    /// The name or address, without brackets.
    pub(super) host: String,
    /// The URL as it may be shown.
    pub(super) shown: String,
}

/// A URL that leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rejected {
    pub(super) reason: Reason,
    /// The URL as it may be shown.
    pub(super) shown: String,
}

/// Reads a drain's URL.
pub(super) fn read(text: &str) -> Result<Target, Rejected> {
    let parts = Parts::of(text);
    let shown = parts.shown();
    match parts.drain(text) {
        Ok(drain) => Ok(Target {
            authority: drain.authority().to_owned(),
            host: drain.host().to_owned(),
            shown,
        }),
        Err(reason) => Err(Rejected { reason, shown }),
    }
}

/// A URL taken apart as Go does it. The library that reads URLs for us is more forgiving: it finds a
/// host in `https:host`, in `https:///host` and before a backslash.
struct Parts<'t> {
    /// In lower case; empty if there is none.
    scheme: String,
    /// What is between `//` and the path, without user and password; none without `//`.
    host: Option<&'t str>,
    /// Whether there is a backslash before the path.
    has_backslash: bool,
    /// What follows, without query and fragment.
    path: &'t str,
}

impl<'t> Parts<'t> {
    fn of(text: &'t str) -> Self {
        let (scheme, rest) = split_scheme(text);
        let end = rest.find(['?', '#']).unwrap_or(rest.len());
        let rest = &rest[..end];
        let (authority, path) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find('/').unwrap_or(rest.len());
                let (authority, path) = rest.split_at(end);
                (Some(authority), path)
            }
            None => (None, after_user(rest)),
        };
        Self {
            scheme: scheme.to_ascii_lowercase(),
            host: authority.map(after_user),
            has_backslash: authority.is_some_and(|it| it.contains('\\')),
            path,
        }
    }

    /// Without user, password, query and fragment.
    fn shown(&self) -> String {
        let scheme = match self.scheme.as_str() {
            "" => String::new(),
            scheme => format!("{scheme}:"),
        };
        let host = match self.host {
            Some("") if self.path.is_empty() => String::new(),
            Some(host) => format!("//{host}"),
            None => String::new(),
        };
        let shown = format!("{scheme}{host}{}", self.path);
        shown.chars().take(SHOWN_CHARS_MAX).collect()
    }

    fn drain(&self, text: &str) -> Result<Drain, Reason> {
        if !self.is_readable(text) {
            return Err(Reason::Unreadable);
        }
        if !["syslog", "syslog-tls", "https", "https-batch"].contains(&self.scheme.as_str()) {
            let scheme = self.scheme.chars().take(SHOWN_CHARS_MAX).collect();
            return Err(Reason::Scheme(scheme));
        }
        if self.host.is_none_or(str::is_empty) {
            return Err(Reason::Host);
        }
        Drain::parse(text).map_err(reason)
    }

    fn is_readable(&self, text: &str) -> bool {
        let has_control = text.chars().any(|c| c.is_ascii_control());
        // As a path it would be taken for a scheme.
        let first = text.split('/').next().unwrap_or_default();
        let is_ambiguous = self.scheme.is_empty() && first.contains(':');
        let is_url = match Url::parse(text) {
            Ok(_) | Err(ParseError::EmptyHost | ParseError::RelativeUrlWithoutBase) => true,
            Err(_) => false,
        };
        is_url && !has_control && !self.has_backslash && !is_ambiguous
    }
}

/// A scheme and what follows its colon; all follows if there is none.
fn split_scheme(text: &str) -> (&str, &str) {
    let Some((scheme, rest)) = text.split_once(':') else {
        return ("", text);
    };
    let mut characters = scheme.chars();
    let starts = characters.next().is_some_and(|c| c.is_ascii_alphabetic());
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || ['+', '-', '.'].contains(&c);
    if starts && characters.all(is_scheme) {
        (scheme, rest)
    } else {
        ("", text)
    }
}

/// What stands behind a user and a password.
fn after_user(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, host)| host)
}

fn reason(error: DrainError) -> Reason {
    let cut = |text: String| text.chars().take(SHOWN_CHARS_MAX).collect();
    match error {
        DrainError::Malformed(ParseError::EmptyHost) | DrainError::HostMissing => Reason::Host,
        DrainError::Malformed(_) => Reason::Unreadable,
        DrainError::SchemeUnsupported { scheme } => Reason::Scheme(scheme),
        DrainError::PortMissing { .. } => Reason::Port,
        DrainError::SourceTypes(SourceTypesError::Both) => Reason::BothFilters,
        DrainError::SourceTypes(SourceTypesError::Unknown(types)) => {
            Reason::UnknownTypes(cut(types))
        }
        DrainError::FramingUnknown { framing } => Reason::Framing(cut(framing)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected(text: &str) -> (Reason, String) {
        let Rejected { reason, shown } = read(text).unwrap_err();
        (reason, shown)
    }

    #[test]
    fn a_drain_is_shown_without_what_is_secret() {
        for (text, authority, host, shown) in [
            ("syslog://h:514", "h:514", "h", "syslog://h:514"),
            (
                "SYSLOG-TLS://us:p%40ss@h.example.com:6514/a/b?token=hush#hush",
                "h.example.com:6514",
                "h.example.com",
                "syslog-tls://h.example.com:6514/a/b",
            ),
            ("https://u@h/p", "h", "h", "https://h/p"),
            ("https://h?a=b", "h", "h", "https://h"),
            (
                "syslog://[::1]:514",
                "[::1]:514",
                "::1",
                "syslog://[::1]:514",
            ),
            (
                "https-batch://[fd00::1]",
                "[fd00::1]",
                "fd00::1",
                "https-batch://[fd00::1]",
            ),
        ] {
            let target = Target {
                authority: authority.to_owned(),
                host: host.to_owned(),
                shown: shown.to_owned(),
            };
            assert_eq!(read(text), Ok(target), "{text}");
        }
    }

    #[test]
    fn what_is_no_url_is_not_shown() {
        for text in [
            "://h",
            "1http://h",
            "syslog://h:port",
            "https://h:99999",
            "syslog://h:1/\u{7f}",
            "syslog://[::1:514",
            "https://good\\@evil.example.com/",
            " https://h",
            "https://a b/",
        ] {
            assert_eq!(rejected(text).0, Reason::Unreadable, "{text}");
        }
    }

    #[test]
    fn schemes_and_hosts_are_judged_in_this_order() {
        let scheme = |scheme: &str| Reason::Scheme(scheme.to_owned());
        for (text, reason, shown) in [
            ("http://u:p@h?x", scheme("http"), "http://h"),
            ("ftp://", scheme("ftp"), "ftp:"),
            ("drain.example.com", scheme(""), "drain.example.com"),
            ("user:hush@h:1", scheme("user"), "user:h:1"),
            ("", scheme(""), ""),
            ("syslog://", Reason::Host, "syslog:"),
            ("https://", Reason::Host, "https:"),
            ("https:///path", Reason::Host, "https:///path"),
            ("https:host", Reason::Host, "https:host"),
            ("https://user:hush@/x", Reason::Host, "https:///x"),
            ("syslog://:514", Reason::Host, "syslog://:514"),
            ("syslog://h", Reason::Port, "syslog://h"),
            ("syslog://h:0", Reason::Port, "syslog://h:0"),
        ] {
            assert_eq!(rejected(text), (reason, shown.to_owned()), "{text}");
        }
    }

    #[test]
    fn filters_and_framing_must_make_sense() {
        let reason = |query: &str| rejected(&format!("syslog://h:1?{query}")).0;
        let both = "include-source-types=app&exclude-source-types=rtr";
        assert_eq!(reason(both), Reason::BothFilters);
        let types = Reason::UnknownTypes("x".to_owned());
        assert_eq!(reason("exclude-source-types=app,x"), types);
        let framing = Reason::Framing("lines".to_owned());
        assert_eq!(reason("framing=lines"), framing);
    }

    #[test]
    fn what_is_shown_has_an_end() {
        let long = format!("ftp://h/{}", "é".repeat(10_000));
        assert_eq!(rejected(&long).1.chars().count(), SHOWN_CHARS_MAX);
    }
}
