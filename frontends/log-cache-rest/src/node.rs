//! The node: calls of its gRPC services, and what becomes of errors.

use crate::failure::Failure;
use crate::limits::{NODE_ANSWER_BYTES_MAX, NODE_CALLS_MAX};
use bytes::Bytes;
use hydrant_proto::logcache::prom_ql::{
    InstantQueryRequest, InstantQueryResult, RangeQueryRequest, RangeQueryResult,
};
use hydrant_proto::logcache::{MetaRequest, MetaResponse, ReadRequest, ReadResponse};
use hydrant_rpc::away::AWAY;
use hydrant_rpc::channel::{cause, quiet_channel};
use hydrant_rpc::logcache::egress::EgressClient;
use hydrant_rpc::logcache::promql::PromQLQuerierClient;
use hydrant_rpc::tls::ClientTls;
use hyper::header::HeaderValue;
use prost::Message;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

/// Where requests go.
#[derive(Debug)]
pub(crate) struct Node {
    address: String,
    channel: Channel,
    places: Semaphore,
}

impl Node {
    /// Connects when it is first asked.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn new(address: &str, tls: Option<&ClientTls>) -> Self {
        Self {
            address: address.to_owned(),
            channel: quiet_channel(address, tls),
            places: Semaphore::new(NODE_CALLS_MAX),
        }
    }

    pub(crate) async fn read(
        &self,
        request: &ReadRequest,
        within: Within,
    ) -> Said<Told<ReadResponse>> {
        let request = within.request(request);
        let call = async { self.egress().read(request).await };
        self.answer(call, within).await
    }

    pub(crate) async fn meta(
        &self,
        request: &MetaRequest,
        within: Within,
    ) -> Said<Told<MetaResponse>> {
        let request = within.request(request);
        let call = async { self.egress().meta(request).await };
        self.answer(call, within).await
    }

    pub(crate) async fn query(
        &self,
        request: &InstantQueryRequest,
        within: Within,
    ) -> Said<InstantQueryResult> {
        let request = within.request(request);
        let call = async { self.querier().instant_query(request).await };
        Ok(self.answer(call, within).await?.message)
    }

    pub(crate) async fn query_range(
        &self,
        request: &RangeQueryRequest,
        within: Within,
    ) -> Said<RangeQueryResult> {
        let request = within.request(request);
        let call = async { self.querier().range_query(request).await };
        Ok(self.answer(call, within).await?.message)
    }

    fn egress(&self) -> EgressClient<Channel> {
        EgressClient::new(self.channel.clone()).max_decoding_message_size(NODE_ANSWER_BYTES_MAX)
    }

    fn querier(&self) -> PromQLQuerierClient<Channel> {
        let client = PromQLQuerierClient::new(self.channel.clone());
        client.max_decoding_message_size(NODE_ANSWER_BYTES_MAX)
    }

    async fn answer<M: Message + Default>(
        &self,
        call: impl Future<Output = Result<Response<Bytes>, Status>>,
        within: Within,
    ) -> Said<Told<M>> {
        let call = async {
            // It is never closed.
            let _place = self.places.acquire().await.ok();
            call.await
        };
        let answered = match within.0 {
            // A timer is not as exact as the node may be fast.
            Some(time) if time.is_zero() => Err(late()),
            Some(time) => timeout(time, call).await.unwrap_or_else(|_| Err(late())),
            None => call.await,
        };
        let answered = answered.map_err(|status| match status.code() {
            // tonic's word for it, at either end.
            Code::Cancelled if within.0.is_some() => late(),
            _ => status,
        });
        let answered = answered.map_err(|status| self.failure(&status))?;
        let away = answered.metadata().get(AWAY);
        let away = away.and_then(|away| HeaderValue::from_bytes(away.as_bytes()).ok());
        let message = M::decode(answered.into_inner()).map_err(|error| {
            let problem = format!("grpc: failed to unmarshal the received message: {error}");
            Failure::new(Code::Internal, problem)
        })?;
        Ok(Told { message, away })
    }

    /// What grpc-go would have said.
    fn failure(&self, status: &Status) -> Failure {
        if let Some((found, most)) = too_large(status) {
            let message = format!("grpc: received message larger than max ({found} vs. {most})");
            return Failure::new(Code::ResourceExhausted, message).after_headers();
        }
        match status.source() {
            Some(ours) if status.code() == Code::Unavailable || is_io(ours) => {
                let address = &self.address;
                let what = match refused(ours) {
                    true => "connect: connection refused".to_owned(),
                    false => cause(ours),
                };
                let dialing = format!("transport: Error while dialing: dial tcp {address}: {what}");
                let message = format!("connection error: desc = \"{dialing}\"");
                Failure::new(Code::Unavailable, message)
            }
            _ => Failure::new(status.code(), status.message()),
        }
    }
}

/// A message, and the nodes that could not be asked for a part of it, if it is said that there are such.
#[derive(Clone, Debug)]
pub(crate) struct Told<M> {
    pub(crate) message: M,
    pub(crate) away: Option<HeaderValue>,
}

/// A message, or what is told instead of it.
pub(crate) type Said<M> = Result<M, Failure>;

/// How long is waited for an answer: as long as it takes, if there is no time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Within(pub(crate) Option<Duration>);

impl Within {
    /// A request that tells the node.
    fn request(self, message: &impl Message) -> Request<Bytes> {
        let mut request = Request::new(message.encode_to_vec().into());
        if let Some(time) = self.0 {
            request.set_timeout(time);
        }
        request
    }
}

fn late() -> Status {
    Status::deadline_exceeded("context deadline exceeded")
}

/// How large an answer is that tonic did not take, and how large it may be.
fn too_large(status: &Status) -> Option<(&str, &str)> {
    let message = status.message();
    let sizes = message.strip_prefix("Error, decoded message length too large: found ")?;
    let (found, most) = sizes
        .strip_suffix(" bytes")?
        .split_once(" bytes, the limit is: ")?;
    (status.code() == Code::OutOfRange).then_some((found, most))
}

fn is_io(error: &(dyn Error + 'static)) -> bool {
    innermost_io(error).is_some()
}

fn refused(error: &(dyn Error + 'static)) -> bool {
    innermost_io(error).is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn innermost_io<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e io::Error> {
    let mut found = error.downcast_ref();
    let mut error = error;
    while let Some(source) = error.source() {
        found = source.downcast_ref().or(found);
        error = source;
    }
    found
}
