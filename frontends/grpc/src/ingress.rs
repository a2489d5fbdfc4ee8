//! Senders: what they send goes to the lanes as from any shard, without being decoded into objects.

use crate::counters::{GrpcCounter, GrpcCounters};
use crate::turns::Turns;
use bytes::Bytes;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::counters::{Counter, Loss};
use hydrant_engine::engine::DrivenIntake;
use hydrant_engine::ingest::Entry;
use hydrant_engine::record::Version;
use hydrant_rpc::batch::{Elements, elements};
use hydrant_rpc::doppler_ingestor::DopplerIngestor;
use hydrant_rpc::ingress::Ingress;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tonic::{Code, Request, Response, Status, Streaming};

/// Largest message that is taken, in bytes: `MaxRecvMsgSize` of upstream's Doppler.
pub(crate) const MESSAGE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// The senders' services of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Senders {
    intake: Arc<Mutex<Option<DrivenIntake>>>,
    turns: Arc<Turns>,
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
            turns: Arc::default(),
            counters,
            is_stopping: watch::Sender::new(false),
        }
    }

    /// Their turns, for who moves on what they take in.
    pub(crate) fn turns(&self) -> Arc<Turns> {
        self.turns.clone()
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
        loop {
            let message = tokio::select! {
                biased;
                message = stream.message() => message,
                _ = stopping.wait_for(|is_stopping| *is_stopping) => {
                    return opened.cut(stopping_status());
                }
            };
            let message = match message {
                Ok(Some(message)) => message,
                Ok(None) => return opened.ended(),
                Err(status) => return self.failed(&mut opened, status),
            };
            if self.take(&message, wrapping).await.is_err() {
                return opened.cut(stopping_status());
            }
        }
    }

    /// Takes a message in as many turns as it needs.
    async fn take(&self, message: &[u8], wrapping: Wrapping) -> Result<(), Stopped> {
        let mut rest = Rest::of(message, wrapping);
        while self.turn(&mut rest)? {
            self.turns.next().await;
        }
        Ok(())
    }

    /// A turn of the shard: as much of a message as the turn has room for. Whether something is left.
    fn turn(&self, rest: &mut Rest<'_>) -> Result<bool, Stopped> {
        let mut intake = self.intake.lock().unwrap_or_else(PoisonError::into_inner);
        let intake = intake.as_mut().ok_or(Stopped)?;
        intake.start_turn(UnixNanos::now());
        let mut is_left = true;
        while is_left && !self.turns.is_used_up() {
            let before = rest.bytes();
            is_left = rest.take_one(intake);
            self.turns.take(before - rest.bytes());
        }
        intake.commit();
        Ok(is_left)
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

/// The shard has stopped, and what was left of the message is not taken.
#[derive(Debug)]
struct Stopped;

fn stopping_status() -> Status {
    Status::unavailable("the server is stopping")
}

/// What is left of a message.
#[derive(Debug)]
enum Rest<'m> {
    /// An envelope by itself.
    Whole(Entry, Option<&'m [u8]>),
    Elements(Entry, Elements<'m>),
}

impl<'m> Rest<'m> {
    fn of(message: &'m [u8], wrapping: Wrapping) -> Self {
        let (v1, v2) = (Entry::doppler(Version::V1), Entry::doppler(Version::V2));
        match wrapping {
            Wrapping::Plain => Self::Whole(v2, Some(message)),
            Wrapping::Data if message.is_empty() => Self::Whole(v1, Some(message)),
            Wrapping::Data => Self::Elements(v1, elements(message)),
            Wrapping::Batch => Self::Elements(v2, elements(message)),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Whole(_, message) => message.map_or(0, <[u8]>::len),
            Self::Elements(_, elements) => elements.rest().len(),
        }
    }

    /// Takes the next envelope; false if there was none.
    #[inline]
    fn take_one(&mut self, intake: &mut DrivenIntake) -> bool {
        let before = self.bytes();
        let envelope = match self {
            Self::Whole(entry, message) => message.take().map(|message| (*entry, Ok(message))),
            Self::Elements(entry, elements) => elements.next().map(|element| (*entry, element)),
        };
        intake.count(Counter::BytesReceived, (before - self.bytes()) as u64);
        match envelope {
            Some((entry, Ok(envelope))) => intake.frame(entry, envelope),
            Some((_, Err(_))) => intake.lost(Loss::Batch),
            None => return false,
        }
        true
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
