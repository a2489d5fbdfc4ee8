//! What is served, ready to be sent.

use super::state::{CacheCounter, CacheState};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Method, Request, Response, StatusCode};
use std::sync::{Mutex, PoisonError};

/// The two lists.
#[derive(Debug)]
pub(super) struct Store {
    /// Nothing until the Cloud Controller was heard: with an empty list, agents would end all drains
    /// of all apps. Upstream serves that when its first round fails.
    bindings: Mutex<Option<Bytes>>,
    aggregates: Bytes,
}

type Answer = Response<Full<Bytes>>;

impl Store {
    pub(super) fn new(aggregates: Bytes) -> Self {
        Self {
            bindings: Mutex::default(),
            aggregates,
        }
    }

    pub(super) fn set_bindings(&self, bindings: Bytes) {
        *self.bindings.lock().unwrap_or_else(PoisonError::into_inner) = Some(bindings);
    }

    fn bindings(&self) -> Option<Bytes> {
        let bindings = self.bindings.lock();
        bindings.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// As upstream's router and its handlers: other paths are 404, other methods 405, and JSON goes
    /// under the type that Go's server gives a body without one.
    pub(super) fn answer<B>(&self, request: &Request<B>, state: &CacheState) -> Answer {
        state.count(CacheCounter::Requests);
        let is_known = ["/v2/bindings", "/v2/aggregate"].contains(&request.uri().path());
        match (request.uri().path(), request.method() == Method::GET) {
            ("/v2/bindings", true) => self.bindings().map_or_else(|| not_ready(state), ok),
            ("/v2/aggregate", true) => ok(self.aggregates.clone()),
            _ => refusal(is_known, state),
        }
    }
}

fn ok(body: Bytes) -> Answer {
    text(StatusCode::OK, body)
}

fn not_ready(state: &CacheState) -> Answer {
    state.count(CacheCounter::NotReady);
    let body = Bytes::from_static(b"the Cloud Controller has not been heard yet\n");
    text(StatusCode::SERVICE_UNAVAILABLE, body)
}

fn refusal(is_known: bool, state: &CacheState) -> Answer {
    state.count(CacheCounter::Refused);
    if is_known {
        let mut answer = Response::new(Full::default());
        *answer.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        let get = HeaderValue::from_static("GET");
        answer.headers_mut().insert(ALLOW, get);
        return answer;
    }
    let body = Bytes::from_static(b"404 page not found\n");
    let mut answer = text(StatusCode::NOT_FOUND, body);
    let no_sniff = HeaderValue::from_static("nosniff");
    answer
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, no_sniff);
    answer
}

fn text(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, plain);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(store: &Store, method: &str, path: &str) -> (u16, Vec<(String, String)>) {
        let request = Request::builder().method(method).uri(path).body(());
        let answer = store.answer(&request.unwrap(), &CacheState::default());
        let header = |(name, value): (&hyper::header::HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let headers = answer.headers().iter().map(header).collect();
        (answer.status().as_u16(), headers)
    }

    #[test]
    fn answers_are_of_upstreams_form() {
        let store = Store::new(Bytes::from_static(b"null\n"));
        let plain = (
            "content-type".to_owned(),
            "text/plain; charset=utf-8".to_owned(),
        );
        let plain = vec![plain];
        assert_eq!(asked(&store, "GET", "/v2/bindings"), (503, plain.clone()));
        store.set_bindings(Bytes::from_static(b"[]\n"));
        for path in ["/v2/bindings", "/v2/aggregate", "/v2/bindings?x=1"] {
            assert_eq!(asked(&store, "GET", path), (200, plain.clone()), "{path}");
        }
        let allow = vec![("allow".to_owned(), "GET".to_owned())];
        for method in ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
            assert_eq!(asked(&store, method, "/v2/aggregate"), (405, allow.clone()));
        }
        for method in ["GET", "POST"] {
            let (status, headers) = asked(&store, method, "/v2/other");
            let no_sniff = ("x-content-type-options".to_owned(), "nosniff".to_owned());
            assert_eq!((status, headers.contains(&no_sniff)), (404, true));
        }
    }
}
