//! HTTP/1.1, each request over a connection of its own: a token goes nowhere but where it was meant
//! to go, so redirects are answers like others. A request can become a WebSocket.

use super::address::is_secure;
use super::tls::{self, Trust};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::TryFutureExt;
use http_body_util::{BodyExt, Full, Limited};
use hydrant_rpc::tls::TlsError;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_websockets::{ClientBuilder, Limits, WebSocketStream};
use url::{Position, Url};

/// How long noaa waits for a connection and the head of an answer.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a body may take: recent logs can be large and the way to them long.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest body that is read, of an answer or of a message.
pub(super) const BODY_BYTES_MAX: usize = 32 << 20;
/// What a server says of an error is a sentence.
const ERROR_BYTES_MAX: usize = 64 << 10;
/// What a client's key is hashed with (RFC 6455, section 1.3).
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The client.
#[derive(Debug)]
pub(super) struct Http {
    trust: Trust,
    /// Made when it is needed: the system's CAs are many.
    config: OnceLock<Arc<ClientConfig>>,
}

/// What was answered, its body whole.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A stream of messages.
pub(super) type WebSocket = WebSocketStream<TokioIo<Upgraded>>;

/// What came of asking for a WebSocket.
#[derive(Debug)]
pub(super) enum Opened {
    /// It is one.
    Stream(Box<WebSocket>),
    /// The server said something else.
    Refused(Answer),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The name is unknown, nobody listens, or the way is barred.
    #[error("{0}")]
    Connect(io::Error),
    /// The certificate is not trusted, or it is no TLS.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// TLS cannot be used at all.
    #[error(transparent)]
    Trust(Box<TlsError>),
    /// It breaks off, or is no HTTP.
    #[error("HTTP: {0}")]
    Http(hyper::Error),
    /// Nothing came in time.
    #[error("no answer within {} s", .0.as_secs())]
    Slow(Duration),
    /// The body does not end, or ends too early.
    #[error("the answer breaks off or is larger than {} MiB", BODY_BYTES_MAX >> 20)]
    Body,
    /// A request cannot be made of it.
    #[error("no request can be made of this URL")]
    Request,
    /// It answers as no WebSocket does.
    #[error("the answer is not a WebSocket's")]
    NotWebSocket,
    /// An answer that tells of no more than a failure.
    #[error("it answers {0}")]
    Status(StatusCode),
}

impl HttpError {
    /// Whether a CA is missing, and not something else of TLS.
    pub(super) fn is_untrusted(&self) -> bool {
        let Self::Tls(error) = self else { return false };
        let error = error.get_ref().and_then(|error| error.downcast_ref());
        matches!(error, Some(rustls::Error::InvalidCertificate(_)))
    }
}

impl Http {
    pub(super) const fn new(trust: Trust) -> Self {
        Self {
            trust,
            config: OnceLock::new(),
        }
    }

    /// The answer to a GET.
    pub(super) async fn get(&self, url: &Url, headers: HeaderMap) -> Result<Answer, HttpError> {
        let mut request = request(Method::GET, url, Bytes::new())?;
        request.headers_mut().extend(headers);
        whole(self.send(url, request).await?, BODY_BYTES_MAX).await
    }

    /// The answer to a POST of a form.
    pub(super) async fn post_form(&self, url: &Url, form: &str) -> Result<Answer, HttpError> {
        let mut request = request(Method::POST, url, Bytes::copy_from_slice(form.as_bytes()))?;
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(header::CONTENT_TYPE, form);
        whole(self.send(url, request).await?, BODY_BYTES_MAX).await
    }

