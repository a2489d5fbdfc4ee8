//! What is counted of connections and requests; sessions count for themselves.

use crate::recent::{Recent, RecentCounts};
use hydrant_access::AccessState;
use hydrant_access::cef::SecurityState;
use hydrant_engine::counters::Block;
use hydrant_http::Watch;
use hyper::StatusCode;
use std::sync::Arc;

/// What is counted in front of sessions, for metrics to look at.
#[derive(Debug, Default)]
pub struct WebsocketState {
    /// Connections and requests.
    pub http: Arc<HttpCounters>,
    /// Questions to UAA and the Cloud Controller; none if nobody is asked.
    pub access: Option<Arc<AccessState>>,
    /// Lines of the security event log; none if there is no log.
    pub security: Option<Arc<SecurityState>>,
    pub(crate) recent: Option<Arc<Recent>>,
}

impl WebsocketState {
    /// What is kept of apps; nothing if that is switched off.
    pub fn recent(&self) -> Option<RecentCounts> {
        self.recent.as_ref().map(|recent| recent.counts())
    }
}

hydrant_engine::counters! {
    /// What the thread that speaks HTTP counts.
    HttpCounter {
        Connections = "connections", "Connections accepted.";
        TlsFailed = "tls_failed", "Connections without a TLS handshake: it failed or took too long.";
        PlainHttp = "plain_http", "Connections that spoke plain HTTP where HTTPS is spoken.";
        Requests = "requests", "Requests.";
        Upgraded = "upgraded", "Requests that became a WebSocket.";
        Answered = "answered", "Requests answered with what they asked for.";
        Moved = "moved", "Requests answered 301: the path is not clean.";
        Malformed = "malformed_requests", "Requests answered 400 or 405.";
        Unauthorized = "unauthorized", "Requests answered 401: no token, or one that does not do.";
        NotFound = "not_found", "Requests answered 404: there is nothing there, or not for who asks.";
        AccessFailed = "access_failed", "Requests answered 500: the Cloud Controller could not be asked.";
        Unavailable = "unavailable", "Requests answered 503: there are as many sessions as may be.";
    }
}

/// Counters of the thread that speaks HTTP. Only it adds.
#[derive(Debug, Default)]
pub struct HttpCounters(Block<{ HttpCounter::ALL.len() }>);

impl HttpCounters {
    /// What a counter stands at.
    pub fn get(&self, counter: HttpCounter) -> u64 {
        self.0.get(counter as usize)
    }

    pub(crate) fn count(&self, counter: HttpCounter) {
        self.0.add(counter as usize, 1);
    }

    /// Counts a request by its answer.
    pub(crate) fn count_answer(&self, status: StatusCode) {
        self.count(match status {
            StatusCode::SWITCHING_PROTOCOLS => HttpCounter::Upgraded,
            StatusCode::MOVED_PERMANENTLY => HttpCounter::Moved,
            StatusCode::BAD_REQUEST | StatusCode::METHOD_NOT_ALLOWED => HttpCounter::Malformed,
            StatusCode::UNAUTHORIZED => HttpCounter::Unauthorized,
            StatusCode::NOT_FOUND => HttpCounter::NotFound,
            StatusCode::INTERNAL_SERVER_ERROR => HttpCounter::AccessFailed,
            StatusCode::SERVICE_UNAVAILABLE => HttpCounter::Unavailable,
            _ => HttpCounter::Answered,
        });
    }
}

impl Watch for HttpCounters {
    fn connection(&self) {
        self.count(HttpCounter::Connections);
    }

    fn tls_failed(&self) {
        self.count(HttpCounter::TlsFailed);
    }

    fn plain_http(&self) {
        self.count(HttpCounter::PlainHttp);
    }
}
