//! Requests on their way to the gateway, and its answers on their way back.

use crate::answer::{Answer, empty};
use bytes::Bytes;
use http_body_util::BodyExt;
use hydrant_http::client::{Asker, ClientFiles, Https, HttpsError, Reach};
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Request, StatusCode};
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The gateway, as clients of the proxy reach it.
#[derive(Debug)]
pub(super) struct Gateway {
    base: String,
    asker: Asker,
}

/// What is said from one end of a connection to the other and no farther (RFC 9110, section 7.6.1),
/// and an expectation that has been met by then.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The end that asks the gateway.
pub(super) fn asker(
    address: &str,
    ca_file: Option<&PathBuf>,
    answer_bytes_max: usize,
) -> Result<Asker, HttpsError> {
    let files = ClientFiles {
        ca_file: ca_file.cloned(),
        identity: None,
        is_verified: true,
    };
    let is_https = Reach::of(address) == Ok(Reach::Https);
    let https = is_https.then(|| Https::new(files, None)).transpose()?;
    Ok(Asker::new(https, answer_bytes_max))
}

impl Gateway {
    pub(super) fn new(address: &str, ca_file: Option<&PathBuf>) -> Result<Self, HttpsError> {
        Ok(Self {
            base: address.trim_end_matches('/').to_owned(),
            // Answers are passed on as they come.
            asker: asker(address, ca_file, 0)?,
        })
    }

    /// Passes a request on as it is.
    pub(super) async fn pass_on(&self, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        let (parts, body) = request.into_parts();
        self.pass_on_with(parts, body, peer).await
    }

    /// Passes a request on with another body. Nothing else is changed but what a proxy has to.
    pub(super) async fn pass_on_with<B>(
        &self,
        mut parts: Parts,
        body: B,
        peer: SocketAddr,
    ) -> Answer
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut request = Request::builder()
            .method(parts.method.clone())
            .uri(format!("{}{path}", self.base));
        add_host(&mut parts);
        strip(&mut parts.headers);
        add_peer(&mut parts.headers, peer);
        if let Some(headers) = request.headers_mut() {
            *headers = parts.headers;
        }
        let Ok(request) = request.body(body) else {
            return empty(StatusCode::BAD_GATEWAY);
        };
        match self.asker.open(request).await {
            Ok(mut answer) => {
                strip(answer.headers_mut());
                answer.map(BodyExt::boxed_unsync)
            }
            Err(_) => empty(StatusCode::BAD_GATEWAY),
        }
    }
}

/// The host that the client named, which HTTP/2 has elsewhere.
fn add_host(parts: &mut Parts) {
    let named = parts.uri.authority().map(|it| it.as_str());
    let named = named.and_then(|named| HeaderValue::from_str(named).ok());
    if let Some(named) = named {
        parts.headers.entry(header::HOST).or_insert(named);
    }
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<_> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse::<HeaderName>().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Who asks comes last in the list of those for whom it was asked.
fn add_peer(headers: &mut HeaderMap, peer: SocketAddr) {
    let mut all: Vec<String> = headers
        .get_all(&FORWARDED_FOR)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    all.push(peer.ip().to_canonical().to_string());
    if let Ok(value) = HeaderValue::try_from(all.join(", ")) {
        headers.insert(FORWARDED_FOR, value);
    }
}
