//! Senders: what they send goes to the lanes as from any shard, without being decoded into objects.

use crate::config::Rules;
use crate::counters::{GrpcCounter, GrpcCounters};
use crate::register::stopping;
use crate::turns::{Seat, Turns};
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::counters::{Counter, Loss};
use hydrant_engine::engine::DrivenIntake;
use hydrant_engine::ingest::Entry;
use hydrant_engine::record::Version;
use hydrant_rpc::batch::{Elements, elements};
use hydrant_rpc::server::{Broken, Messages, Unfinished, answer, single};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::Response;

/// Largest message that is taken, in bytes: `MaxRecvMsgSize` of upstream's Doppler.
const MESSAGE_BYTES_MAX: usize = 10 * 1024 * 1024;

/// The senders' services of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Senders {
    shard: Arc<Mutex<Shard>>,
    /// By which rules v2 envelopes are taken.
    version2: Entry,
    turns: Arc<Turns>,
    unfinished: Arc<Unfinished>,
    counters: Arc<GrpcCounters>,
    is_stopping: watch::Sender<bool>,
}

/// The worker's shard. It ends once it is to stop and every message is taken that was begun.
#[derive(Debug)]
struct Shard {
    intake: Option<DrivenIntake>,
    /// Messages that are being taken.
    taking: usize,
    is_stopping: bool,
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
    pub(crate) fn new(
        intake: DrivenIntake,
        rules: Rules,
        counters: Arc<GrpcCounters>,
        unfinished: Arc<Unfinished>,
    ) -> Self {
        let version2 = if rules.is_agent() {
            Entry::agent(Version::V2)
        } else {
            Entry::doppler(Version::V2)
        };
        let shard = Shard {
            intake: Some(intake),
            taking: 0,
            is_stopping: false,
        };
        Self {
            shard: Arc::new(Mutex::new(shard)),
            version2,
            turns: Arc::default(),
            unfinished,
            counters,
            is_stopping: watch::Sender::new(false),
        }
    }

    /// Their turns, for who moves on what they take in.
    pub(crate) fn turns(&self) -> Arc<Turns> {
        self.turns.clone()
    }

    /// Ends all streams and the shard, but for the messages that are being taken.
    pub(crate) fn stop(&self) {
        self.is_stopping.send_replace(true);
        let mut shard = self.shard();
        shard.is_stopping = true;
        shard.end_if_done();
    }

    fn shard(&self) -> MutexGuard<'_, Shard> {
        self.shard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a call's messages until its sender ends it; what the sender is told then.
    pub(crate) async fn send(&self, wrapping: Wrapping, body: Body) -> Response<Body> {
        let messages = Messages::new(body, MESSAGE_BYTES_MAX, self.unfinished.clone());
        match (self.serve(messages, wrapping).await, wrapping) {
            // Upstream has OK without a `PushResponse` here, which strict clients refuse.
            (Ok(()), Wrapping::Data) => single(&[]),
            // Upstream answers the end of a stream with the end that it read.
            (Ok(()), Wrapping::Plain | Wrapping::Batch) => answer(Status::unknown("EOF")),
            (Err(status), _) => answer(status),
        }
    }

    /// Takes the one batch of a call; agents have this, Dopplers do not.
    pub(crate) async fn send_one(&self, body: Body) -> Response<Body> {
        let messages = Messages::new(body, MESSAGE_BYTES_MAX, self.unfinished.clone());
        match self.serve(messages, Wrapping::Batch).await {
            // An empty `SendResponse`.
            Ok(()) => single(&[]),
            Err(status) => answer(status),
        }
    }

    async fn serve(&self, mut messages: Messages, wrapping: Wrapping) -> Result<(), Status> {
        let mut opened = Opened::new(&self.counters);
        let mut is_stopping = self.is_stopping.subscribe();
        let mut seat = Seat::new(self.turns.clone());
        loop {
            let message = tokio::select! {
                biased;
                _ = is_stopping.wait_for(|is_stopping| *is_stopping) => {
                    return Err(opened.cut(stopping()));
                }
                message = messages.next() => message,
            };
            match message {
                Ok(Some(message)) => {
                    let rest = Rest::of(&message, wrapping, self.version2);
                    let Some(taking) = Taking::begin(&self.shard, rest) else {
                        return Err(opened.cut(stopping()));
                    };
                    taking.take(&mut seat).await;
                }
                Ok(None) => {
                    opened.ended();
                    return Ok(());
                }
                Err(broken) => return Err(self.broken(&mut opened, broken)),
            }
        }
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
            Broken::Late(status) => {
                self.lost(Loss::FrameCut);
                opened.cut(status)
            }
            Broken::Reset(status) => status,
        }
    }

    fn lost(&self, loss: Loss) {
        if let Some(intake) = &self.shard().intake {
            intake.lost(loss);
        }
    }
}

impl Shard {
    fn end_if_done(&mut self) {
        if self.is_stopping && self.taking == 0 {
            self.intake = None;
        }
    }
}

/// A message that is being taken. What is left of it when this is dropped is lost.
struct Taking<'m> {
    shard: &'m Mutex<Shard>,
    rest: Rest<'m>,
}

impl<'m> Taking<'m> {
    /// Nothing if the shard has stopped: then the message has not come in.
    fn begin(shard: &'m Mutex<Shard>, rest: Rest<'m>) -> Option<Self> {
        let mut locked = shard.lock().unwrap_or_else(PoisonError::into_inner);
        locked.intake.as_ref()?;
        locked.taking += 1;
        drop(locked);
        Some(Self { shard, rest })
    }

    /// Takes the message in as many turns as it needs. Does not end before, even if the shard is to
    /// stop: it has come, and its sender is not told what became of it.
    async fn take(mut self, seat: &mut Seat) {
        while self.turn(seat) {
            seat.next().await;
        }
    }

    /// A turn of the shard: as much of a message as it has room for. Whether something is left.
    fn turn(&mut self, seat: &mut Seat) -> bool {
        let mut shard = self.shard.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(intake) = shard.intake.as_mut() else {
            return false; // It is there as long as something is being taken.
        };
        let rest = &mut self.rest;
        let (mut room, before) = (seat.room(), rest.bytes());
        intake.start_turn(UnixNanos::now());
        while rest.is_left() && room.has_more(before - rest.bytes()) {
            rest.take_one(intake);
        }
        intake.count(Counter::BytesReceived, (before - rest.bytes()) as u64);
        seat.take(&room, before - rest.bytes());
        intake.commit();
        rest.is_left()
    }
}

impl Drop for Taking<'_> {
    /// Something is left if the sender resets its stream before it is its turn.
    fn drop(&mut self) {
        let mut shard = self.shard.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(intake) = &shard.intake {
            self.rest.lose_all(intake);
        }
        shard.taking -= 1;
        shard.end_if_done();
    }
}

/// What is left of a message.
#[derive(Debug)]
enum Rest<'m> {
    /// An envelope by itself.
    Whole(Entry, Option<&'m [u8]>),
    Elements(Entry, Elements<'m>),
}

impl<'m> Rest<'m> {
    fn of(message: &'m [u8], wrapping: Wrapping, v2: Entry) -> Self {
        let v1 = Entry::doppler(Version::V1);
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

    /// Counts each envelope that is left as one that was cut off.
    fn lose_all(&mut self, intake: &DrivenIntake) {
        match self {
            Self::Whole(_, message) => {
                if message.take().is_some() {
                    intake.lost(Loss::FrameCut);
                }
            }
            Self::Elements(_, elements) => elements.for_each(|_| intake.lost(Loss::FrameCut)),
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
