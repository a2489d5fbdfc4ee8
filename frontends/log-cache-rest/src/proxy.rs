//! The proxy in front of the gateway, which lets people in: an administrator everywhere, everybody
//! else to the apps and service instances that the Cloud Controller shows them. Who may not read is
//! told that there is nothing.

mod config;
mod forward;
mod meta;
mod query;

pub use config::ProxyConfig;

use crate::answer::{Answer, empty, text, typed};
use crate::serving::{Report, Service, Serving, listen, listen_late, runtime, spawn};
use crate::start::{Server, StartError};
use crate::state::RestState;
use forward::Gateway;
use hydrant_access::cef::SecurityLog;
use hydrant_access::{Allowance, Bearer, Sources, TokenKeys};
use hydrant_http::client::HttpsError;
use hydrant_http::{HttpsFiles, Stopping, stopping};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{HeaderMap, Request, StatusCode};
use meta::Metas;
use percent_encoding::percent_decode_str;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::timeout;

/// What queries are answered where there are no metrics: upstream's text, blanks and all.
const NO_METRICS: &str = "{\n\t\t\t\t\"status\": \"error\",\n\t\t\t\t\"errorType\": \"bad_data\",\n\
                          \t\t\t\t\"error\": \"Metrics not available\"\n\t\t\t}";

/// What the security event log says that we are.
const PRODUCT: &str = "log_cache";

/// Starts the thread, which opens the port once UAA has given its keys. Lines of what goes on until
/// then, and where it listens, go to `report`.
///
/// # Errors
/// Says which setting, file, address or system call stands in the way; nothing runs then.
pub fn start_auth_proxy(config: &ProxyConfig, report: Report) -> Result<Server, StartError> {
    start_with(config, report, crate::limits::READY_PAUSE)
}

pub(crate) fn start_with(
    config: &ProxyConfig,
    report: Report,
    ready_pause: Duration,
) -> Result<Server, StartError> {
    config.check()?;
    let (key, tls) = ("log_cache_auth_proxy.tls", config.tls.as_ref());
    let tls = tls.map(HttpsFiles::load).transpose();
    let tls = tls.map_err(|error| StartError::Tls { key, error })?;
    let (stopper, stopping) = stopping();
    let state = Arc::new(RestState::asking());
    let proxy = Arc::new(Proxy::new(config, &state)?);
    // An address that is taken is told at once, although it is not needed yet.
    let (address, key) = (config.address, config::KEY_ADDRESS);
    listen(address).map_err(|error| StartError::Listen {
        key,
        address,
        error,
    })?;
    let serving = Serving {
        tls: tls.clone(),
        state: state.clone(),
        stopping: stopping.clone(),
    };
    let bound = Arc::<OnceLock<SocketAddr>>::default();
    let theirs = bound.clone();
    let work = async move {
        let ready = async {
            proxy.ready(&report, ready_pause).await;
            let listener = listen_late(address, &theirs, &report).await;
            if let Some(address) = theirs.get() {
                report.line(&format!("http bound to: {address}"));
            }
            listener
        };
        if let Some(listener) = unless_stopped(ready, stopping).await {
            serving.serve(listener, proxy).await;
        }
    };
    let runtime = runtime().map_err(StartError::Thread)?;
    let thread = spawn("log-cache-proxy", runtime, work).map_err(StartError::Thread)?;
    Ok(Server::new(bound, state, tls, None, stopper, thread))
}

async fn unless_stopped<T>(work: impl Future<Output = T>, mut stopping: Stopping) -> Option<T> {
    tokio::select! {
        done = work => Some(done),
        () = stopping.begun() => None,
    }
}

struct Proxy {
    gateway: Gateway,
    metas: Metas,
    keys: TokenKeys,
    sources: Sources,
    security_log: Option<SecurityLog>,
    promql_unimplemented: bool,
}

/// Somebody whose token is one.
struct Client<'r> {
    authorization: &'r HeaderValue,
    bearer: Bearer,
}

/// What the proxy has.
enum Route {
    Info,
    /// The decoded id.
    Read(String),
    Query,
    Meta,
}

