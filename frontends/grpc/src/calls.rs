//! Requests to those who answer them, by path; and what upstream says of paths that nobody answers.

use crate::config::Rules;
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
    pub(crate) rules: Rules,
}

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Send(Wrapping),
    SendOne,
    Read(Call),
}

const EGRESS: &str = "loggregator.v2.Egress";
const INGRESS: &str = "loggregator.v2.Ingress";
const DOPPLER: &str = "plumbing.Doppler";
const INGESTOR: &str = "plumbing.DopplerIngestor";

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

    const fn service(self) -> &'static str {
        match self {
            Self::Send(Wrapping::Data) => INGESTOR,
            Self::Send(Wrapping::Plain | Wrapping::Batch) | Self::SendOne => INGRESS,
            Self::Read(Call::BatchedReceiver | Call::Receiver) => EGRESS,
            Self::Read(Call::BatchSubscribe | Call::Subscribe) => DOPPLER,
        }
    }
}

/// The services that there are.
const fn services(rules: Rules, has_senders: bool) -> &'static [&'static str] {
    match rules {
        Rules::Agent => &[INGRESS],
        _ if has_senders => &[EGRESS, INGRESS, DOPPLER, INGESTOR],
        _ => &[EGRESS],
    }
}

impl Calls {
    async fn answer(self, request: Request<Body>) -> Response<Body> {
        if let Some(refusal) = refusal(&request) {
            return refusal;
        }
        let path = request.uri().path();
        let services = services(self.rules, self.senders.is_some());
        let method = Method::of(path).filter(|method| services.contains(&method.service()));
        match (method, self.senders) {
            (Some(Method::Read(call)), _) => {
                let peer = request.extensions().get::<TcpConnectInfo>();
                let peer = peer.and_then(TcpConnectInfo::remote_addr);
                self.readers.read(call, peer, request.into_body()).await
            }
            (Some(Method::Send(wrapping)), Some(senders)) => {
                senders.send(wrapping, request.into_body()).await
            }
            (Some(Method::SendOne), Some(senders)) if self.rules.is_agent() => {
                senders.send_one(request.into_body()).await
            }
            (Some(Method::SendOne), Some(_)) => answer(Status::unimplemented(
                "this endpoint is not yet implemented",
            )),
            _ => answer(Status::unimplemented(unknown(path, services))),
        }
    }
}

fn unknown(path: &str, services: &[&str]) -> String {
    let named = path
        .strip_prefix('/')
        .and_then(|name| name.rsplit_once('/'));
    match named {
        None => format!("malformed method name: {path:?}"),
        Some((service, method)) if services.contains(&service) => {
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
            assert_eq!(unknown(path, services(Rules::Doppler, true)), text);
        }
        let of_doppler = "/loggregator.v2.Ingress/BatchSender";
        assert_eq!(
            unknown(of_doppler, services(Rules::ReverseLogProxy, false)),
            "unknown service loggregator.v2.Ingress"
        );
        for of_others in [
            "/loggregator.v2.Egress/Receiver",
            "/plumbing.DopplerIngestor/Pusher",
        ] {
            let said = unknown(of_others, services(Rules::Agent, true));
            assert!(said.starts_with("unknown service "), "{said}");
        }
    }
}
