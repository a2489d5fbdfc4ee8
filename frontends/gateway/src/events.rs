//! A stream of server-sent events: batches, heartbeats, and why it closes.
//!
//! Nothing waits here: hyper asks for an event when the connection takes more, and only then a
//! batch is taken from the provider. A client that does not read stops us reading, and what is lost
//! then the provider loses, and counts.

use crate::answer::AnyBody;
use crate::provider::Batches;
use crate::state::{GatewayCounter, GatewayState};
use crate::timing::Timing;
use bytes::Bytes;
use futures_util::future::{Either, select};
use futures_util::stream::unfold;
use http_body_util::{BodyExt, StreamBody};
use hydrant_http::Stopping;
use hydrant_proto::json::push_envelope;
use hydrant_proto::v2::Envelope;
use hydrant_rpc::batch::elements;
use hyper::body::Frame;
use prost::Message;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};
use tonic::Status;

/// What is around the envelopes of a batch.
const BATCH_START: &str = "data: {\"batch\":[";
const BATCH_END: &str = "]}\n\n";
const CLOSING: &str = "event: closing\ndata: closing due to stream timeout\n\n";

/// One stream.
pub(crate) struct Events {
    batches: Batches,
    heartbeat: Duration,
    heartbeat_at: Instant,
    closing_at: Option<Instant>,
    stopping: Stopping,
    place: Place,
    /// Why the stream ended; until it does, that its client has gone.
    ending: GatewayCounter,
}

/// A place among the streams that are open.
pub(crate) struct Place(Arc<GatewayState>);

impl Place {
    /// Takes a place, if one of `streams_max` is free.
    pub(crate) fn take(state: &Arc<GatewayState>, streams_max: u32) -> Option<Self> {
        let is_free = state.stream_opens(streams_max.into());
        is_free.then(|| Self(state.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.stream_ends();
    }
}

impl Events {
    pub(crate) fn new(batches: Batches, timing: Timing, place: Place, stopping: Stopping) -> Self {
        let now = Instant::now();
        place.0.count(GatewayCounter::Streams);
        Self {
            batches,
            heartbeat: timing.heartbeat,
            heartbeat_at: now + timing.heartbeat,
            closing_at: timing.stream_timeout.map(|timeout| now + timeout),
            stopping,
            place,
            ending: GatewayCounter::ClosedByClient,
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
        if self.ending == GatewayCounter::ClosedByTimeout {
            return None; // The closing event is out.
        }
        let event = self.wait().await?;
        self.heartbeat_at = Instant::now() + self.heartbeat;
        let bytes = u64::try_from(event.len()).unwrap_or(u64::MAX);
        self.place.0.add(GatewayCounter::Bytes, bytes);
        Some(event)
    }

    async fn wait(&mut self) -> Option<String> {
        // First of all, because there may always be a batch.
        if self.closing_at.is_some_and(|at| at <= Instant::now()) {
            return Some(self.closing());
        }
        let closing_at = self.closing_at.unwrap_or(self.heartbeat_at);
        let wake_at = closing_at.min(self.heartbeat_at);
        match self.batch_until(wake_at).await {
            None => self.end(GatewayCounter::ClosedByStop),
            Some(Ok(batch)) => self.data(batch),
            Some(Err(_)) if self.closing_at == Some(wake_at) => Some(self.closing()),
            Some(Err(_)) => Some(self.beat()),
        }
    }

    /// A batch or the provider's end; an error when it is time to wake, nothing when we stop.
    async fn batch_until(
        &mut self,
        wake_at: Instant,
    ) -> Option<Result<Result<Option<Bytes>, Status>, Elapsed>> {
        let begun = pin!(self.stopping.begun());
        let batch = pin!(timeout_at(wake_at, self.batches.next()));
        match select(begun, batch).await {
            Either::Left(_) => None,
            Either::Right((outcome, _)) => Some(outcome),
        }
    }

    fn data(&mut self, batch: Result<Option<Bytes>, Status>) -> Option<String> {
        match batch {
            Ok(Some(batch)) => Some(data_event(&batch, &self.place.0)),
            Ok(None) => self.end(GatewayCounter::ClosedByProvider),
            Err(_) => self.end(GatewayCounter::ProviderFailed),
        }
    }

    fn closing(&mut self) -> String {
        self.ending = GatewayCounter::ClosedByTimeout;
        CLOSING.to_owned()
    }

    fn beat(&self) -> String {
        self.place.0.count(GatewayCounter::Heartbeats);
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = since_epoch.map_or(0, |since| since.as_secs());
        format!("event: heartbeat\ndata: {seconds}\n\n")
    }

    fn end(&mut self, why: GatewayCounter) -> Option<String> {
        self.ending = why;
        None
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.place.0.count(self.ending);
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
