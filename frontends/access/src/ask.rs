//! One question by HTTP/1.1, over a connection of its own, as upstream asks. Redirects are answers
//! like others: a token goes nowhere but where it was meant to go.

use crate::https::Https;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// What UAA says of a token with hundreds of scopes is some KiB.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Asks.
#[derive(Debug)]
pub(crate) struct Asker {
    /// Needed for URLs that are https.
    https: Option<Https>,
}

/// A question, its URI absolute.
pub(crate) type Ask = Request<Full<Bytes>>;

/// What was said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

/// What kept us from knowing. Nothing of the token is in it.
#[derive(Debug)]
pub(crate) struct Unknown;

impl Asker {
    pub(crate) const fn new(https: Option<Https>) -> Self {
        Self { https }
    }

    /// Connects, asks and listens, for as long as it takes.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Said, Unknown> {
        let uri = ask.uri();
        let is_https = uri.scheme_str() == Some("https");
        let host = uri.host().ok_or(Unknown)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let tcp = TcpStream::connect((host, port)).await.or(Err(Unknown))?;
        tcp.set_nodelay(true).or(Err(Unknown))?;
        if !is_https {
            return send(tcp, ask).await;
        }
        let https = self.https.as_ref().ok_or(Unknown)?;
        send(https.connect(host, tcp).await?, ask).await
    }
}

async fn send(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    mut ask: Ask,
) -> Result<Said, Unknown> {
    name_host(&mut ask)?;
    let handshake = http1::handshake(TokioIo::new(io)).await;
    let (mut sender, connection) = handshake.or(Err(Unknown))?;
    // It ends with the answer, or when we have lost interest in that.
    tokio::spawn(async move { connection.await.ok() });
    let answer = sender.send_request(ask).await.or(Err(Unknown))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
    let body = body.collect().await.or(Err(Unknown))?.to_bytes();
    Ok(Said { status, body })
}

/// Takes the host out of the URI and into its header, where HTTP/1.1 has it.
fn name_host(ask: &mut Ask) -> Result<(), Unknown> {
    let authority = ask.uri().authority().ok_or(Unknown)?.as_str();
    let host = HeaderValue::from_str(authority).or(Err(Unknown))?;
    let path = ask.uri().path_and_query().cloned();
    *ask.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
    let headers = ask.headers_mut();
    headers.insert(HOST, host);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(())
}
