//! Readers: a request becomes a session, whose stream gives out what waits in its outbox.

use crate::config::Rules;
use crate::counters::GrpcCounter;
use crate::register::{Register, Registration};
use crate::request::{Call, Subscription};
use crate::routed;
use bytes::{Buf, Bytes};
use futures_util::Stream;
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::routers::{self, Routers};
use hydrant_rpc::batch::elements;
use hydrant_rpc::doppler::Doppler;
use hydrant_rpc::egress::Egress;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tonic::{Request, Response, Status};

/// The readers' services of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    pub(crate) register: Arc<Register>,
    pub(crate) rules: Rules,
    /// Where envelopes come from if not from lanes.
    pub(crate) routers: Option<Routers>,
}

impl Readers {
    fn open(
        &self,
        request: &Request<Bytes>,
        asks: impl FnOnce(&[u8]) -> Result<Subscription, Status>,
    ) -> Result<Response<SessionStream>, Status> {
        self.register.admit()?;
        let opened = asks(request.get_ref()).and_then(|asks| self.session(request, asks));
        let stream = opened.inspect_err(|_| {
            self.register.counters.count(GrpcCounter::RequestsInvalid);
        })?;
        Ok(Response::new(stream))
    }

    fn session(
        &self,
        request: &Request<Bytes>,
        asks: Subscription,
    ) -> Result<SessionStream, Status> {
        let call = asks.call;
        let forwarded = match &self.routers {
            Some(routers) => Some((routers, routed::request(request.get_ref(), call)?)),
            None => None,
        };
        let registration = self.register.open(asks, peer(request));
        let subscription = forwarded.map(|(routers, forwarded)| {
            let (member, state) = (registration.member.clone(), self.register.state.clone());
            routed::subscribe(routers, &forwarded, member, state)
        });
        Ok(SessionStream {
            subscription,
            registration,
            call,
            rest: Bytes::new(),
        })
    }
}

fn peer<T>(request: &Request<T>) -> String {
    let address = request.remote_addr();
    address.map_or_else(String::new, |address| address.to_string())
}

/// A session's messages. When it is dropped, the session is over.
#[derive(Debug)]
pub(crate) struct SessionStream {
    /// Dropped before the session is settled, so that nothing comes after.
    subscription: Option<routers::Subscription>,
    registration: Registration,
    call: Call,
    /// What is left of a batch that leaves one envelope at a time.
    rest: Bytes,
}

impl SessionStream {
    /// A message counts as delivered when HTTP/2 takes it, which it does when the reader's window
    /// has room.
    fn delivered(&self, count: u64) {
        self.registration
            .member
            .count(SessionCounter::Delivered, count);
    }

    /// The next envelope of a batch, in the call's message.
    fn one(&mut self) -> Option<Bytes> {
        let mut left = elements(&self.rest);
        let length = left.next()?.ok()?.len();
        let whole = self.rest.len() - left.rest().len();
        let mut message = self.rest.split_to(whole);
        if self.call == Call::Receiver {
            message.advance(whole - length); // A plain envelope, without field and length.
        }
        Some(message)
    }
}

impl Stream for SessionStream {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(message) = self.one() {
            self.delivered(1);
            return Poll::Ready(Some(Ok(message)));
        }
        if self.registration.member.is_stopping() {
            self.subscription = None;
        }
        let Some(batch) = ready!(self.registration.member.poll_take(context)) else {
            return Poll::Ready(None);
        };
        let count = u64::from(batch.count);
        if matches!(self.call, Call::BatchSubscribe | Call::BatchedReceiver) {
            self.delivered(count);
            return Poll::Ready(Some(Ok(batch.into())));
        }
        self.rest = batch.into();
        self.poll_next(context)
    }
}

#[tonic::async_trait]
impl Egress for Readers {
    type ReceiverStream = SessionStream;
    type BatchedReceiverStream = SessionStream;

    async fn receiver(&self, request: Request<Bytes>) -> Result<Response<SessionStream>, Status> {
        if !self.rules.is_proxy() {
            return Err(Status::unimplemented("use BatchedReceiver instead"));
        }
        self.open(&request, |bytes| {
            let asks = Subscription::v2(bytes, Call::Receiver, self.rules)?;
            // Upstream forgets it here.
            let name = String::new();
            Ok(Subscription { name, ..asks })
        })
    }

    async fn batched_receiver(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<SessionStream>, Status> {
        self.open(&request, |bytes| {
            Subscription::v2(bytes, Call::BatchedReceiver, self.rules)
        })
    }
}

#[tonic::async_trait]
impl Doppler for Readers {
    type SubscribeStream = SessionStream;
    type BatchSubscribeStream = SessionStream;

    async fn subscribe(&self, request: Request<Bytes>) -> Result<Response<SessionStream>, Status> {
        self.open(&request, |bytes| Subscription::v1(bytes, Call::Subscribe))
    }

    async fn batch_subscribe(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<SessionStream>, Status> {
        self.open(&request, |bytes| {
            Subscription::v1(bytes, Call::BatchSubscribe)
        })
    }
}
