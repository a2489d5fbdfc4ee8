//! Paths, as Go's servers and grpc-gateway look at them.

use crate::answer::{Answer, empty, typed};
use crate::json::push_html_text;
use bytes::Bytes;
use hyper::header::{HeaderValue, LOCATION};
use hyper::{Method, StatusCode, Uri};
use percent_encoding::percent_decode_str;

/// What the gateway has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Resource {
    /// What we are.
    Info,
    /// Envelopes of a source, whose id is decoded and may not be UTF-8.
    Read(Vec<u8>),
    /// Sources.
    Meta,
    /// A query at one moment.
    Query,
    /// A query over a span.
    QueryRange,
}

impl Resource {
    /// What is at a clean path.
    pub(crate) fn at(path: &str) -> Option<Self> {
        let decoded: Vec<u8> = percent_decode_str(path).collect();
        match decoded.as_slice() {
            b"/api/v1/info" => Some(Self::Info),
            b"/api/v1/meta" => Some(Self::Meta),
            b"/api/v1/query" => Some(Self::Query),
            b"/api/v1/query_range" => Some(Self::QueryRange),
            other => match other.strip_prefix(b"/api/v1/read")? {
                [] => Some(Self::Read(Vec::new())),
                [b'/', id @ ..] => Some(Self::Read(id.to_vec())),
                _ => None,
            },
        }
    }
}

/// Whether every `%` has two hexadecimal digits behind it.
pub(crate) fn is_well_escaped(path: &str) -> bool {
    path.split('%').skip(1).all(|rest| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

/// The path without empty steps, `.` and `..`; with a slash at its end if it had one.
pub(crate) fn clean(path: &str) -> String {
    let mut steps = Vec::new();
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    let mut clean = format!("/{}", steps.join("/"));
    if path.ends_with('/') && clean.len() > 1 {
        clean.push('/');
    }
    clean
}

/// Sends the client to the clean path.
pub(crate) fn redirect(method: &Method, uri: &Uri, clean: &str) -> Answer {
    let query = uri
        .query()
        .map_or(String::new(), |query| format!("?{query}"));
    let location = format!("{clean}{query}");
    let status = StatusCode::TEMPORARY_REDIRECT;
    let mut answer = match *method {
        Method::GET => {
            let mut body = String::from("<a href=\"");
            push_html_text(&mut body, &location);
            body.push_str("\">Temporary Redirect</a>.\n\n");
            typed(status, "text/html; charset=utf-8", body)
        }
        Method::HEAD => typed(status, "text/html; charset=utf-8", Bytes::new()),
        _ => empty(status),
    };
    if let Ok(location) = HeaderValue::try_from(location) {
        answer.headers_mut().insert(LOCATION, location);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_cleaned_as_go_does() {
        for (path, expected) in [
            ("/", "/"),
            ("", "/"),
            ("//", "/"),
            ("/a//b", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("/a/", "/a/"),
            ("/a//", "/a/"),
            ("/a/b/..", "/a"),
            ("/../..", "/"),
            ("/api/v1/read/a%2Fb", "/api/v1/read/a%2Fb"),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
    }

    #[test]
    fn resources_are_at_decoded_paths() {
        let read = |id: &[u8]| Some(Resource::Read(id.to_vec()));
        for (path, expected) in [
            ("/api/v1/info", Some(Resource::Info)),
            ("/api/v1/%69nfo", Some(Resource::Info)),
            ("/api/v1/info/", None),
            ("/api/v1/meta", Some(Resource::Meta)),
            ("/api/v1/query", Some(Resource::Query)),
            ("/api/v1/query_range", Some(Resource::QueryRange)),
            ("/api/v1/querypath", None),
            ("/api/v1/read", read(b"")),
            ("/api/v1/read/", read(b"")),
            ("/api/v1/read/a%2Fb", read(b"a/b")),
            ("/api/v1/read/a/b", read(b"a/b")),
            ("/api/v1/read/a/", read(b"a/")),
            ("/api/v1/read/%ff", read(b"\xff")),
            ("/api/v1/reads", None),
            ("/v1/read/x", None),
            ("/", None),
            ("/api/v1/labels", None),
            ("/api/v1/series", None),
            ("/api/v1/shard_groups", None),
        ] {
            assert_eq!(Resource::at(path), expected, "{path}");
        }
    }

    #[test]
    fn escapes_have_two_digits() {
        assert!(is_well_escaped("/a%2Fb%fF"));
        for path in ["/%", "/%2", "/%zz", "/%2%41"] {
            assert!(!is_well_escaped(path), "{path}");
        }
    }
}