    /// A WebSocket, or what was said instead.
    pub(super) async fn open(&self, url: &Url, headers: HeaderMap) -> Result<Opened, HttpError> {
        let mut request = request(Method::GET, url, Bytes::new())?;
        let key = key()?;
        request.headers_mut().extend(headers);
        request.headers_mut().extend(upgrade(&key, url)?);
        let response = self.send(url, request).await?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            let said = whole(response, ERROR_BYTES_MAX).await;
            return said.map(Opened::Refused);
        }
        let accept = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
        if accept.map(HeaderValue::as_bytes) != Some(accept_of(&key).as_bytes()) {
            return Err(HttpError::NotWebSocket);
        }
        let io = hyper::upgrade::on(response).await;
        let io = TokioIo::new(io.map_err(HttpError::Http)?);
        let limits = Limits::default().max_payload_len(Some(BODY_BYTES_MAX));
        let builder = ClientBuilder::new().limits(limits);
        Ok(Opened::Stream(Box::new(builder.take_over(io))))
    }

    async fn send(
        &self,
        url: &Url,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, HttpError> {
        let asking = timeout(HEAD_TIMEOUT, self.connect_and_send(url, request));
        asking.await.unwrap_or(Err(HttpError::Slow(HEAD_TIMEOUT)))
    }

    async fn connect_and_send(
        &self,
        url: &Url,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, HttpError> {
        let host = url.host_str().ok_or(HttpError::Request)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = url.port_or_known_default().ok_or(HttpError::Request)?;
        let tcp = TcpStream::connect((host, port))
            .map_err(HttpError::Connect)
            .await?;
        tcp.set_nodelay(true).map_err(HttpError::Connect)?;
        if !is_secure(url) {
            return exchange(tcp, request).await;
        }
        let name = ServerName::try_from(host.to_owned()).or(Err(HttpError::Request))?;
        let connector = TlsConnector::from(self.config()?);
        let tls = connector.connect(name, tcp).map_err(HttpError::Tls).await?;
        exchange(tls, request).await
    }

    fn config(&self) -> Result<Arc<ClientConfig>, HttpError> {
        if let Some(config) = self.config.get() {
            return Ok(config.clone());
        }
        let made = tls::config(&self.trust);
        let made = Arc::new(made.map_err(|error| HttpError::Trust(Box::new(error)))?);
        Ok(self.config.get_or_init(|| made).clone())
    }
}

async fn exchange(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, HttpError> {
    let handshake = http1::handshake(TokioIo::new(io)).await;
    let (mut sender, connection) = handshake.map_err(HttpError::Http)?;
    // It ends with the answer, when it becomes a WebSocket, or when we have lost interest.
    tokio::spawn(async move { connection.with_upgrades().await.ok() });
    sender.send_request(request).await.map_err(HttpError::Http)
}

async fn whole(response: Response<Incoming>, bytes_max: usize) -> Result<Answer, HttpError> {
    let (head, body) = response.into_parts();
    let collecting = timeout(BODY_TIMEOUT, Limited::new(body, bytes_max).collect());
    let body = collecting.await.or(Err(HttpError::Slow(BODY_TIMEOUT)))?;
    Ok(Answer {
        status: head.status,
        headers: head.headers,
        body: body.or(Err(HttpError::Body))?.to_bytes(),
    })
}

fn request(method: Method, url: &Url, body: Bytes) -> Result<Request<Full<Bytes>>, HttpError> {
    let user_agent = concat!("hydrant/", env!("CARGO_PKG_VERSION"));
    Request::builder()
        .method(method)
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .header(
            header::HOST,
            &url[Position::BeforeHost..Position::AfterPort],
        )
        .header(header::USER_AGENT, user_agent)
        .header(header::CONNECTION, "close")
        .body(Full::new(body))
        .or(Err(HttpError::Request))
}

/// What makes a request a WebSocket's, with the `Origin` that noaa sends.
fn upgrade(key: &str, url: &Url) -> Result<HeaderMap, HttpError> {
    let value = |text: &str| HeaderValue::from_str(text).or(Err(HttpError::Request));
    Ok(HeaderMap::from_iter([
        (header::CONNECTION, value("Upgrade")?),
        (header::UPGRADE, value("websocket")?),
        (header::SEC_WEBSOCKET_VERSION, value("13")?),
        (header::SEC_WEBSOCKET_KEY, value(key)?),
        (header::ORIGIN, value(&url[..Position::AfterPort])?),
    ]))
}

fn key() -> Result<String, HttpError> {
    let mut bytes = [0; 16];
    let filled = tls::provider().secure_random.fill(&mut bytes);
    filled.or(Err(HttpError::Request))?;
    Ok(BASE64_STANDARD.encode(bytes))
}

fn accept_of(key: &str) -> String {
    let mut hash = sha1_smol::Sha1::from(key);
    hash.update(KEY_SUFFIX);
    BASE64_STANDARD.encode(hash.digest().bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_is_answered_as_there() {
        assert_eq!(
            accept_of("dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn keys_are_sixteen_bytes_and_never_the_same() {
        let (one, other) = (key().unwrap(), key().unwrap());
        assert_eq!(BASE64_STANDARD.decode(&one).unwrap().len(), 16);
        assert_ne!(one, other);
    }

    #[test]
    fn a_request_names_host_and_path_as_http_1_does() {
        let url = Url::parse("https://[::1]:8443/a%20b?c=d").unwrap();
        let request = request(Method::GET, &url, Bytes::new()).unwrap();
        assert_eq!(request.uri(), "/a%20b?c=d");
        assert_eq!(request.headers()[header::HOST], "[::1]:8443");
        let url = Url::parse("wss://h:443/x").unwrap();
        let headers = upgrade("k", &url).unwrap();
        assert_eq!(headers[header::ORIGIN], "wss://h");
        let mut all =
            HeaderMap::from_iter([(header::CONNECTION, HeaderValue::from_static("close"))]);
        all.extend(headers);
        let connection: Vec<_> = all.get_all(header::CONNECTION).iter().collect();
        assert_eq!(connection, ["Upgrade"]);
    }
}
