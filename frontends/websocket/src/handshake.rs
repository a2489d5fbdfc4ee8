//! The HTTP that comes before a stream: what makes a request a WebSocket's, and our answers.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};

/// An answer, its body whole.
pub(crate) type Answer = Response<Full<Bytes>>;

/// What a client's key is hashed with (RFC 6455, section 1.3).
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The only version of the protocol that there is.
const VERSION: HeaderValue = HeaderValue::from_static("13");

/// The value of `Sec-WebSocket-Accept` for a request that opens a WebSocket.
///
/// # Errors
/// The status to refuse with. Checked is what upstream checks, in its order, and that the request
/// is HTTP/1.1.
pub(crate) fn accept<B>(request: &Request<B>) -> Result<HeaderValue, StatusCode> {
    let headers = request.headers();
    let is_upgrade = request.version() == Version::HTTP_11
        && has_token(headers, &header::CONNECTION, "upgrade")
        && has_token(headers, &header::UPGRADE, "websocket");
    if !is_upgrade {
        return Err(StatusCode::BAD_REQUEST);
    }
    if request.method() != Method::GET {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    if !has_token(headers, &header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(StatusCode::BAD_REQUEST);
    }
    headers
        .get(header::SEC_WEBSOCKET_KEY)
        .and_then(|key| answer_key(key.as_bytes()))
        .ok_or(StatusCode::BAD_REQUEST)
}

/// 101: from here on it is a WebSocket, without subprotocol or extensions.
pub(crate) fn switching(accept: HeaderValue) -> Answer {
    let mut answer = empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = answer.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    answer
}

/// The answer to a request that does not open a WebSocket where it should.
pub(crate) fn refused(status: StatusCode) -> Answer {
    let mut answer = text(status, status.canonical_reason().unwrap_or_default());
    answer
        .headers_mut()
        .insert(header::SEC_WEBSOCKET_VERSION, VERSION);
    answer
}

/// Whether a client means to open a WebSocket, well or not.
pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    has_token(headers, &header::UPGRADE, "websocket")
}

/// 301: what the client means is elsewhere.
pub(crate) fn moved(location: &str) -> Answer {
    match HeaderValue::try_from(location) {
        Ok(location) => {
            let mut answer = empty(StatusCode::MOVED_PERMANENTLY);
            answer.headers_mut().insert(header::LOCATION, location);
            answer
        }
        Err(_) => not_found(),
    }
}

/// 404, as Go's HTTP server says it.
pub(crate) fn not_found() -> Answer {
    text(StatusCode::NOT_FOUND, "404 page not found")
}

/// 400, as the first generation's server says it where nobody asks for tokens.
pub(crate) fn no_app() -> Answer {
    text(StatusCode::BAD_REQUEST, "Invalid AppId")
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}

/// A line of text, with the headers that Go's `http.Error` gives it.
fn text(status: StatusCode, line: &str) -> Answer {
    let mut answer = Response::new(Full::from(format!("{line}\n")));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    answer
}

/// Whether a header that is a list, perhaps over several lines, holds the token.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(token))
}

/// RFC 6455, section 4.2.2; nothing if the key is not 16 bytes in base64.
fn answer_key(key: &[u8]) -> Option<HeaderValue> {
    let is_key = BASE64_STANDARD
        .decode(key)
        .is_ok_and(|bytes| bytes.len() == 16);
    if !is_key {
        return None;
    }
    let mut hash = sha1_smol::Sha1::from(key);
    hash.update(KEY_SUFFIX);
    HeaderValue::try_from(BASE64_STANDARD.encode(hash.digest().bytes())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 6455's own example.
    const GOOD: [(&str, &str); 4] = [
        ("connection", "keep-alive, Upgrade"),
        ("upgrade", "WebSocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn request(method: Method, headers: &[(&'static str, &'static str)]) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = method;
        for (name, value) in headers {
            request
                .headers_mut()
                .append(*name, HeaderValue::from_static(value));
        }
        request
    }

    #[test]
    fn answers_the_example_of_the_rfc() {
        let accepted = accept(&request(Method::GET, &GOOD));
        assert_eq!(
            accepted,
            Ok(HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
        );
    }

    #[test]
    fn every_header_is_needed() {
        for left_out in 0..GOOD.len() {
            let mut headers = GOOD.to_vec();
            headers.remove(left_out);
            let refused = accept(&request(Method::GET, &headers));
            assert_eq!(refused, Err(StatusCode::BAD_REQUEST), "{headers:?}");
        }
        for (at, value) in [(1, "h2c"), (2, "8"), (3, "short"), (3, "dGhlIHNhbXBsZQ==")] {
            let mut headers = GOOD;
            headers[at].1 = value;
            let refused = accept(&request(Method::GET, &headers));
            assert_eq!(refused, Err(StatusCode::BAD_REQUEST), "{headers:?}");
        }
    }

    #[test]
    fn only_get_opens_a_websocket() {
        let refused = accept(&request(Method::POST, &GOOD));
        assert_eq!(refused, Err(StatusCode::METHOD_NOT_ALLOWED));
        assert_eq!(
            accept(&request(Method::POST, &[])),
            Err(StatusCode::BAD_REQUEST)
        );
        let mut old = request(Method::GET, &GOOD);
        *old.version_mut() = Version::HTTP_10;
        assert_eq!(accept(&old), Err(StatusCode::BAD_REQUEST));
    }
}
