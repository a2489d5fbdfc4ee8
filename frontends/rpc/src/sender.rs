//! The client's side of a stream of messages that we send: by bytes, as [`server`](crate::server) does
//! it. What is given is put into HTTP/2's frames as it is.

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use http_body::{Body as HttpBody, Frame};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::codegen::Service;
use tonic::codegen::http::header::{CONTENT_TYPE, TE};
use tonic::codegen::http::{HeaderValue, Method, Request, Uri};
use tonic::transport::Channel;
use tonic::{Code, Status};

/// `loggregator.v2.Ingress/BatchSender`: takes `EnvelopeBatch`es.
pub const BATCH_SENDER: &str = "/loggregator.v2.Ingress/BatchSender";
/// `plumbing.DopplerIngestor/Pusher`: takes `EnvelopeData`.
pub const PUSHER: &str = "/plumbing.DopplerIngestor/Pusher";

/// Sends what `messages` gives: whole messages, each behind its [`prefix`](crate::server::prefix). It
/// is asked for more only when HTTP/2 has room in the peer's window. Ends when the peer answers, which
/// it may do at any time.
///
/// # Errors
/// The peer's status if it is not OK, or ours (with a source) if the connection broke.
pub async fn send(
    mut channel: Channel,
    path: &'static str,
    messages: impl Stream<Item = Bytes> + Send + Unpin + 'static,
) -> Result<(), Status> {
    poll_fn(|context| channel.poll_ready(context))
        .await
        .map_err(broken)?;
    let answer = channel
        .call(request(path, messages))
        .await
        .map_err(broken)?;
    if let Some(status) = Status::from_header_map(answer.headers()) {
        return outcome(status);
    }
    let mut body = answer.into_body();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let trailers = frame?.into_trailers();
        if let Some(status) = trailers.ok().as_ref().and_then(Status::from_header_map) {
            return outcome(status);
        }
    }
    Err(Status::unknown("the stream ended without a status"))
}

fn outcome(status: Status) -> Result<(), Status> {
    match status.code() {
        Code::Ok => Ok(()),
        _ => Err(status),
    }
}

fn broken(error: tonic::transport::Error) -> Status {
    Status::from_error(error.into())
}

fn request(
    path: &'static str,
    messages: impl Stream<Item = Bytes> + Send + Unpin + 'static,
) -> Request<Body> {
    let mut request = Request::new(Body::new(Outgoing(messages)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static(path);
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    request
}

struct Outgoing<S>(S);

impl<S: Stream<Item = Bytes> + Unpin> HttpBody for Outgoing<S> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let message = self.0.poll_next_unpin(context);
        message.map(|message| message.map(|message| Ok(Frame::data(message))))
    }
}
