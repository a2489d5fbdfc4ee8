//! One connection to a destination, for as long as there is a worker: a stream of its own over it,
//! begun again whenever it ended.

use crate::config::Protocol;
use crate::flight::Flight;
use crate::limits::{LINGER, RECYCLE_MESSAGES, RECYCLE_SPREAD, RETRY_MAX, STABLE};
use crate::place::{Connection, Place};
use crate::session::Session;
use crate::state::DestinationCounter;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::future::{Either, select};
use futures_util::stream::unfold;
use hydrant_feed::backoff::{Backoff, random};
use hydrant_feed::batches::MESSAGE_ENVELOPES_MAX;
use hydrant_feed::ending::Ending;
use hydrant_rpc::channel::{Sent, cause};
use hydrant_rpc::sender::{BATCH_SENDER, PUSHER, send};
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;
use tonic::Status;

/// What it works with.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    pub(crate) place: Arc<Place>,
    pub(crate) session: Arc<Session>,
    pub(crate) ending: Ending,
    pub(crate) recycle: bool,
}

impl Delivery {
    /// Runs until nothing more comes and all has left, or the time is over.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::up_to(RETRY_MAX);
        while self.is_wanted() {
            let connecting = self.place.connect();
            let Some(connected) = self.ending.within(Duration::MAX, connecting).await else {
                break;
            };
            let is_good = match connected {
                Ok(connection) => self.serve(connection).await,
                Err(problem) => {
                    self.session.state.count(DestinationCounter::Failures, 1);
                    self.say(format!("not connected: {problem}"), Some(problem));
                    false
                }
            };
            if is_good {
                backoff.succeeded();
            } else {
                self.ending.pause(backoff.failed(random())).await;
            }
        }
    }

    fn is_wanted(&self) -> bool {
        !self.ending.is_over() && (!self.ending.is_flushing() || !self.session.is_empty())
    }

    /// A stream from begin to end. Whether it was any good.
    async fn serve(&self, connection: Connection) -> bool {
        let (begun, address) = (Instant::now(), connection.address);
        let flight = Arc::new(Flight::default());
        let open = self.session.state.opened();
        self.say(format!("connected to {address}"), None);
        let sent = connection.sent.clone();
        let outcome = self.follow(connection, &flight).await;
        drop(open);
        let is_whole = self.settle(&flight, &sent).await;
        match outcome {
            Some(Ok(())) => self.recycled(),
            Some(Err(_)) if is_whole && self.has_ended(&flight) => self.recycled(),
            Some(Err(status)) => {
                self.unconfirmed(flight.unconfirmed(sent.read_bytes()));
                self.session.state.count(DestinationCounter::Breaks, 1);
                let problem = format!("{address}: {}", text_of(&status));
                self.say(format!("not connected: {problem}"), Some(problem));
            }
            None => self.unconfirmed(flight.unconfirmed(sent.read_bytes())),
        }
        begun.elapsed() >= STABLE
    }

    /// Sends until the stream ends, settling what has left. Nothing if the time is over.
    async fn follow(
        &self,
        connection: Connection,
        flight: &Arc<Flight>,
    ) -> Option<Result<(), Status>> {
        let Connection { channel, sent, .. } = connection;
        let messages = Box::pin(self.messages(flight));
        let path = match self.session.state.protocol {
            Protocol::V1 => PUSHER,
            Protocol::V2 => BATCH_SENDER,
        };
        let mut sending = pin!(send(channel, path, messages));
        let following = async {
            loop {
                match select(&mut sending, pin!(sent.more())).await {
                    Either::Left((outcome, _)) => break outcome,
                    Either::Right(_) => {
                        flight.settle(sent.bytes(), &self.session);
                        flight.confirm(sent.read_bytes());
                    }
                }
            }
        };
        self.ending.within(Duration::MAX, following).await
    }

    /// What HTTP/2 is given when it asks for more.
    fn messages(&self, flight: &Arc<Flight>) -> impl Stream<Item = Bytes> + Send + use<> {
        let (session, ending) = (Arc::clone(&self.session), self.ending.clone());
        let flight = Arc::clone(flight);
        let most = self.messages_max();
        unfold((), move |()| {
            let (session, ending) = (Arc::clone(&session), ending.clone());
            let flight = Arc::clone(&flight);
            async move {
                if flight.messages() >= most {
                    return None;
                }
                let parcel = session.next(&ending).await?;
                let bytes = parcel.bytes.clone();
                let messages = messages_in(session.state.protocol, parcel.envelopes);
                flight.add(parcel, messages);
                Some((bytes, ()))
            }
        })
    }

    fn messages_max(&self) -> u64 {
        if self.recycle {
            RECYCLE_MESSAGES + random() % RECYCLE_SPREAD
        } else {
            u64::MAX
        }
    }

    /// Finds out what has left. The connection is closed, for nobody holds it any more; but a peer that
    /// takes nothing can keep it. Whether all has left.
    async fn settle(&self, flight: &Flight, sent: &Sent) -> bool {
        let closed = timeout(LINGER, sent.closed()).await;
        let begun = match closed {
            Ok(()) => sent.begun_bytes(),
            Err(_) => u64::MAX,
        };
        let is_whole = flight.end(sent.bytes(), begun, &self.session);
        // Another may have waited for what this one was to take.
        self.session.wake();
        is_whole
    }

    /// Whether we may have ended the stream ourselves: Loggregator's servers answer that with an error too.
    fn has_ended(&self, flight: &Flight) -> bool {
        self.ending.is_flushing() || flight.messages() >= RECYCLE_MESSAGES
    }

    fn unconfirmed(&self, envelopes: u64) {
        let counter = DestinationCounter::Unconfirmed;
        self.session.state.count(counter, envelopes);
    }

    fn recycled(&self) {
        self.session.state.count(DestinationCounter::Recycled, 1);
        self.say("not connected: the stream was ended".to_owned(), None);
    }

    fn say(&self, note: String, error: Option<String>) {
        self.session.state.session.set_note(note);
        if let Some(error) = error {
            self.session.state.session.set_error(error);
        }
    }
}

fn messages_in(protocol: Protocol, envelopes: u32) -> u64 {
    u64::from(match protocol {
        Protocol::V1 => envelopes,
        Protocol::V2 => envelopes.div_ceil(MESSAGE_ENVELOPES_MAX),
    })
}

fn text_of(status: &Status) -> String {
    let source = status.source().map(cause);
    let said = source.as_deref().unwrap_or_else(|| status.message());
    format!("{}: {said}", status.code())
}
