//! URLs as people, files and APIs give them: checked once, then built upon.

use std::fmt;
use url::Url;

/// Where something is: a URL with a host, without user, query and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address(Url);

/// Why a text is no address. Shows the text only if no password can be in it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a URL at all.
    #[error("{text} is no URL: {error}")]
    NotUrl {
        /// The text, or a word in its place.
        text: String,
        /// What the parser said.
        error: url::ParseError,
    },
    /// A URL of something else.
    #[error("{url} has to begin with {expected}")]
    Scheme {
        /// The URL.
        url: String,
        /// The schemes that will do.
        expected: &'static str,
    },
    /// Tokens go in headers, not in URLs.
    #[error("a URL here has no user name or password in it")]
    User,
    /// More than a place.
    #[error("{url} ends with a query or a fragment, which cannot be built upon")]
    Query {
        /// The URL without them.
        url: String,
    },
    /// Not a segment of a path, such as `..`.
    #[error("{0:?} cannot be part of a URL's path")]
    Segment(String),
}

const WEB_SOCKET: (&[&str], &str) = (&["ws", "wss"], "ws:// or wss://");
const HTTP: (&[&str], &str) = (&["http", "https"], "http:// or https://");
const EITHER: (&[&str], &str) = (&["ws", "wss", "http", "https"], "ws://, wss:// or https://");

impl Address {
    /// Of a Traffic Controller, as people give it.
    pub(super) fn of_web_socket(text: &str) -> Result<Self, AddressError> {
        Self::parse(text, WEB_SOCKET)
    }

    /// Of an API; without a scheme it is https, as to `cf api`.
    pub(super) fn of_api(text: &str) -> Result<Self, AddressError> {
        match text.contains("://") {
            true => Self::parse(text, HTTP),
            false => Self::parse(&format!("https://{text}"), HTTP),
        }
    }

    /// Of Log Cache, as people give it.
    pub(super) fn of_http(text: &str) -> Result<Self, AddressError> {
        Self::parse(text, HTTP)
    }

    /// Of a Traffic Controller, as an API says it.
    pub(super) fn of_logging(text: &str) -> Result<Self, AddressError> {
        Self::parse(text, EITHER)
    }

    fn parse(
        text: &str,
        (schemes, expected): (&[&str], &'static str),
    ) -> Result<Self, AddressError> {
        let url = Url::parse(text.trim()).map_err(|error| not_url(text, error))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::User);
        }
        if !schemes.contains(&url.scheme()) {
            // Of other schemes the parser knows no users.
            return Err(match text.contains('@') {
                true => AddressError::User,
                false => AddressError::Scheme {
                    url: url.into(),
                    expected,
                },
            });
        }
        if url.query().is_some() || url.fragment().is_some() {
            let mut url = url;
            url.set_query(None);
            url.set_fragment(None);
            return Err(AddressError::Query { url: url.into() });
        }
        Ok(Self(url))
    }

    /// Whether it is reached by TLS only.
    pub(super) fn is_secure(&self) -> bool {
        is_secure(&self.0)
    }

    /// The URL of what is below it.
    ///
    /// # Errors
    /// If a segment is empty or a dot or two, which URLs leave out.
    pub(super) fn at(&self, segments: &[&str]) -> Result<Url, AddressError> {
        if let Some(segment) = segments.iter().find(|text| ["", ".", ".."].contains(text)) {
            return Err(AddressError::Segment((*segment).to_owned()));
        }
        let mut url = self.0.clone();
        // URLs of our schemes have paths.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        Ok(url)
    }

    /// The same with the scheme of plain HTTP requests.
    pub(super) fn over_http(&self) -> Self {
        self.with_scheme(if self.is_secure() { "https" } else { "http" })
    }

    /// The same with the scheme of WebSockets.
    pub(super) fn over_web_socket(&self) -> Self {
        self.with_scheme(if self.is_secure() { "wss" } else { "ws" })
    }

    /// The same with another word in the place of the first `api` of its host, if there is one.
    pub(super) fn with_api_as(&self, word: &str) -> Option<Self> {
        let host = self.0.host_str()?;
        let mut url = self.0.clone();
        let other = host.replacen("api", word, 1);
        url.set_host(Some(&other)).ok()?;
        (other != host).then_some(Self(url))
    }

    fn with_scheme(&self, scheme: &str) -> Self {
        let mut url = self.0.clone();
        // It cannot fail between our schemes: all of them have hosts and paths.
        url.set_scheme(scheme).ok();
        Self(url)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

/// Whether a URL is reached by TLS only.
pub(super) fn is_secure(url: &Url) -> bool {
    matches!(url.scheme(), "https" | "wss")
}

fn not_url(text: &str, error: url::ParseError) -> AddressError {
    let text = match text.contains('@') {
        true => "what was given".to_owned(),
        false => format!("{text:?}"),
    };
    AddressError::NotUrl { text, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_is_escaped() {
        let address = Address::of_web_socket("ws://h:1/prefix/").unwrap();
        let url = address.at(&["apps", "a b/c?d%", "stream"]).unwrap();
        assert_eq!(url.as_str(), "ws://h:1/prefix/apps/a%20b%2Fc%3Fd%25/stream");
        for bad in ["", ".", ".."] {
            assert_eq!(
                address.at(&["apps", bad]).unwrap_err(),
                AddressError::Segment(bad.into())
            );
        }
    }

    #[test]
    fn schemes_change_and_ports_stay() {
        let address = Address::of_logging("wss://doppler.example:4443").unwrap();
        assert_eq!(
            address.over_http().to_string(),
            "https://doppler.example:4443"
        );
        let address = Address::of_logging("http://[::1]:81").unwrap();
        assert_eq!(address.over_web_socket().to_string(), "ws://[::1]:81");
        assert!(!address.is_secure());
    }

    #[test]
    fn an_apis_host_has_neighbours() {
        let neighbour = |text: &str| Address::of_api(text).unwrap().with_api_as("log-cache");
        let neighbour = |text: &str| neighbour(text).map(|it| it.to_string());
        let found = neighbour("api.sys.api.example:8443");
        assert_eq!(
            found.as_deref(),
            Some("https://log-cache.sys.api.example:8443")
        );
        assert_eq!(neighbour("cloud.example"), None);
        assert_eq!(neighbour("127.0.0.1"), None);
    }

    #[test]
    fn an_api_needs_no_scheme() {
        let api = Address::of_api("api.example:8443").unwrap();
        assert_eq!(api.to_string(), "https://api.example:8443");
    }

    #[test]
    fn odd_forms_are_named() {
        for (text, expected) in [
            ("127.0.0.1:8081", "is no URL"),
            ("localhost:8081", "has to begin with ws:// or wss://"),
            ("", "is no URL"),
            ("http://h", "has to begin with ws:// or wss://"),
            ("ws://", "is no URL"),
            ("ws://h:99999", "is no URL"),
            ("ws://h/?a=b", "ends with a query"),
            ("ws://h/#a", "ends with a query or a fragment"),
        ] {
            let said = Address::of_web_socket(text).unwrap_err().to_string();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }

    #[test]
    fn passwords_are_refused_and_not_shown() {
        for text in [
            "ws://u:secret@h",
            "ws://secret@h",
            "ws://u:secret@h:99999",
            "u:secret@h",
            "ftp://u:secret@h",
        ] {
            let said = Address::of_web_socket(text).unwrap_err().to_string();
            assert!(!said.contains("secret"), "{text}: {said}");
        }
    }
}
