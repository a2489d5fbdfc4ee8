//! Senders: what they send goes to the lanes as from any shard, without being decoded into objects.

use crate::counters::{GrpcCounter, GrpcCounters};
use crate::turns::Turns;
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::counters::{Counter, Loss};
use hydrant_engine::engine::DrivenIntake;
use hydrant_engine::ingest::Entry;
use hydrant_engine::record::Version;
use hydrant_rpc::batch::{Elements, elements};
use hydrant_rpc::server::{Broken, Messages, answer, single};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::Response;

/// Largest message that is taken, in bytes: `MaxRecvMsgSize` of upstream's Doppler.
const MESSAGE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// The senders' services of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Senders {
    intake: Arc<Mutex<Option<DrivenIntake>>>,
    turns: Arc<Turns>,
    counters: Arc<GrpcCounters>,
    is_stopping: watch::Sender<bool>,
}

/// How envelopes lie in a call's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrapping {
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

    /// Takes a call's messages until its sender ends it; what the sender is told then.
    pub(crate) async fn send(&self, wrapping: Wrapping, body: Body) -> Response<Body> {
        let messages = Messages::new(body, MESSAGE_BYTES_MAX);
        match (self.serve(messages, wrapping).await, wrapping) {
            // Upstream has OK without a `PushResponse` here, which strict clients refuse.
            (Ok(()), Wrapping::Data) => single(&[]),
            // Upstream answers the end of a stream with the end that it read.
            (Ok(()), Wrapping::Plain | Wrapping::Batch) => answer(Status::unknown("EOF")),
            (Err(status), _) => answer(status),
        }
    }

    async fn serve(&self, mut messages: Messages, wrapping: Wrapping) -> Result<(), Status> {
        let mut opened = Opened::new(&self.counters);
        let mut stopping = self.is_stopping.subscribe();
        loop {
            let message = tokio::select! {
                biased;
                message = messages.next() => message,
                _ = stopping.wait_for(|is_stopping| *is_stopping) => {
                    return Err(opened.cut(stopping_status()));
                }
            };
            match message {
                Ok(Some(message)) => {
                    let taken = self.take(&message, wrapping).await;
                    taken.map_err(|Stopped| opened.cut(stopping_status()))?;
                }
                Ok(None) => {
                    opened.ended();
                    return Ok(());
                }
                Err(broken) => return Err(self.broken(&mut opened, broken)),
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
        let (mut room, before) = (self.turns.room(), rest.bytes());
        intake.start_turn(UnixNanos::now());
        while rest.is_left() && room.has_more(before - rest.bytes()) {
            rest.take_one(intake);
        }
        intake.count(Counter::BytesReceived, (before - rest.bytes()) as u64);
        self.turns.take(&room, before - rest.bytes());
        intake.commit();
        Ok(rest.is_left())
    }

    fn broken(&self, opened: &mut Opened<'_>, broken: Broken) -> Status {
        match broken {
            Broken::Oversize(status) => {
                self.lost(Loss::MessageOversize);
                opened.cut(status)
            }
            Broken::Refused(status) => {
                self.lost(Loss::Batch);
                opened.cut(status)
            }
            Broken::Cut(status) => {
                self.lost(Loss::FrameCut);
                status
            }
            Broken::Reset(status) => status,
        }
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

    const fn is_left(&self) -> bool {
        match self {
            Self::Whole(_, message) => message.is_some(),
            Self::Elements(_, elements) => !elements.rest().is_empty(),
        }
    }

    /// Takes the next envelope, if that is what is left.
    #[inline]
    fn take_one(&mut self, intake: &mut DrivenIntake) {
        match self {
            Self::Whole(entry, message) => {
                if let Some(message) = message.take() {
                    intake.frame(*entry, message);
                }
            }
            Self::Elements(entry, elements) => match elements.next() {
                Some(Ok(envelope)) => intake.frame(*entry, envelope),
                Some(Err(_)) => intake.lost(Loss::Batch),
                None => {}
            },
        }
    }
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

    const fn ended(&mut self) {
        self.end = GrpcCounter::StreamsEnded;
    }

    const fn cut(&mut self, status: Status) -> Status {
        self.end = GrpcCounter::StreamsCut;
        status
    }
}

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.counters.count(self.end);
    }
}
