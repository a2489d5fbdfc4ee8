//! Senders: what they send goes to the lanes as from any shard, without being decoded into objects.

use crate::counters::{GrpcCounter, GrpcCounters};
use bytes::Bytes;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::counters::{Counter, Loss};
use hydrant_engine::engine::DrivenIntake;
use hydrant_engine::ingest::Entry;
use hydrant_engine::record::Version;
use hydrant_rpc::batch::elements;
use hydrant_rpc::doppler_ingestor::DopplerIngestor;
use hydrant_rpc::ingress::Ingress;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio::task::yield_now;
use tonic::{Code, Request, Response, Status, Streaming};

/// Largest message that is taken, in bytes: `MaxRecvMsgSize` of upstream's Doppler.
pub(crate) const MESSAGE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Message bytes after which a stream lets everybody else go on, so that what came in leaves before
/// more comes in.
const TURN_BYTES: usize = 64 * 1024;

/// The senders' services of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Senders {
    intake: Arc<Mutex<Option<DrivenIntake>>>,
    counters: Arc<GrpcCounters>,
    is_stopping: watch::Sender<bool>,
}

/// How envelopes lie in a call's messages.
#[derive(Clone, Copy, Debug)]
enum Wrapping {
    /// `EnvelopeData`: one v1 envelope in bytes.
    Data,
    /// One v2 envelope.
    Plain,
    /// `EnvelopeBatch`.
    Batch,
}

impl Senders {
    pub(crate) fn new(intake: DrivenIntake, counters: Arc<GrpcCounters>) -> Self {
        Self {
            intake: Arc::new(Mutex::new(Some(intake))),
            counters,
            is_stopping: watch::Sender::new(false),
        }
    }

    /// Ends all streams and the shard.
    pub(crate) fn stop(&self) {
        self.is_stopping.send_replace(true);
        let intake = self
            .intake
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        drop(intake);
    }

    /// Takes a stream's messages until its sender ends it. Says what the sender is told then.
    async fn serve(&self, mut stream: Streaming<Bytes>, wrapping: Wrapping) -> Status {
        let mut opened = Opened::new(&self.counters);
        let mut stopping = self.is_stopping.subscribe();
        let mut turn_bytes = 0;
        loop {
            let message = tokio::select! {
                biased;
                message = stream.message() => message,
                _ = stopping.wait_for(|is_stopping| *is_stopping) => {
                    return opened.cut(Status::unavailable("the server is stopping"));
                }
            };
            let message = match message {
                Ok(Some(message)) => message,
                Ok(None) => return opened.ended(),
                Err(status) => return self.failed(&mut opened, status),
            };
            if !self.take(&message, wrapping) {
                return opened.cut(Status::unavailable("the server is stopping"));
            }
            turn_bytes += message.len();
            if turn_bytes >= TURN_BYTES {
                turn_bytes = 0;
                yield_now().await;
            }
        }
    }

    /// A turn of the shard: one message. False: the shard has stopped, and the message is not taken.
    fn take(&self, message: &[u8], wrapping: Wrapping) -> bool {
        let mut intake = self.intake.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(intake) = intake.as_mut() else {
            return false;
        };
        intake.start_turn(UnixNanos::now());
        intake.count(Counter::BytesReceived, message.len() as u64);
        match wrapping {
            Wrapping::Plain => intake.frame(Entry::doppler(Version::V2), message),
            Wrapping::Data if message.is_empty() => {
                intake.frame(Entry::doppler(Version::V1), message);
            }
            Wrapping::Data => take_all(intake, message, Version::V1),
            Wrapping::Batch => take_all(intake, message, Version::V2),
        }
        intake.commit();
        true
    }

    fn failed(&self, opened: &mut Opened<'_>, status: Status) -> Status {
        if status.code() == Code::OutOfRange {
            self.lost(Loss::MessageOversize);
            return opened.cut(oversize(&status));
        }
        if status.code() == Code::Internal && status.message().contains("EOF") {
            self.lost(Loss::FrameCut);
        }
        opened.reset(status)
    }

    fn lost(&self, loss: Loss) {
        let intake = self.intake.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(intake) = intake.as_ref() {
            intake.lost(loss);
        }
    }
}

fn take_all(intake: &mut DrivenIntake, message: &[u8], version: Version) {
    let entry = Entry::doppler(version);
    for element in elements(message) {
        match element {
            Ok(envelope) => intake.frame(entry, envelope),
            Err(_) => intake.lost(Loss::Batch),
        }
    }
}

/// Upstream's words; tonic's message names the size first.
fn oversize(status: &Status) -> Status {
    let is_digit = |character: char| character.is_ascii_digit();
    let numbers = status.message().split(|character| !is_digit(character));
    let size = numbers.into_iter().find(|number| !number.is_empty());
    let size = size.unwrap_or("?");
    Status::resource_exhausted(format!(
        "grpc: received message larger than max ({size} vs. {MESSAGE_BYTES_MAX})"
    ))
}

/// A sender's stream: counted as opened, and, however it ends, as ended once.
#[derive(Debug)]
struct Opened<'c> {
    counters: &'c GrpcCounters,
    end: GrpcCounter,
}

impl<'c> Opened<'c> {
    /// Until it has ended otherwise it will have been reset.
    fn new(counters: &'c GrpcCounters) -> Self {
        counters.count(GrpcCounter::StreamsOpened);
        Self {
            counters,
            end: GrpcCounter::StreamsReset,
        }
    }

    /// Upstream answers the end of a stream with the end that it read.
    fn ended(&mut self) -> Status {
        self.end = GrpcCounter::StreamsEnded;
        Status::unknown("EOF")
    }

    const fn cut(&mut self, status: Status) -> Status {
        self.end = GrpcCounter::StreamsCut;
        status
    }

    const fn reset(&mut self, status: Status) -> Status {
        self.end = GrpcCounter::StreamsReset;
        status
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.counters.count(self.end);
    }
}

#[tonic::async_trait]
impl Ingress for Senders {
    async fn sender(&self, request: Request<Streaming<Bytes>>) -> Result<Response<Bytes>, Status> {
        Err(self.serve(request.into_inner(), Wrapping::Plain).await)
    }

    async fn batch_sender(
        &self,
        request: Request<Streaming<Bytes>>,
    ) -> Result<Response<Bytes>, Status> {
        Err(self.serve(request.into_inner(), Wrapping::Batch).await)
    }

    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        Err(Status::unimplemented(
            "this endpoint is not yet implemented",
        ))
    }
}

#[tonic::async_trait]
impl DopplerIngestor for Senders {
    /// A stream that its sender ends is answered with an empty `PushResponse`; upstream has OK
    /// without it, which strict clients refuse.
    async fn pusher(&self, request: Request<Streaming<Bytes>>) -> Result<Response<Bytes>, Status> {
        match self.serve(request.into_inner(), Wrapping::Data).await {
            end if end.code() == Code::Unknown && end.message() == "EOF" => {
                Ok(Response::new(Bytes::new()))
            }
            status => Err(status),
        }
    }
}
