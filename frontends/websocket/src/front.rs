//! The thread that speaks HTTP: it judges every request, answers most, and sends those that open a
//! stream to the worker. What strangers do here, handshakes and wrong tokens by the thousand, costs
//! nobody's stream.

use crate::discovery::Discovery;
use crate::guard::Guard;
use crate::handshake::{self, Answer};
use crate::kept::Keeper;
use crate::opening::{Opening, Openings};
use crate::routes::{Route, Target};
use crate::state::{HttpCounter, HttpCounters};
use crate::{cookie, handshake::empty};
use hydrant_access::cef::SecurityLog;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::{Method, Request, StatusCode};
use std::net::SocketAddr;
use std::sync::Arc;

/// All that requests need.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    pub(crate) counters: Arc<HttpCounters>,
    pub(crate) security_log: Option<SecurityLog>,
    pub(crate) guard: Guard,
    pub(crate) openings: Openings,
    pub(crate) keeper: Keeper,
    pub(crate) discovery: Option<Discovery>,
    pub(crate) system_domain: String,
}

impl Front {
    /// The answer to a request, which is in the security log before it is judged.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Answer {
        self.counters.count(HttpCounter::Requests);
        if let Some(log) = &self.security_log {
            log.append(&request, peer);
        }
        let (path, query) = (request.uri().path(), request.uri().query());
        let route = Route::of(path, query, handshake::is_upgrade(request.headers()));
        let answer = match request.method() {
            &Method::HEAD => head(&route),
            _ => self.of_route(route, request, peer).await,
        };
        self.counters.count_answer(answer.status());
        answer
    }

    async fn of_route(&self, route: Route, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        match route {
            Route::Stream(target) => self.stream(target, request, peer).await,
            Route::RecentLogs(kept) => match self.guard.app(request.headers(), &kept.app).await {
                Ok(()) => self.keeper.logs(&kept, request.headers()),
                Err(refusal) => refusal,
            },
            Route::ContainerMetrics(kept) => {
                match self.guard.app(request.headers(), &kept.app).await {
                    Ok(()) => self.keeper.container_metrics(&kept, request.headers()),
                    Err(refusal) => refusal,
                }
            }
            Route::Dump(kept) => match self.guard.first_generation(&request, &kept.app).await {
                Ok(()) => self.keeper.log_messages(&kept),
                Err(refusal) => refusal,
            },
            Route::NoApp => self.guard.no_app(),
            Route::SetCookie => cookie::answer(request, &self.system_domain).await,
            Route::Root => {
                self.discover(|discovery| discovery.root(request.headers(), self.address))
            }
            Route::Info => {
                self.discover(|discovery| discovery.info(request.headers(), self.address))
            }
            Route::Unclean(location) => handshake::moved(&location),
            Route::Unknown => handshake::not_found(),
        }
    }

    /// Upstream's order: who asks, room for a session, then what makes a WebSocket. The session is
    /// open, and its records are on their way into its outbox, before the answer says so.
    async fn stream(
        &self,
        target: Target,
        mut request: Request<Incoming>,
        peer: SocketAddr,
    ) -> Answer {
        if let Err(refusal) = self.guard.stream(&request, &target).await {
            return refusal;
        }
        if self.openings.is_full() {
            return empty(StatusCode::SERVICE_UNAVAILABLE);
        }
        let accept = match handshake::accept(&request) {
            Ok(accept) => accept,
            Err(status) => return handshake::refused(status),
        };
        let opening = |opened| Opening {
            target,
            name: name(&request),
            peer,
            forwarded_for: forwarded_for(request.headers()),
            upgrade: hyper::upgrade::on(&mut request),
            opened,
        };
        match self.openings.open(opening).await {
            Ok(()) => handshake::switching(accept),
            Err(_) => empty(StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    fn discover(&self, answer: impl FnOnce(&Discovery) -> Answer) -> Answer {
        self.discovery
            .as_ref()
            .map_or_else(handshake::not_found, answer)
    }
}

/// HEAD asks whether we are there, as load balancers did in the first generations: it needs no
/// token and opens nothing.
fn head(route: &Route) -> Answer {
    match route {
        Route::Unknown => empty(StatusCode::NOT_FOUND),
        Route::Unclean(location) => handshake::moved(location),
        _ => empty(StatusCode::OK),
    }
}

/// The path with its query, as it came, but for a token in it.
fn name<B>(request: &Request<B>) -> String {
    let uri = request.uri();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    crate::token::redacted(path)
}

/// At most so many characters of it are of interest.
const FORWARDED_FOR_CHARS: usize = 200;

fn forwarded_for(headers: &HeaderMap) -> String {
    let value = headers.get("x-forwarded-for");
    let text = value.and_then(|value| value.to_str().ok());
    let text = text.unwrap_or_default();
    text.chars().take(FORWARDED_FOR_CHARS).collect()
}
