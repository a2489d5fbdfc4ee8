//! The operator's endpoint: /metrics and /health over plain HTTP.

use crate::config::OperatorConfig;
use crate::metrics::registry;
use crate::state::ServerState;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

/// How long a client may take for the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// The endpoint's address; its thread ends with the process.
#[derive(Debug)]
pub struct Operator {
    address: SocketAddr,
}

struct Endpoint {
    state: ServerState,
    registry: Registry,
}

impl Operator {
    /// Binds, and serves from a thread of its own.
    ///
    /// # Errors
    /// What the kernel said of the address or the thread.
    pub fn start(config: &OperatorConfig, state: ServerState) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(config.address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let endpoint = Arc::new(Endpoint {
            registry: registry(state.clone()),
            state,
        });
        thread::Builder::new()
            .name("operator".to_owned())
            .spawn(move || runtime.block_on(accept(listener, endpoint)))?;
        Ok(Self { address })
    }

    /// Where it listens; port 0 replaced by what the kernel chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn accept(listener: std::net::TcpListener, endpoint: Arc<Endpoint>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, endpoint.clone()));
            }
            // Out of descriptors, or a peer that was too quick: try again, not in a busy loop.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve(stream: TcpStream, endpoint: Arc<Endpoint>) {
    let service = service_fn(move |request| {
        let response = endpoint.answer(&request);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    // What a client does wrong costs its connection and nothing else.
    connection.await.ok();
}

impl Endpoint {
    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        match request.uri().path() {
            "/metrics" => self.metrics(),
            "/health" => self.health(),
            _ => text(StatusCode::NOT_FOUND, "here are /metrics and /health\n"),
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        let mut body = String::new();
        match encode(&mut body, &self.registry) {
            Ok(()) => typed(
                StatusCode::OK,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                body,
            ),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }

    fn health(&self) -> Response<Full<Bytes>> {
        match self.state.stopped_shards().as_slice() {
            [] => text(StatusCode::OK, "ok\n"),
            shards => {
                let body = format!("shards {shards:?} have stopped\n");
                text(StatusCode::SERVICE_UNAVAILABLE, body)
            }
        }
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    typed(status, "text/plain; charset=utf-8", body)
}

fn typed(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let content_type = hyper::header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
