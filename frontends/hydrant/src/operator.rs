//! The operator's endpoint: /metrics, /health and /drains over plain HTTP, and, for a scraper, over
//! mutual TLS or plain HTTP.

use crate::config::{OperatorConfig, ScrapeConfig, ScrapeNames};
use crate::drains::Drain;
use crate::health::Health;
use crate::metrics::{component, registry};
use crate::state::ServerState;
use http_body_util::Full;
use hydrant_rpc::tls::{ServerTls, TlsError};
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
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// How long a client may take for the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a client may take for the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the endpoint did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// An address cannot be used.
    #[error("{key}: cannot listen on {address}: {error}")]
    Listen {
        /// Which setting.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the kernel said.
        error: io::Error,
    },
    /// A certificate or key cannot be used.
    #[error("operator.scrape.tls: {0}")]
    Tls(#[from] TlsError),
    /// Its thread or runtime cannot be had.
    #[error("cannot start the operator's endpoint: {0}")]
    Thread(io::Error),
}

/// The endpoint's addresses; its thread ends with the process.
#[derive(Debug)]
pub struct Operator {
    address: SocketAddr,
    scrape: Option<(SocketAddr, Option<ServerTls>)>,
}

struct Endpoint {
    state: ServerState,
    registry: Registry,
    names: ScrapeNames,
}

impl Operator {
    /// Binds, and serves from a thread of its own.
    ///
    /// # Errors
    /// Names the address or file.
    pub fn start(config: &OperatorConfig, state: ServerState) -> Result<Self, StartError> {
        let (plain, address) = listen("operator.address", config.address)?;
        let scrape = config.scrape.as_ref().map(scraped).transpose()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(StartError::Thread)?;
        let names = config.scrape.as_ref().map(|scrape| scrape.names);
        let scraped = Arc::new(Endpoint::new(state.clone(), names.unwrap_or_default()));
        let endpoint = Arc::new(Endpoint::new(state, ScrapeNames::Hydrant));
        let (scrape, scraping) = match scrape {
            Some((listener, address, tls)) => (Some((address, tls.clone())), Some((listener, tls))),
            None => (None, None),
        };
        let serving = async move {
            if let Some((listener, tls)) = scraping {
                tokio::spawn(accept(listener, tls, scraped));
            }
            accept(plain, None, endpoint).await
        };
        thread::Builder::new()
            .name("operator".to_owned())
            .spawn(move || runtime.block_on(serving))
            .map_err(StartError::Thread)?;
        Ok(Self { address, scrape })
    }

    /// Where it listens; port 0 replaced by what the kernel chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for scrapers, likewise.
    pub fn scrape_address(&self) -> Option<SocketAddr> {
        self.scrape.as_ref().map(|(address, _)| *address)
    }

    /// The scrapers' end of TLS, for a reloader.
    pub fn tls(&self) -> Option<&ServerTls> {
        self.scrape.as_ref().and_then(|(_, tls)| tls.as_ref())
    }
}

type Listener = std::net::TcpListener;

type Scraped = (Listener, SocketAddr, Option<ServerTls>);

fn scraped(config: &ScrapeConfig) -> Result<Scraped, StartError> {
    let tls = config.tls.as_ref().map(ServerTls::load_for_http1);
    let tls = tls.transpose()?;
    let (listener, address) = listen("operator.scrape.address", config.address)?;
    Ok((listener, address, tls))
}

fn listen(key: &'static str, address: SocketAddr) -> Result<(Listener, SocketAddr), StartError> {
    let bound = || {
        let listener = Listener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound().map_err(|error| StartError::Listen {
        key,
        address,
        error,
    })
}

async fn accept(
    listener: Listener,
    tls: Option<ServerTls>,
    endpoint: Arc<Endpoint>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(secure(stream, tls.clone(), endpoint.clone()));
            }
            // Out of descriptors, or a peer that was too quick: try again, not in a busy loop.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn secure(stream: TcpStream, tls: Option<ServerTls>, endpoint: Arc<Endpoint>) {
    let Some(tls) = tls else {
        return serve(stream, endpoint).await;
    };
    let handshake = timeout(HANDSHAKE_TIMEOUT, tls.acceptor().accept(stream)).await;
    if let Ok(Ok(stream)) = handshake {
        serve(stream, endpoint).await;
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, endpoint: Arc<Endpoint>) {
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
    fn new(state: ServerState, names: ScrapeNames) -> Self {
        Self {
            registry: registry(state.clone()),
            state,
            names,
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        match request.uri().path() {
            "/metrics" => self.metrics(),
            "/health" => self.health(),
            "/drains" => self.drains(),
            _ => text(
                StatusCode::NOT_FOUND,
                "here are /metrics, /health and /drains\n",
            ),
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        if self.names != ScrapeNames::Hydrant {
            let text = component::text(self.names, &self.state);
            return typed(StatusCode::OK, component::MEDIA_TYPE, text);
        }
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

    fn drains(&self) -> Response<Full<Bytes>> {
        match serde_json::to_vec(&Drain::all(&self.state)) {
            Ok(body) => typed(StatusCode::OK, "application/json", body),
            Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        }
    }

    fn health(&self) -> Response<Full<Bytes>> {
        let health = Health::of(&self.state);
        let status = match health.is_well {
            true => StatusCode::OK,
            false => StatusCode::SERVICE_UNAVAILABLE,
        };
        text(status, health.report)
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
