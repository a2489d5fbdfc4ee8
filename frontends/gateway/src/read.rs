//! What a request gets: `/v2/read` and nothing else. Judged in upstream's order: path, who asks,
//! method, query, provider.

use crate::access;
use crate::access_log::AccessLog;
use crate::answer::{Answer, AnyBody, Refusal};
use crate::events::{Events, Place};
use crate::provider::Provider;
use crate::query::{Query, Unusable};
use crate::state::{GatewayCounter, GatewayState};
use crate::timing::Timing;
use bytes::Bytes;
use hydrant_access::Access;
use hydrant_http::Stopping;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, Version};
use std::net::SocketAddr;
use std::sync::Arc;

const PATH: &str = "/v2/read";

/// All that requests need.
pub(crate) struct Reading {
    pub(crate) access: Option<Access>,
    pub(crate) provider: Provider,
    pub(crate) timing: Timing,
    pub(crate) streams_max: u32,
    pub(crate) state: Arc<GatewayState>,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) stopping: Stopping,
}

impl Reading {
    /// The answer to a request, which is in the access log once it is over.
    pub(crate) async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        self.state.count(GatewayCounter::Requests);
        let entry = self
            .access_log
            .as_ref()
            .map(|log| log.begin(&request, peer));
        let answer = match self.events(&request).await {
            Ok(events) => streaming(events, request.version()),
            Err(refusal) => {
                self.state.count(counter_of(refusal));
                refusal.answer()
            }
        };
        match entry {
            Some(entry) => entry.watch(answer),
            None => answer,
        }
    }

    async fn events(&self, request: &Request<Incoming>) -> Result<AnyBody, Refusal> {
        if request.uri().path() != PATH {
            return Err(Refusal::NoSuchPath);
        }
        let query = Query::parse(request.uri().query().unwrap_or_default());
        if !self.allows(request, &query).await {
            return Err(Refusal::Denied);
        }
        if request.method() != Method::GET {
            return Err(Refusal::Method);
        }
        let wanted = query.request().map_err(|unusable| match unusable {
            Unusable::Empty => Refusal::QueryEmpty,
            Unusable::NoKind => Refusal::KindMissing,
        })?;
        self.open(wanted).await
    }

    async fn allows(&self, request: &Request<Incoming>, query: &Query) -> bool {
        let Some(access) = &self.access else {
            return true;
        };
        let authorization = request.headers().get(header::AUTHORIZATION);
        let source_ids: Vec<_> = query.source_ids().map(str::to_owned).collect();
        access::allows(access, authorization, &source_ids).await
    }

    async fn open(&self, wanted: Bytes) -> Result<AnyBody, Refusal> {
        let place = Place::take(&self.state, self.streams_max).ok_or(Refusal::Unavailable)?;
        let batches = self.provider.open(wanted).await;
        let batches = batches.or(Err(Refusal::Unavailable))?;
        let events = Events::new(batches, self.timing, place, self.stopping.clone());
        Ok(events.into_body())
    }
}

fn streaming(events: AnyBody, version: Version) -> Answer {
    let mut answer = Response::new(events);
    let headers = answer.headers_mut();
    let event_stream = HeaderValue::from_static("text/event-stream");
    headers.insert(header::CONTENT_TYPE, event_stream);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    // HTTP/2 has no such header.
    if version <= Version::HTTP_11 {
        headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive"));
    }
    answer
}

const fn counter_of(refusal: Refusal) -> GatewayCounter {
    match refusal {
        Refusal::NoSuchPath => GatewayCounter::NoSuchPath,
        Refusal::Denied => GatewayCounter::Denied,
        Refusal::Method | Refusal::QueryEmpty | Refusal::KindMissing => GatewayCounter::Malformed,
        Refusal::Unavailable => GatewayCounter::Unavailable,
    }
}
