//! A stream of server-sent events: batches, heartbeats, and why it closes.
//!
//! Nothing waits here: hyper asks for an event when the connection takes more, and only then a
//! batch is taken from the provider. A client that does not read stops us reading, and what is lost
//! then the provider loses, and counts.

use crate::json::push_envelope;
use crate::provider::Batches;
use crate::state::{GatewayCounter, GatewayState};
use crate::worker::Stopping;
use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream::unfold;
use http_body_util::{BodyExt, StreamBody};
use hydrant_proto::v2::Envelope;
use hydrant_rpc::batch::elements;
use hyper::body::Frame;
use prost::Message;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, timeout_at};
use tonic::Status;

use crate::answer::AnyBody;

/// An empty batch, and room for what each envelope takes beside its own bytes.
const BATCH_START: &str = "data: {\"batch\":[";
const BATCH_END: &str = "]}\n\n";
const CLOSING: &str = "event: closing\ndata: closing due to stream timeout\n\n";

/// How long until what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Periods {
    /// Without an event, until a heartbeat.
    pub(crate) heartbeat: Duration,
    /// From the first moment to the closing event.
    pub(crate) stream_timeout: Option<Duration>,
}

/// One stream.
pub(crate) struct Events {
    batches: Batches,
    heartbeat: Duration,
    heartbeat_at: Instant,
    closing_at: Option<Instant>,
    stopping: Stopping,
    place: Place,
    /// Whether the closing event is out.
    is_closed: bool,
}

/// A place among the streams that are open.
pub(crate) struct Place {
    state: Arc<GatewayState>,
    /// Why the stream ended; until it does, that its client has gone.
    ending: GatewayCounter,
}

impl Place {
    /// Takes a place, if one of `streams_max` is free.
    pub(crate) fn take(state: &Arc<GatewayState>, streams_max: u32) -> Option<Self> {
        let state = state.clone();
        let ending = GatewayCounter::ClosedByClient;
        state
            .stream_opens(streams_max.into())
            .then_some(Self { state, ending })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.state.stream_ends();
    }
}

impl Events {
    pub(crate) fn new(
        batches: Batches,
        periods: Periods,
        place: Place,
        stopping: Stopping,
    ) -> Self {
        let now = Instant::now();
        place.state.count(GatewayCounter::Streams);
        Self {
            batches,
            heartbeat: periods.heartbeat,
            heartbeat_at: now + periods.heartbeat,
            closing_at: periods.stream_timeout.map(|timeout| now + timeout),
            stopping,
            place,
            is_closed: false,
        }
    }

    /// The events as the body of an answer.
    pub(crate) fn into_body(self) -> AnyBody {
        let frames = unfold(self, |mut events| async {
            let event = events.next().await?;
            let frame = Frame::data(Bytes::from(event));
            Some((Ok::<_, Infallible>(frame), events))
        });
        StreamBody::new(frames).boxed_unsync()
    }

    async fn next(&mut self) -> Option<String> {
        if self.is_closed {
            return None;
        }
        let event = self.wait().await?;
        self.heartbeat_at = Instant::now() + self.heartbeat;
        let bytes = u64::try_from(event.len()).unwrap_or(u64::MAX);
        self.place.state.add(GatewayCounter::Bytes, bytes);
        Some(event)
    }

    async fn wait(&mut self) -> Option<String> {
        // First of all, because there may always be a batch.
        if self.closing_at.is_some_and(|at| at <= Instant::now()) {
            return Some(self.closing());
        }
        let closing_at = self.closing_at.unwrap_or(self.heartbeat_at);
        let wake_at = closing_at.min(self.heartbeat_at);
        let batch = timeout_at(wake_at, self.batches.next());
        let outcome = match select(pin!(self.stopping.begun()), pin!(batch)).await {
            Either::Left(_) => return self.end(GatewayCounter::ClosedByStop),
            Either::Right((outcome, _)) => outcome,
        };
        match outcome {
            Ok(batch) => self.data(batch),
            Err(_) if self.closing_at == Some(wake_at) => Some(self.closing()),
            Err(_) => Some(self.beat()),
        }
    }

    fn data(&mut self, batch: Result<Option<Bytes>, Status>) -> Option<String> {
        match batch {
            Ok(Some(batch)) => Some(data_event(&batch, &self.place.state)),
            Ok(None) => self.end(GatewayCounter::ClosedByProvider),
            Err(_) => self.end(GatewayCounter::ProviderFailed),
        }
    }

    fn closing(&mut self) -> String {
        self.is_closed = true;
        self.place.ending = GatewayCounter::ClosedByTimeout;
        CLOSING.to_owned()
    }

    fn beat(&self) -> String {
        self.place.state.count(GatewayCounter::Heartbeats);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = since_epoch.map_or(0, |since| since.as_secs());
        format!("event: heartbeat\ndata: {seconds}\n\n")
    }

    fn end(&mut self, why: GatewayCounter) -> Option<String> {
        self.place.ending = why;
        None
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.place.state.count(self.place.ending);
    }
}

/// A batch as an event. An envelope that is malformed costs itself; a batch that is, its rest.
fn data_event(batch: &Bytes, state: &GatewayState) -> String {
    state.count(GatewayCounter::Batches);
    let mut event = String::with_capacity(2 * batch.len() + BATCH_START.len() + BATCH_END.len());
    event.push_str(BATCH_START);
    let mut written = 0;
    for element in elements(batch) {
        // Slices share the batch's memory: payloads are not copied.
        let Some(envelope) = element
            .ok()
            .and_then(|element| Envelope::decode(batch.slice_ref(element)).ok())
        else {
            state.count(GatewayCounter::EnvelopesMalformed);
            continue;
        };
        if written > 0 {
            event.push(',');
        }
        push_envelope(&mut event, &envelope);
        written += 1;
    }
    state.add(GatewayCounter::Envelopes, written);
    event.push_str(BATCH_END);
    event
}
