//! Lines as HTTP POSTs (`https://`, `https-batch://`): HTTP/1.1 by hyper, over one connection that
//! is used again.

use crate::limits::ANSWER_BYTES_MAX;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hydrant_bindings::Drain;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::io;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_local};
use tokio_rustls::client::TlsStream;

/// Who asks.
const OURSELVES: &str = concat!("hydrant/", env!("CARGO_PKG_VERSION"));

/// A connection that lines are posted over.
#[derive(Debug)]
pub(crate) struct Poster {
    sender: SendRequest<Full<Bytes>>,
    connection: JoinHandle<()>,
}

impl Poster {
    /// Begins HTTP. `when_broken` is called when the connection ends.
    ///
    /// # Errors
    /// The peer does not speak it.
    pub(crate) async fn new(
        stream: TlsStream<TcpStream>,
        when_broken: impl FnOnce() + 'static,
    ) -> io::Result<Self> {
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let connection = spawn_local(async move {
            connection.await.ok(); // Whoever asks then is told.
            when_broken();
        });
        Ok(Self { sender, connection })
    }

    /// Whether nothing can be asked any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.sender.is_closed()
    }

    /// Posts `body` to the drain, and gives its answer.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn post(&mut self, drain: &Drain, body: Bytes) -> io::Result<StatusCode> {
        let request = request(drain, body)?;
        self.sender.ready().await.map_err(io::Error::other)?;
        let answer = self.sender.send_request(request).await;
        let answer = answer.map_err(io::Error::other)?;
        let status = answer.status();
        self.finish_reading(answer).await;
        Ok(status)
    }

    /// The connection can be used again only when the answer is read to its end.
    async fn finish_reading(&self, answer: Response<Incoming>) {
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
        if body.collect().await.is_err() {
            self.connection.abort();
        }
    }
}

impl Drop for Poster {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn request(drain: &Drain, body: Bytes) -> io::Result<Request<Full<Bytes>>> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(drain.target().reveal())
        .header(HOST, drain.authority())
        .header(USER_AGENT, OURSELVES)
        .header(CONTENT_TYPE, "text/plain");
    if let Some(authorization) = drain.authorization() {
        let value = HeaderValue::from_str(authorization.reveal());
        let mut value = value.map_err(io::Error::other)?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    // What is wrong is named by its kind, without what is in the URL.
    request.body(Full::new(body)).map_err(io::Error::other)
}
