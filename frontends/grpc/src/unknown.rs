//! What upstream's servers say of services and methods that they do not have; tonic says nothing.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tonic::codegen::Service;
use tonic::codegen::http::{Request, Response, Uri};
use tonic::{Code, Status};

/// The services that upstream's Doppler has.
const SERVICES: [&str; 4] = [
    "loggregator.v2.Egress",
    "loggregator.v2.Ingress",
    "plumbing.Doppler",
    "plumbing.DopplerIngestor",
];
const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";

/// Adds the words to answers without.
#[derive(Clone, Debug)]
pub(crate) struct NamesUnknown<S>(pub(crate) S);

impl<S, B, R> Service<Request<B>> for NamesUnknown<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let uri = request.uri().clone();
        Answer {
            answer: Box::pin(self.0.call(request)),
            uri,
        }
    }
}

/// The answer, once it is there.
pub(crate) struct Answer<F> {
    answer: Pin<Box<F>>,
    uri: Uri,
}

impl<F, R, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let mut answer = ready!(self.answer.as_mut().poll(context))?;
        let headers = answer.headers();
        let is_unknown = headers.get(STATUS).is_some_and(|code| code == "12");
        if is_unknown && !headers.contains_key(MESSAGE) {
            let status = Status::new(Code::Unimplemented, what_is_unknown(self.uri.path()));
            answer = status.into_http();
        }
        Poll::Ready(Ok(answer))
    }
}

fn what_is_unknown(path: &str) -> String {
    let named = path
        .strip_prefix('/')
        .and_then(|name| name.rsplit_once('/'));
    match named {
        None => format!("malformed method name: {path:?}"),
        Some((service, method)) if SERVICES.contains(&service) => {
            format!("unknown method {method} for service {service}")
        }
        Some((service, _)) => format!("unknown service {service}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_upstream_says() {
        let cases = [
            ("/foo.Bar/Baz", "unknown service foo.Bar"),
            (
                "/loggregator.v2.Ingress/Nope",
                "unknown method Nope for service loggregator.v2.Ingress",
            ),
            ("/nothing", "malformed method name: \"/nothing\""),
            ("/", "malformed method name: \"/\""),
        ];
        for (path, text) in cases {
            assert_eq!(what_is_unknown(path), text);
        }
    }
}
