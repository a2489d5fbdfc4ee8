//! TLS with a client, and what those are told who do not speak it.

use crate::server::Server;
use hydrant_rpc::tls::ServerTls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// The first byte of TLS: a record of its handshake.
const TLS_HANDSHAKE: u8 = 0x16;
/// What Go's server answers to HTTP where it speaks HTTPS, and by what it knows it.
const PLAIN_ANSWER: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
const PLAIN_STARTS: [&[u8; 5]; 5] = [b"GET /", b"HEAD ", b"POST ", b"PUT /", b"OPTIO"];

/// HTTP/2 for who offers it. Who offers nothing speaks HTTP/1.1.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Shakes hands, if the client speaks TLS.
pub(crate) async fn accept<S>(
    tls: &ServerTls,
    server: &Server<S>,
    stream: TcpStream,
) -> Option<TlsStream<TcpStream>> {
    let head_timeout = server.limits.head_timeout;
    let mut first = [0];
    let peeked = timeout(head_timeout, stream.peek(&mut first)).await;
    if !matches!(peeked, Ok(Ok(1))) {
        server.watch.tls_failed();
        return None;
    }
    if first != [TLS_HANDSHAKE] {
        server.watch.plain_http();
        timeout(head_timeout, refuse_plain(stream)).await.ok();
        return None;
    }
    let stream = timeout(head_timeout, shake_hands(tls, server, stream)).await;
    let stream = stream.ok().flatten();
    if stream.is_none() {
        server.watch.tls_failed();
    }
    stream
}

/// Whether it was agreed to speak HTTP/2.
pub(crate) fn is_http2(stream: &TlsStream<TcpStream>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(ALPN[0])
}

async fn shake_hands<S>(
    tls: &ServerTls,
    server: &Server<S>,
    stream: TcpStream,
) -> Option<TlsStream<TcpStream>> {
    let place = server.handshakes.acquire().await.ok()?;
    let stream = acceptor(tls).accept(stream).await.ok();
    drop(place);
    stream
}

/// The newest certificates, for both versions of HTTP.
fn acceptor(tls: &ServerTls) -> TlsAcceptor {
    tls.acceptor_of(ALPN.map(<[u8]>::to_vec).into())
}

/// Tells a client that it wants https. What it sent is read first: a connection that is closed with
/// bytes unread is reset, and takes the answer with it.
async fn refuse_plain(mut stream: TcpStream) {
    let mut start = [0; 5];
    if stream.read_exact(&mut start).await.is_err() || !PLAIN_STARTS.contains(&&start) {
        return;
    }
    if stream.write_all(PLAIN_ANSWER).await.is_ok() && stream.shutdown().await.is_ok() {
        let mut rest = [0; 4096];
        while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {}
    }
}
