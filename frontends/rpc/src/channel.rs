//! Connections to gRPC servers.

mod sent;

pub use sent::Sent;

use crate::tls::{ClientTls, H2};
use hyper_util::rt::TokioIo;
use sent::Counted;
use socket2::{SockRef, TcpKeepalive};
use std::error::Error as StdError;
use std::io;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tonic::codegen::http::Uri;
use tonic::codegen::{BoxFuture, Service};
use tonic::transport::{Channel, Endpoint, Error};

/// What a server may send ahead in one stream: some tens of milliseconds of a busy firehose.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// What it may send ahead in all streams of a connection.
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// What a server may send in one frame of HTTP/2, of which each is a system call for it.
const FRAME_BYTES: u32 = 256 << 10;
/// How often a silent peer is asked whether it is there, and how long it has to answer. Upstream's
/// clients ask as often, streams or not; its servers allow every 10 s.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// For the whole way: name, TCP, TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection to `address` (`host:port`) that is made when it is first used, and made anew when
/// it is used after it broke; a call fails if that fails. Without `tls` it is plaintext. An address
/// that is none fails as one where nobody listens.
///
/// # Panics
/// Outside a tokio runtime, which from then on must run for the connection to work.
pub fn channel(address: &str, tls: Option<&ClientTls>) -> Channel {
    let connector = Connector::new(address, tls);
    endpoint(address, tls).connect_with_connector_lazy(connector)
}

/// As [`channel`], for calls rather than streams: HTTP/2 does not ask a silent peer if it is there.
/// grpc-go's servers end a connection on which that happens more often than every 5 minutes, unless
/// they were told otherwise.
///
/// # Panics
/// As [`channel`].
pub fn quiet_channel(address: &str, tls: Option<&ClientTls>) -> Channel {
    let connector = Connector::new(address, tls);
    with_windows(plain_endpoint(address, tls)).connect_with_connector_lazy(connector)
}

/// As [`channel`], but connected.
///
/// # Errors
/// It could not be within 10 s.
pub async fn connect(address: &str, tls: Option<&ClientTls>) -> Result<Channel, Error> {
    let connector = Connector::new(address, tls);
    endpoint(address, tls)
        .connect_with_connector(connector)
        .await
}

/// A connection to be made for one stream of messages that we send.
#[derive(Clone, Debug)]
pub struct Dial<'d> {
    /// Where, as `host:port`.
    pub address: &'d str,
    /// Without it the connection is plaintext.
    pub tls: Option<&'d ClientTls>,
    /// Whether HTTP/2 asks a silent peer every 15 s if it is there. grpc-go's servers end a connection
    /// on which that happens more often than every 5 minutes, unless they were told otherwise, as
    /// Dopplers are and agents are not. TCP asks in any case.
    pub keepalive: bool,
    /// Counts what leaves.
    pub sent: Sent,
}

/// As [`connect`], for who sends.
///
/// # Errors
/// As [`connect`].
pub async fn dial(dial: Dial<'_>) -> Result<Channel, Error> {
    let Dial {
        address,
        tls,
        keepalive,
        sent,
    } = dial;
    let connector = Connector {
        sent: Some(sent),
        ..Connector::new(address, tls)
    };
    let endpoint = match keepalive {
        true => with_keepalive(plain_endpoint(address, tls)),
        false => plain_endpoint(address, tls),
    };
    endpoint.connect_with_connector(connector).await
}

fn endpoint(address: &str, tls: Option<&ClientTls>) -> Endpoint {
    with_windows(with_keepalive(plain_endpoint(address, tls)))
}

fn with_windows(endpoint: Endpoint) -> Endpoint {
    endpoint
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES)
}

fn with_keepalive(endpoint: Endpoint) -> Endpoint {
    endpoint
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
}

fn plain_endpoint(address: &str, tls: Option<&ClientTls>) -> Endpoint {
    let scheme = if tls.is_some() { "https" } else { "http" };
    // Only for `:scheme` and `:authority`: the connector has the address.
    let named = Endpoint::from_shared(format!("{scheme}://{address}"));
    named
        .unwrap_or_else(|_| Endpoint::from_static("http://invalid"))
        .connect_timeout(CONNECT_TIMEOUT)
}

/// Makes the connection, with the certificates that are the newest then.
struct Connector {
    address: String,
    tls: Option<ClientTls>,
    sent: Option<Sent>,
}

/// TCP, or TLS over it.
trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

type BoxTransport = Box<dyn Transport>;

impl Connector {
    fn new(address: &str, tls: Option<&ClientTls>) -> Self {
        Self {
            address: address.to_owned(),
            tls: tls.cloned(),
            sent: None,
        }
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<BoxTransport>;
    type Error = io::Error;
    type Future = BoxFuture<Self::Response, io::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let (address, tls, sent) = (self.address.clone(), self.tls.clone(), self.sent.clone());
        Box::pin(async move {
            let transport = transport(&address, tls).await?;
            let transport = match sent {
                Some(sent) => Box::new(Counted::new(transport, sent)),
                None => transport,
            };
            Ok(TokioIo::new(transport))
        })
    }
}

async fn transport(address: &str, tls: Option<ClientTls>) -> io::Result<BoxTransport> {
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    watch_over(&tcp)?;
    let Some(tls) = tls else {
        return Ok(Box::new(tcp));
    };
    let stream = tls
        .connector()
        .connect(tls.server_name().clone(), tcp)
        .await?;
    if stream.get_ref().1.alpn_protocol() != Some(H2) {
        let problem = "the server did not agree to HTTP/2 (ALPN h2)";
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    Ok(Box::new(stream))
}

/// What all the other errors are about: the last of their sources.
pub fn cause(error: &(dyn StdError + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// A peer that is gone without a word is noticed, whether we wait for its answer or it for ours.
fn watch_over(tcp: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(tcp);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE)
            .with_interval(KEEPALIVE),
    )?;
    socket.set_tcp_user_timeout(Some(KEEPALIVE + KEEPALIVE_TIMEOUT))
}

#[cfg(test)]
mod tests;
