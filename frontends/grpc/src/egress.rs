//! Readers: a request becomes a session, whose stream gives out what waits in its outbox.

use crate::config::Rules;
use crate::counters::GrpcCounter;
use crate::limits::{request_bytes_max, request_memory_bytes};
use crate::register::{Register, Registration, stopping};
use crate::request::{Call, Subscription};
use crate::routed;
use bytes::Bytes;
use futures_util::Stream;
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::routers::{self, Routers};
use hydrant_rpc::server::{Broken, Messages, Unfinished, answer, streaming};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::timeout;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::Response;

/// How long a client may take for its request: until then it has a place among the sessions.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The readers' services of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    pub(crate) register: Arc<Register>,
    pub(crate) rules: Rules,
    pub(crate) unfinished: Arc<Unfinished>,
    /// Where envelopes come from if not from lanes.
    pub(crate) routers: Option<Routers>,
}

impl Readers {
    /// Serves a call until it ends.
    pub(crate) async fn read(
        &self,
        call: Call,
        peer: Option<SocketAddr>,
        body: Body,
    ) -> Response<Body> {
        if call == Call::Receiver && !self.rules.is_proxy() {
            return answer(Status::unimplemented("use BatchedReceiver instead"));
        }
        match self.opened(call, peer, body).await {
            Ok(session) => streaming(session),
            Err(status) => answer(status),
        }
    }

    async fn opened(
        &self,
        call: Call,
        peer: Option<SocketAddr>,
        body: Body,
    ) -> Result<SessionStream, Status> {
        let mut slot = self.register.admit()?;
        let request = tokio::select! {
            biased;
            () = self.register.stopped() => return Err(stopping()),
            request = self.request(body) => request.map_err(|status| self.invalid(status))?,
        };
        let asked = self.asked(call, &request);
        let (asks, forwarded) = asked.map_err(|status| self.invalid(status))?;
        slot.hold(request_memory_bytes(&request, asks.keys.len()))?;
        let peer = peer.map_or_else(String::new, |address| address.to_string());
        let registration = self.register.open(slot, asks, peer)?;
        let subscription = forwarded.map(|(routers, forwarded)| {
            let (member, state) = (registration.member.clone(), self.register.state.clone());
            routed::subscribe(routers, &forwarded, member, state)
        });
        Ok(SessionStream {
            subscription,
            registration,
        })
    }

    async fn request(&self, body: Body) -> Result<Bytes, Status> {
        let max = request_bytes_max(self.rules);
        let messages = Messages::new(body, max, self.unfinished.clone());
        let late = || Status::deadline_exceeded("the request did not come in time");
        let request = timeout(REQUEST_TIMEOUT, only_message(messages)).await;
        request.unwrap_or_else(|_| Err(late()))
    }

    /// What a request asks for: of us, and of the routers if envelopes come from them.
    fn asked(&self, call: Call, request: &[u8]) -> Result<(Subscription, Forwarded<'_>), Status> {
        let asks = Subscription::of(request, call, self.rules)?;
        let forwarded = match &self.routers {
            Some(routers) => Some((routers, routed::request(request, call)?)),
            None => None,
        };
        Ok((asks, forwarded))
    }

    fn invalid(&self, status: Status) -> Status {
        self.register.counters.count(GrpcCounter::RequestsInvalid);
        status
    }
}

type Forwarded<'r> = Option<(&'r Routers, routers::Request)>;

/// The message of a request that has exactly one.
async fn only_message(mut messages: Messages) -> Result<Bytes, Status> {
    let mut next = async || messages.next().await.map_err(Broken::into_status);
    let number = match (next().await?, next().await?) {
        (Some(request), None) => return Ok(request),
        (None, _) => "no request message from",
        (Some(_), Some(_)) => "multiple request messages for",
    };
    let text = format!("cardinality violation: received {number} non-client-streaming RPC");
    Err(Status::internal(text))
}

/// A session's messages. When it is dropped, the session is over.
#[derive(Debug)]
pub(crate) struct SessionStream {
    /// Dropped before the session is settled, so that nothing comes after.
    subscription: Option<routers::Subscription>,
    registration: Registration,
}

impl Stream for SessionStream {
    type Item = Bytes;

    /// A message counts as delivered when HTTP/2 takes it, which it does when the reader's window
    /// has room, and up to some 400 KB ahead of it: tonic has no setting for that. What is there,
    /// or in the kernel, when the connection breaks is lost and counts as delivered.
    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.registration.member.is_stopping() {
            self.subscription = None;
        }
        let member = &self.registration.member;
        let Some(batch) = ready!(member.poll_take(context)) else {
            return Poll::Ready(None);
        };
        member.count(SessionCounter::Delivered, u64::from(batch.envelopes()));
        Poll::Ready(Some(batch.into()))
    }
}
