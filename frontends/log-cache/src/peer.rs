//! Another node of the cluster: what it is sent, and what it is asked.

use crate::counters::{NodeCounter, NodeCounters};
use crate::limits::{
    PEER_ANSWER_BYTES_MAX, PEER_CALLS_MAX, PEER_META_S, PEER_PAUSE_MS_MAX, PEER_READ_S,
    PEER_SEND_S, PEER_TRIES_MAX,
};
use crate::outbox::{Batch, Outbox, OutboxBounds};
use bytes::Bytes;
use hydrant_feed::backoff::{Backoff, random};
use hydrant_feed::counters::SessionCounter;
use hydrant_feed::session::SessionState;
use hydrant_rpc::channel::{cause, quiet_channel};
use hydrant_rpc::logcache::egress::EgressClient;
use hydrant_rpc::logcache::ingress::IngressClient;
use hydrant_rpc::tls::ClientTls;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;
use tonic::{Code, ConnectError, Request, Status};

/// A request that another node of ours has passed on to us is answered by us, whatever we think of the
/// source: nodes that are not told the same list do not pass it on for ever.
pub(crate) const PASSED_ON: &str = "hydrant-passed-on";

/// When everything must have left; none as long as the node goes on.
pub(crate) type Closing = watch::Receiver<Option<Instant>>;

/// Another node.
#[derive(Debug)]
pub(crate) struct Peer {
    /// What became of its envelopes. Only the node's thread counts.
    pub(crate) session: Arc<SessionState>,
    channel: Channel,
    outbox: Outbox,
    /// How long envelopes wait for others to go with.
    pause: Duration,
    places: Semaphore,
    counters: Arc<NodeCounters>,
}

/// Where a node is, and how it is sent envelopes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerParts<'p> {
    pub(crate) index: usize,
    pub(crate) address: &'p str,
    pub(crate) tls: Option<&'p ClientTls>,
    pub(crate) bounds: OutboxBounds,
    pub(crate) pause: Duration,
}

/// Why a batch is not known to be there.
enum Failure {
    /// It has not left.
    Unsent(String),
    /// It may be there.
    Unanswered(String),
    /// It was not taken, and will not be.
    Refused(String),
}

