//! Answers that are no streams, with the words, the types and the two line feeds of upstream.

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::Full;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};
use std::convert::Infallible;

/// The body of any answer: whole, or a stream.
pub(crate) type AnyBody = UnsyncBoxBody<Bytes, Infallible>;

/// An answer of any kind.
pub(crate) type Answer = Response<AnyBody>;

/// Why a request gets no stream (rlp-gateway, `internal/web`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is nothing at this path.
    NoSuchPath,
    /// The client may not read what it asks for, or did not say who it is: it learns nothing more.
    Denied,
    /// Only GET reads.
    Method,
    /// The query has no key.
    QueryEmpty,
    /// The query names no kind of envelope.
    KindMissing,
    /// The provider cannot be reached, or there are too many streams.
    Unavailable,
}

impl Refusal {
    /// The whole answer.
    pub(crate) fn answer(self) -> Answer {
        let (status, body) = self.parts();
        let mut answer =
            Response::new(Full::new(Bytes::from_static(body.as_bytes())).boxed_unsync());
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        // JSON that is labelled as text: strict clients know it so.
        let plain = HeaderValue::from_static("text/plain; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, plain);
        let nosniff = HeaderValue::from_static("nosniff");
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        answer
    }

    const fn parts(self) -> (StatusCode, &'static str) {
        match self {
            Self::NoSuchPath => (StatusCode::NOT_FOUND, "404 page not found\n"),
            Self::Denied => (
                StatusCode::NOT_FOUND,
                "{\"message\":\"resource not found\",\"error\":\"not_found\"}\n\n",
            ),
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "{\"message\":\"method not allowed\",\"error\":\"method_not_allowed\"}\n\n",
            ),
            Self::QueryEmpty => (
                StatusCode::BAD_REQUEST,
                "{\"message\":\"query cannot be empty\",\"error\":\"empty_query\"}\n\n",
            ),
            Self::KindMissing => (
                StatusCode::BAD_REQUEST,
                "{\"message\":\"query must provide at least one envelope type\",\
                 \"error\":\"missing_envelope_type\"}\n\n",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "{\"message\":\"streaming is temporarily unavailable\",\
                 \"error\":\"streaming_unavailable\"}\n\n",
            ),
        }
    }
}
