//! Answers.

use super::{PREFIX_BYTES, prefix};
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use futures_util::stream::iter;
use http_body::{Body as HttpBody, Frame};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::header::CONTENT_TYPE;
use tonic::codegen::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
};

const GRPC: &str = "application/grpc";
const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const ENCODING: &str = "grpc-encoding";
const IDENTITY: &str = "identity";

/// An answer of messages and, after the last, OK. What the stream gives is whole messages, each
/// behind its [`prefix`](super::prefix), and goes into frames as it is.
pub fn streaming(messages: impl Stream<Item = Bytes> + Send + Unpin + 'static) -> Response<Body> {
    let mut response = Response::new(Body::new(Answer {
        messages,
        is_over: false,
    }));
    let grpc = HeaderValue::from_static(GRPC);
    response.headers_mut().insert(CONTENT_TYPE, grpc);
    response
}

/// An answer of one message.
pub fn single(message: &[u8]) -> Response<Body> {
    let mut bytes = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    bytes.extend_from_slice(&prefix(message.len()));
    bytes.extend_from_slice(message);
    streaming(iter([bytes.freeze()]))
}

/// An answer without messages.
pub fn answer(status: Status) -> Response<Body> {
    status.into_http()
}

/// What to answer to what is no request of gRPC, or one that we cannot read whatever it says.
pub fn refusal<B>(request: &Request<B>) -> Option<Response<Body>> {
    if request.method() != Method::POST {
        let text = format!(
            "Received a HEADERS frame with :method {:?} which should be POST",
            request.method().as_str()
        );
        return Some(refused(
            Status::internal(text),
            StatusCode::METHOD_NOT_ALLOWED,
        ));
    }
    let header = |name: &str| {
        let value = request.headers().get(name)?;
        value.to_str().ok()
    };
    let content_type = header(CONTENT_TYPE.as_str()).unwrap_or_default();
    if !is_grpc(content_type) {
        let text = format!("invalid gRPC request content-type {content_type:?}");
        let status = Status::invalid_argument(text);
        return Some(refused(status, StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let encoding = header(ENCODING).unwrap_or(IDENTITY);
    (encoding != IDENTITY && !encoding.is_empty()).then(|| {
        let text = format!("grpc: Decompressor is not installed for grpc-encoding {encoding:?}");
        answer(Status::unimplemented(text))
    })
}

fn is_grpc(content_type: &str) -> bool {
    let rest = content_type.strip_prefix(GRPC);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';']))
}

fn refused(status: Status, code: StatusCode) -> Response<Body> {
    let mut response = answer(status);
    *response.status_mut() = code;
    response
}

struct Answer<M> {
    messages: M,
    is_over: bool,
}

impl<M: Stream<Item = Bytes> + Unpin> HttpBody for Answer<M> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let frame = match ready!(Pin::new(&mut self.messages).poll_next(context)) {
            Some(messages) => Frame::data(messages),
            None => {
                self.is_over = true;
                let ok = HeaderValue::from_static("0");
                Frame::trailers(HeaderMap::from_iter([(STATUS, ok)]))
            }
        };
        Poll::Ready(Some(Ok(frame)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: Method, headers: &[(&str, &str)]) -> Option<(u16, String, String)> {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = refusal(&request.body(()).unwrap())?;
        let header = |name| response.headers()[name].to_str().unwrap().to_owned();
        let (code, text) = (header("grpc-status"), header("grpc-message"));
        Some((
            response.status().as_u16(),
            code,
            text.replace("%20", " ").replace("%22", "\""),
        ))
    }

    #[test]
    fn refuses_what_upstream_refuses() {
        let grpc = ("content-type", "application/grpc");
        let text = "Received a HEADERS frame with :method \"GET\" which should be POST";
        let expected = (405, "13".to_owned(), text.to_owned());
        assert_eq!(refused(Method::GET, &[grpc]), Some(expected));
        let text = "invalid gRPC request content-type \"application/json\"";
        let expected = (415, "3".to_owned(), text.to_owned());
        let json = ("content-type", "application/json");
        assert_eq!(refused(Method::POST, &[json]), Some(expected));
        let text = "grpc: Decompressor is not installed for grpc-encoding \"gzip\"";
        let expected = (200, "12".to_owned(), text.to_owned());
        let gzip = ("grpc-encoding", "gzip");
        assert_eq!(refused(Method::POST, &[grpc, gzip]), Some(expected));
        for (name, value) in [
            grpc,
            ("content-type", "application/grpc+proto"),
            ("content-type", "application/grpc;charset=utf-8"),
        ] {
            assert_eq!(refused(Method::POST, &[(name, value)]), None, "{value}");
        }
        let identity = ("grpc-encoding", "identity");
        assert_eq!(refused(Method::POST, &[grpc, identity]), None);
    }
}