impl Peer {
    /// Connects when it is first needed.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub(crate) fn new(parts: PeerParts<'_>, counters: Arc<NodeCounters>) -> Self {
        let PeerParts { index, address, .. } = parts;
        let session = SessionState::new(format!("node {index}"), address.to_owned());
        Self {
            session: Arc::new(session),
            channel: quiet_channel(address, parts.tls),
            outbox: Outbox::new(parts.bounds),
            pause: parts.pause,
            places: Semaphore::new(PEER_CALLS_MAX),
            counters,
        }
    }

    /// Puts an envelope among those that wait for the node.
    pub(crate) fn offer(&self, envelope: &[u8]) {
        self.count(SessionCounter::Selected, 1);
        self.count(SessionCounter::OutboxFull, self.outbox.push(envelope));
    }

    /// Sends what waits, a batch after the other, until all has left or is lost after the closing.
    pub(crate) async fn run(self: Arc<Self>, mut closing: Closing) {
        loop {
            let is_closing = closing.borrow().is_some();
            if !is_closing {
                tokio::select! {
                    () = self.gather() => {}
                    _ = closing.wait_for(Option::is_some) => {}
                }
            }
            while let Some(batch) = self.outbox.take() {
                self.deliver(batch, &mut closing).await;
                if !self.outbox.has_batch() {
                    break;
                }
            }
            if is_closing && self.outbox.count() == 0 {
                return;
            }
        }
    }

    /// A whole batch, or what came within the pause after the first envelope.
    async fn gather(&self) {
        self.outbox.wait_for(1).await;
        timeout(self.pause, self.outbox.wait_for_batch()).await.ok();
    }

    async fn deliver(&self, batch: Batch, closing: &mut Closing) {
        let Batch { request, count } = batch;
        let request = Bytes::from(request);
        let mut backoff = Backoff::up_to(Duration::from_millis(PEER_PAUSE_MS_MAX));
        let mut loss = SessionCounter::Gone;
        if is_over(closing) {
            return self.count(loss, count);
        }
        for attempt in 1..=PEER_TRIES_MAX {
            if attempt > 1 && loss == SessionCounter::Broken {
                self.count(SessionCounter::MaybeTwice, count);
            }
            let error = match self.send(request.clone(), closing).await {
                Ok(()) => {
                    self.session.set_note("connected");
                    return self.count(SessionCounter::Delivered, count);
                }
                Err(Failure::Refused(error)) => {
                    self.failed(error);
                    return self.count(SessionCounter::Refused, count);
                }
                Err(Failure::Unsent(error)) => error,
                Err(Failure::Unanswered(error)) => {
                    loss = SessionCounter::Broken;
                    error
                }
            };
            self.failed(error);
            if attempt == PEER_TRIES_MAX || !may_go_on(backoff.failed(random()), closing).await {
                break;
            }
        }
        self.count(loss, count);
    }

    fn failed(&self, error: String) {
        self.counters.add(NodeCounter::SendFailures, 1);
        self.session.set_note(error.clone());
        self.session.set_error(error);
    }

    async fn send(&self, request: Bytes, closing: &Closing) -> Result<(), Failure> {
        let most = Duration::from_secs(PEER_SEND_S);
        let left = closing.borrow().map(|end| end - Instant::now());
        let within = left.map_or(most, |left| left.min(most));
        let mut request = Request::new(request);
        request.set_timeout(within);
        let mut client = IngressClient::new(self.channel.clone());
        match timeout(within, client.send(request)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(failure(&status)),
            Err(_) => Err(Failure::Unanswered(format!("no answer within {within:?}"))),
        }
    }

    /// Passes a `ReadRequest` on; gives the `ReadResponse` as it came.
    pub(crate) async fn read(&self, request: Bytes) -> Result<Bytes, Status> {
        let within = Duration::from_secs(PEER_READ_S);
        self.ask(within, async {
            let mut request = Request::new(request);
            let passed_on = tonic::metadata::MetadataValue::from_static("true");
            request.metadata_mut().insert(PASSED_ON, passed_on);
            Ok(self.egress().read(request).await?.into_inner())
        })
        .await
    }

    /// What a `MetaRequest` for the node's own sources is answered with.
    pub(crate) async fn meta(&self, request: Bytes) -> Result<Bytes, Status> {
        let within = Duration::from_secs(PEER_META_S);
        let call = async { Ok(self.egress().meta(request).await?.into_inner()) };
        self.ask(within, call).await
    }

    fn egress(&self) -> EgressClient<Channel> {
        EgressClient::new(self.channel.clone()).max_decoding_message_size(PEER_ANSWER_BYTES_MAX)
    }

    async fn ask(
        &self,
        within: Duration,
        call: impl Future<Output = Result<Bytes, Status>>,
    ) -> Result<Bytes, Status> {
        let call = async {
            // It is never closed.
            let _place = self.places.acquire().await.ok();
            call.await
        };
        let answered = timeout(within, call).await;
        answered.unwrap_or_else(|_| Err(Status::deadline_exceeded("context deadline exceeded")))
    }

    fn count(&self, counter: SessionCounter, count: u64) {
        self.session.counters.add(counter, count);
    }
}

/// Whether a status says that the node was not there, rather than what it answered.
pub(crate) fn is_away(status: &Status) -> bool {
    status.code() == Code::Unavailable || status.source().is_some()
}

fn failure(status: &Status) -> Failure {
    let error = match status.source() {
        Some(ours) => cause(ours),
        None => status.to_string(),
    };
    match status.code() {
        _ if is_unsent(status) => Failure::Unsent(error),
        Code::Unavailable if status.source().is_none() => Failure::Unsent(error),
        Code::Cancelled | Code::DeadlineExceeded => Failure::Unanswered(error),
        _ if status.source().is_some() => Failure::Unanswered(error),
        _ => Failure::Refused(error),
    }
}

/// Whether there was no connection that the request could have left by.
fn is_unsent(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

fn is_over(closing: &Closing) -> bool {
    closing.borrow().is_some_and(|end| end <= Instant::now())
}

/// Whether there is time for another attempt after the pause.
async fn may_go_on(pause: Duration, closing: &mut Closing) -> bool {
    let has_time = |end: Option<Instant>| end.is_none_or(|end| Instant::now() + pause < end);
    let end = *closing.borrow();
    if !has_time(end) {
        return false;
    }
    match end {
        Some(_) => sleep(pause).await,
        // What is closed meanwhile is tried once more at once.
        None => {
            timeout(pause, closing.wait_for(Option::is_some)).await.ok();
        }
    }
    true
}
