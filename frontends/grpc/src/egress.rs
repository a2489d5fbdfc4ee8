//! Readers: a request becomes a session, whose stream gives out what waits in its outbox.

use crate::config::Rules;
use crate::counters::GrpcCounter;
use crate::register::{Register, Registration};
use crate::request::{Call, Subscription};
use crate::routed;
use bytes::Bytes;
use futures_util::Stream;
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::routers::{self, Routers};
use hydrant_rpc::server::{Broken, Messages, answer, streaming};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::Response;

/// Largest request that is taken, in bytes: the default of upstream's servers.
const REQUEST_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The readers' services of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    pub(crate) register: Arc<Register>,
    pub(crate) rules: Rules,
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
        if let Err(status) = self.register.admit() {
            return answer(status);
        }
        let opened = only_message(body)
            .await
            .and_then(|request| self.open(call, peer, &request));
        match opened {
            Ok(session) => streaming(session),
            Err(status) => {
                self.register.counters.count(GrpcCounter::RequestsInvalid);
                answer(status)
            }
        }
    }

    fn open(
        &self,
        call: Call,
        peer: Option<SocketAddr>,
        request: &[u8],
    ) -> Result<SessionStream, Status> {
        let asks = Subscription::of(request, call, self.rules)?;
        let forwarded = match &self.routers {
            Some(routers) => Some((routers, routed::request(request, call)?)),
            None => None,
        };
        let peer = peer.map_or_else(String::new, |address| address.to_string());
        let registration = self.register.open(asks, peer);
        let subscription = forwarded.map(|(routers, forwarded)| {
            let (member, state) = (registration.member.clone(), self.register.state.clone());
            routed::subscribe(routers, &forwarded, member, state)
        });
        Ok(SessionStream {
            subscription,
            registration,
        })
    }
}

/// The message of a request that has exactly one.
async fn only_message(body: Body) -> Result<Bytes, Status> {
    let mut messages = Messages::new(body, REQUEST_BYTES_MAX);
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
    /// has room.
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
