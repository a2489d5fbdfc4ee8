//! Requests to those who answer them, by path; and what upstream says of paths that nobody answers.

use crate::egress::Readers;
use crate::ingress::{Senders, Wrapping};
use crate::request::Call;
use hydrant_rpc::server::{answer, refusal};
use std::convert::Infallible;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::service::Routes;
use tonic::transport::server::TcpConnectInfo;
use tower_layer::Layer;

/// A worker's services.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    /// None where there is only the Reverse Log Proxy.
    pub(crate) senders: Option<Senders>,
    pub(crate) readers: Readers,
}

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Send(Wrapping),
    SendOne,
    Read(Call),
}

const EGRESS: &str = "loggregator.v2.Egress";
/// What the Doppler has beside it.
const OF_DOPPLER: [&str; 3] = [
    "loggregator.v2.Ingress",
    "plumbing.Doppler",
    "plumbing.DopplerIngestor",
];

impl Method {
    fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/loggregator.v2.Ingress/BatchSender" => Self::Send(Wrapping::Batch),
            "/loggregator.v2.Ingress/Sender" => Self::Send(Wrapping::Plain),
            "/loggregator.v2.Ingress/Send" => Self::SendOne,
            "/plumbing.DopplerIngestor/Pusher" => Self::Send(Wrapping::Data),
            "/loggregator.v2.Egress/BatchedReceiver" => Self::Read(Call::BatchedReceiver),
            "/loggregator.v2.Egress/Receiver" => Self::Read(Call::Receiver),
            "/plumbing.Doppler/BatchSubscribe" => Self::Read(Call::BatchSubscribe),
            "/plumbing.Doppler/Subscribe" => Self::Read(Call::Subscribe),
            _ => return None,
        })
    }

    /// Whether the Reverse Log Proxy has it.
    const fn is_of_proxy(self) -> bool {
        matches!(self, Self::Read(Call::BatchedReceiver | Call::Receiver))
    }
}

impl Calls {
    async fn answer(self, request: Request<Body>) -> Response<Body> {
        if let Some(refusal) = refusal(&request) {
            return refusal;
        }
        let path = request.uri().path();
        let method = Method::of(path);
        match (method, self.senders) {
            (Some(Method::Read(call)), senders)
                if senders.is_some() || Method::Read(call).is_of_proxy() =>
            {
                let peer = request.extensions().get::<TcpConnectInfo>();
                let peer = peer.and_then(TcpConnectInfo::remote_addr);
                self.readers.read(call, peer, request.into_body()).await
            }
            (Some(Method::Send(wrapping)), Some(senders)) => {
                senders.send(wrapping, request.into_body()).await
            }
            (Some(Method::SendOne), Some(_)) => answer(Status::unimplemented(
                "this endpoint is not yet implemented",
            )),
            (_, senders) => answer(Status::unimplemented(unknown(path, senders.is_some()))),
        }
    }
}

fn unknown(path: &str, is_doppler: bool) -> String {
    let named = path
        .strip_prefix('/')
        .and_then(|name| name.rsplit_once('/'));
    let has = |service| service == EGRESS || is_doppler && OF_DOPPLER.contains(&service);
    match named {
        None => format!("malformed method name: {path:?}"),
        Some((service, method)) if has(service) => {
            format!("unknown method {method} for service {service}")
        }
        Some((service, _)) => format!("unknown service {service}"),
    }
}

impl Service<Request<Body>> for Calls {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Body>, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let calls = self.clone();
        Box::pin(async move { Ok(calls.answer(request).await) })
    }
}

/// tonic serves what its routes give; these stand in their place.
impl Layer<Routes> for Calls {
    type Service = Self;

    fn layer(&self, _: Routes) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_upstream_says_of_what_it_does_not_have() {
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
            assert_eq!(Method::of(path), None);
            assert_eq!(unknown(path, true), text);
        }
        let of_doppler = "/loggregator.v2.Ingress/BatchSender";
        assert_eq!(
            unknown(of_doppler, false),
            "unknown service loggregator.v2.Ingress"
        );
    }
}
