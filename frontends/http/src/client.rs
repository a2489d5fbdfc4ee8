//! The client's end: one question by HTTP/1.1, over a connection of its own, as upstream asks. Redirects are answers
//! like others: a token goes nowhere but where it was meant to go.

mod https;
mod reach;
mod unverified;

pub use https::{ClientFiles, Https, HttpsError};
pub use reach::Reach;
pub use unverified::Unverified;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{HeaderMap, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Asks.
#[derive(Debug)]
pub struct Asker {
    /// Needed for URLs that are https.
    https: Option<Https>,
    answer_bytes_max: usize,
}

/// A question, its URI absolute.
pub type Ask = Request<Full<Bytes>>;

/// What was said.
#[derive(Debug)]
pub struct Said {
    /// The answer's status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// The answer's body, whole.
    pub body: Bytes,
}

/// Why there is no answer. Shows nothing of the question but its host.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The URL has no host that can be asked.
    #[error("the URL has no host that can be asked")]
    Url,
    /// There is no connection.
    #[error("cannot connect to {host}: {error}")]
    Connect {
        /// Host and port.
        host: String,
        /// What the system said.
        error: io::Error,
    },
    /// The URL is https, and there are no files for it.
    #[error("there are no certificates for https")]
    NoHttps,
    /// There is no agreement on TLS.
    #[error("TLS: {0}")]
    Tls(io::Error),
    /// The other end does not speak HTTP, or stops to.
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// The answer's body broke off, or has more bytes than it may have.
    #[error("the answer's body: {0}")]
    Body(Box<dyn Error + Send + Sync>),
}

impl Asker {
    /// Asks over `https` where URLs are, and takes no answer whose body is longer than
    /// `answer_bytes_max`.
    pub const fn new(https: Option<Https>, answer_bytes_max: usize) -> Self {
        Self {
            https,
            answer_bytes_max,
        }
    }

    /// Connects, asks and listens, for as long as it takes.
    ///
    /// # Errors
    /// Why there is no answer. One of any status is one.
    pub async fn ask(&self, mut ask: Ask) -> Result<Said, AskError> {
        let host = host_of(&ask)?;
        ask.headers_mut().insert(HOST, host);
        let answer = self.open(ask).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, self.answer_bytes_max);
        let body = body.collect().await.map_err(AskError::Body)?.to_bytes();
        Ok(Said {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    /// Connects and asks, for as long as it takes; the answer's body comes as it is read, of any
    /// length. The question's `Host` is kept.
    ///
    /// # Errors
    /// Why there is no answer. One of any status is one.
    pub async fn open<B>(&self, question: Request<B>) -> Result<Response<Incoming>, AskError>
    where
        B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let uri = question.uri();
        let is_https = uri.scheme_str() == Some("https");
        let host = uri.host().ok_or(AskError::Url)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let tcp = connect(host, port).await?;
        if !is_https {
            return send(tcp, question).await;
        }
        let https = self.https.as_ref().ok_or(AskError::NoHttps)?;
        send(https.connect(host, tcp).await?, question).await
    }
}

async fn send<B>(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    mut question: Request<B>,
) -> Result<Response<Incoming>, AskError>
where
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    // The host is a header's, where HTTP/1.1 has it.
    let path = question.uri().path_and_query().cloned();
    *question.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    let close = HeaderValue::from_static("close");
    question.headers_mut().insert(CONNECTION, close);
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await?;
    // It ends with the answer, or when we have lost interest in that.
    tokio::spawn(async move { connection.await.ok() });
    Ok(sender.send_request(question).await?)
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, AskError> {
    let connected = async {
        let tcp = TcpStream::connect((host, port)).await?;
        tcp.set_nodelay(true)?;
        Ok(tcp)
    };
    connected.await.map_err(|error| AskError::Connect {
        host: format!("{host}:{port}"),
        error,
    })
}

/// The URI's, as its header has it.
fn host_of(ask: &Ask) -> Result<HeaderValue, AskError> {
    let authority = ask.uri().authority().ok_or(AskError::Url)?.as_str();
    HeaderValue::from_str(authority).or(Err(AskError::Url))
}
