//! What each of the two servers counts, for metrics to look at.
//!
//! **The ledger**, at any moment of rest: `requests = succeeded + refused + failed + abandoned`.

use crate::answer::Answer;
use hydrant_access::AccessState;
use hydrant_http::Watch;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

hydrant_engine::counters! {
    /// What is counted of requests.
    RestCounter {
        Connections = "connections", "Connections accepted.";
        TlsFailed = "tls_failed", "Connections without a TLS handshake: it failed or took too long.";
        PlainHttp = "plain_http", "Connections that spoke plain HTTP where HTTPS is spoken.";
        Requests = "requests", "Requests.";
        Succeeded = "succeeded", "Requests answered with a status below 400.";
        Refused = "refused", "Requests answered with a status from 400 to 499.";
        Failed = "failed", "Requests answered with a status from 500 on.";
        Abandoned = "abandoned", "Requests whose client left before the answer began.";
    }
}

/// Counters of one server. Any thread may add and look.
#[derive(Debug, Default)]
pub struct RestState {
    counts: [AtomicU64; RestCounter::ALL.len()],
    access: Option<Arc<AccessState>>,
}

impl RestState {
    /// Of a server that asks others who may read.
    pub(crate) fn asking() -> Self {
        Self {
            access: Some(Arc::default()),
            ..Self::default()
        }
    }

    /// What a counter stands at.
    pub fn get(&self, counter: RestCounter) -> u64 {
        self.counts[counter as usize].load(Ordering::Relaxed)
    }

    /// What UAA and the Cloud Controller were asked, if anything is.
    pub fn access(&self) -> Option<Arc<AccessState>> {
        self.access.clone()
    }

    fn count(&self, counter: RestCounter) {
        self.counts[counter as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request and what becomes of it.
    pub(crate) async fn counted(&self, answering: impl Future<Output = Answer>) -> Answer {
        self.count(RestCounter::Requests);
        let mut asked = Asked {
            state: self,
            outcome: RestCounter::Abandoned,
        };
        let answer = answering.await;
        asked.outcome = match answer.status().as_u16() {
            ..400 => RestCounter::Succeeded,
            400..500 => RestCounter::Refused,
            _ => RestCounter::Failed,
        };
        answer
    }
}

/// A request until its answer.
struct Asked<'s> {
    state: &'s RestState,
    outcome: RestCounter,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.state.count(self.outcome);
    }
}

impl Watch for RestState {
    fn connection(&self) {
        self.count(RestCounter::Connections);
    }

    fn tls_failed(&self) {
        self.count(RestCounter::TlsFailed);
    }

    fn plain_http(&self) {
        self.count(RestCounter::PlainHttp);
    }
}
