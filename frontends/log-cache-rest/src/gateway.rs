//! The gateway: a node's gRPC as HTTP, for everybody who can reach it.

mod config;

pub use config::GatewayConfig;

use crate::answer::{Answer, text};
use crate::failure::{Failure, Form as ErrorForm};
use crate::form::{self, Form, has_form};
use crate::json::NotATime;
use crate::node::{Node, Within};
use crate::path::{Resource, clean, is_well_escaped, redirect};
use crate::serving::{Service, Serving, listen, runtime, spawn};
use crate::start::{Server, StartError};
use crate::{answer, deadline, json, parameters};
use hydrant_http::{HttpsFiles, stopping};
use hydrant_rpc::tls::ClientTls;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, StatusCode};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tonic::Code;

/// What clients are told that they speak to: upstream's version whose interface this is. They demand
/// one that is not older than 2.0.0.
pub const VERSION: &str = "3.2.12";

/// Opens the listener and starts the thread. The node is sought when the first request needs it.
///
/// # Errors
/// Says which setting, file, address or system call stands in the way; nothing runs then.
pub fn start_gateway(config: &GatewayConfig) -> Result<Server, StartError> {
    config.check()?;
    let (key, tls) = ("log_cache_gateway.tls", config.tls.as_ref());
    let tls = tls.map(HttpsFiles::load).transpose();
    let tls = tls.map_err(|error| StartError::Tls { key, error })?;
    let (key, node_tls) = ("log_cache_gateway.node_tls", config.node_tls.as_ref());
    let node_tls = node_tls.map(|files| ClientTls::load(files, &config.node_name));
    let node_tls = node_tls.transpose();
    let node_tls = node_tls.map_err(|error| StartError::Tls { key, error })?;
    let (stopper, stopping) = stopping();
    let serving = Serving {
        tls: tls.clone(),
        state: Arc::default(),
        stopping,
    };
    let state = serving.state.clone();
    let runtime = runtime().map_err(StartError::Thread)?;
    let within = runtime.enter();
    let gateway = Arc::new(Gateway {
        node: Node::new(&config.node_address, node_tls.as_ref()),
    });
    let address = config.address;
    let opened = listen(address).and_then(|(listener, bound)| {
        let listener = TcpListener::from_std(listener)?;
        Ok((listener, bound))
    });
    let key = config::KEY_ADDRESS;
    let (listener, bound) = opened.map_err(|error| StartError::Listen {
        key,
        address,
        error,
    })?;
    drop(within);
    let work = serving.serve(listener, gateway);
    let thread = spawn("log-cache-gate", runtime, work).map_err(StartError::Thread)?;
    let bound = Arc::new(bound.into());
    Ok(Server::new(bound, state, tls, node_tls, stopper, thread))
}

struct Gateway {
    node: Node,
}

impl Service for Gateway {
    async fn answer(&self, request: Request<Incoming>, _: SocketAddr) -> Answer {
        let path = request.uri().path();
        if !is_well_escaped(path) {
            return text(StatusCode::BAD_REQUEST, "400 Bad Request");
        }
        let cleaned = clean(path);
        if cleaned != path && request.method() != Method::CONNECT {
            return redirect(request.method(), request.uri(), &cleaned);
        }
        let Some(resource) = Resource::at(path) else {
            let failure = Failure::new(Code::NotFound, "Not Found");
            return failure.answer(ErrorForm::Grpc);
        };
        let form = match resource {
            Resource::Info => return info(),
            Resource::Query | Resource::QueryRange => ErrorForm::Prometheus,
            Resource::Read(_) | Resource::Meta => ErrorForm::Grpc,
        };
        match self.result(resource, request).await {
            Ok((json, away)) => success(json, away),
            Err(failure) => failure.answer(form),
        }
    }
}

impl Gateway {
    /// JSON, and whom the node could not ask.
    async fn result(
        &self,
        resource: Resource,
        request: Request<Incoming>,
    ) -> Result<(String, Option<HeaderValue>), Failure> {
        let (parts, form) = arguments(request).await?;
        let within = Within(deadline::of(&parts.headers)?);
        let node = &self.node;
        let json = match resource {
            Resource::Read(source_id) => {
                let source_id =
                    String::from_utf8(source_id).map_err(|_bytes| Failure::not_utf8())?;
                let request = parameters::read(source_id, &form)?;
                let told = node.read(&request, within).await?;
                return Ok((json::read(&told.message), told.away));
            }
            Resource::Meta => {
                let request = parameters::meta(&form)?;
                let told = node.meta(&request, within).await?;
                return Ok((json::meta(&told.message), told.away));
            }
            Resource::QueryRange => {
                let request = parameters::query_range(&form)?;
                json::range(&node.query_range(&request, within).await?)
            }
            Resource::Query | Resource::Info => {
                let request = parameters::query(&form)?;
                json::instant(&node.query(&request, within).await?)
            }
        };
        // A query that needs who is away is refused by the node.
        Ok((json.map_err(|NotATime| no_time())?, None))
    }
}

/// The arguments of what counts as `GET`.
async fn arguments(request: Request<Incoming>) -> Result<(Parts, Form), Failure> {
    let (parts, body) = request.into_parts();
    let is_get = match has_form(&parts) {
        true => wants(&parts.headers) == Method::GET,
        false => parts.method == Method::GET,
    };
    if !is_get {
        return Err(Failure::new(Code::Unimplemented, "Method Not Allowed"));
    }
    form::read(Request::from_parts(parts, body)).await
}

/// The method that a form says that it is for.
fn wants(headers: &HeaderMap) -> Method {
    let named = headers.get("x-http-method-override");
    let named = named.filter(|named| !named.is_empty());
    let upper = named.map(|named| named.as_bytes().to_ascii_uppercase());
    upper.map_or(Method::GET, |upper| {
        Method::from_bytes(&upper).unwrap_or(Method::POST)
    })
}

fn no_time() -> Failure {
    Failure::new(Code::Internal, "the node's result has a time that is none")
}

fn success(json: String, away: Option<HeaderValue>) -> Answer {
    let mut answer = answer::json(StatusCode::OK, json);
    answer::add_grpc_headers(&mut answer);
    answer::add_away(&mut answer, away);
    answer
}

fn info() -> Answer {
    let uptime = uptime_s();
    let body = format!("{{\"version\":\"{VERSION}\",\"vm_uptime\":\"{uptime}\"}}\n");
    text(StatusCode::OK, body)
}

/// Whole seconds since the host was started; 0 if it does not say.
fn uptime_s() -> u64 {
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let whole = uptime.split('.').next();
    whole.and_then(|whole| whole.parse().ok()).unwrap_or(0)
}