impl Route {
    /// As upstream's router, which looks at paths as they came.
    fn at(path: &str) -> Option<Self> {
        match path {
            "/api/v1/info" => Some(Self::Info),
            "/api/v1/query" | "/api/v1/query_range" => Some(Self::Query),
            "/api/v1/meta" => Some(Self::Meta),
            other => {
                let id = other.strip_prefix("/api/v1/read/")?;
                let is_one = !id.is_empty() && !id.contains('/');
                let id = percent_decode_str(id).decode_utf8().ok();
                id.filter(|_| is_one).map(|id| Self::Read(id.into_owned()))
            }
        }
    }
}

impl Proxy {
    fn new(config: &ProxyConfig, state: &RestState) -> Result<Self, StartError> {
        let is_verified = !config.skip_cert_verify;
        let allowance = Allowance::default();
        let asked = state.access().unwrap_or_default();
        let https = |key| move |error: HttpsError| StartError::Https { key, error };
        let keys = TokenKeys::new(&config.uaa, is_verified, allowance, asked.clone());
        let sources = Sources::new(&config.capi, is_verified, allowance, asked);
        let gateway = Gateway::new(&config.gateway_address, config.gateway_ca_file.as_ref());
        let metas = Metas::new(&config.gateway_address, config.gateway_ca_file.as_ref());
        let key = "log_cache_auth_proxy.gateway_ca_file";
        Ok(Self {
            gateway: gateway.map_err(https(key))?,
            metas: metas.map_err(https(key))?,
            keys: keys.map_err(https("log_cache_auth_proxy.uaa"))?,
            sources: sources.map_err(https("log_cache_auth_proxy.capi"))?,
            security_log: security_log(config).map_err(StartError::SecurityLog)?,
            promql_unimplemented: config.promql_unimplemented,
        })
    }

    /// Asks UAA for its keys until it gives them.
    async fn ready(&self, report: &Report, pause: Duration) {
        while let Err(error) = self.keys.refresh().await {
            report.line(&format!("Not ready to start: {error}"));
            tokio::time::sleep(pause).await;
        }
    }

    /// Whose request it is; nobody's, if there is no token that is one.
    async fn client<'r>(&self, headers: &'r HeaderMap) -> Option<Client<'r>> {
        let authorization = authorization(headers)?;
        let bearer = self.keys.read(authorization).await.ok()?;
        Some(Client {
            authorization,
            bearer,
        })
    }

    async fn may_read(&self, headers: &HeaderMap, source_id: &str) -> bool {
        let Some(client) = self.client(headers).await else {
            return false;
        };
        client.bearer.is_admin || self.sources.may_read(client.authorization, source_id).await
    }
}

/// What the client shows; nothing is as good as none.
fn authorization(headers: &HeaderMap) -> Option<&HeaderValue> {
    headers.get(AUTHORIZATION).filter(|value| !value.is_empty())
}

fn security_log(config: &ProxyConfig) -> io::Result<Option<SecurityLog>> {
    let Some(file) = &config.security_event_log else {
        return Ok(None);
    };
    let destination = (config.internal_ip.clone(), config.address.port());
    SecurityLog::open(file, PRODUCT, destination).map(Some)
}

impl Service for Proxy {
    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        if let Some(log) = &self.security_log {
            log.append(&request, peer);
        }
        let path = request.uri().path();
        if self.promql_unimplemented && path.starts_with("/api/v1/query") {
            return text(StatusCode::NOT_IMPLEMENTED, NO_METRICS);
        }
        match Route::at(path) {
            Some(Route::Info) => self.gateway.pass_on(request, peer).await,
            Some(Route::Read(source_id)) => {
                if !self.may_read(request.headers(), &source_id).await {
                    return empty(StatusCode::NOT_FOUND);
                }
                self.gateway.pass_on(request, peer).await
            }
            Some(Route::Query) => self.query(request, peer).await,
            Some(Route::Meta) => self.meta(&request).await,
            None => no_such_path(),
        }
    }
}

fn no_such_path() -> Answer {
    let media_type = "text/plain; charset=utf-8";
    let mut answer = typed(StatusCode::NOT_FOUND, media_type, "404 page not found\n");
    let nosniff = HeaderValue::from_static("nosniff");
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, nosniff);
    answer
}

/// As long as upstream waits for the gateway's own answers.
async fn in_time<T>(asking: impl Future<Output = Option<T>>) -> Option<T> {
    timeout(crate::limits::META_TIMEOUT, asking).await.ok()?
}
