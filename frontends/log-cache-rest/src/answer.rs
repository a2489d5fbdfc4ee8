//! Answers: whole ones, and those that are passed on.

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hydrant_rpc::away::AWAY_OF_GATEWAY;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

/// The body of any answer.
pub(crate) type AnyBody = UnsyncBoxBody<Bytes, hyper::Error>;

/// Any answer.
pub(crate) type Answer = Response<AnyBody>;

/// Nothing but a status.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let body = Empty::new().map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    answer
}

/// JSON.
pub(crate) fn json(status: StatusCode, body: String) -> Answer {
    typed(status, "application/json", body)
}

/// What the node's answer has for headers, as grpc-gateway shows them.
pub(crate) fn add_grpc_headers(answer: &mut Answer) {
    let name = HeaderName::from_static("grpc-metadata-content-type");
    let grpc = HeaderValue::from_static("application/grpc");
    answer.headers_mut().insert(name, grpc);
}

/// Whom the node could not ask for a part of the answer, if it says that there are such.
pub(crate) fn add_away(answer: &mut Answer, away: Option<HeaderValue>) {
    let name = HeaderName::from_static(AWAY_OF_GATEWAY);
    away.map(|away| answer.headers_mut().insert(name, away));
}

/// Text, which upstream's JSON is called at times.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    typed(status, "text/plain; charset=utf-8", body)
}

/// A body of a type.
pub(crate) fn typed(
    status: StatusCode,
    media_type: &'static str,
    body: impl Into<Bytes>,
) -> Answer {
    let body = Full::new(body.into()).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    let media_type = HeaderValue::from_static(media_type);
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    answer
}
