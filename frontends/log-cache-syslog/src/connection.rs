//! A sender's connection: its bytes as messages, these as envelopes, and those into the outbox.

use crate::counters::{SyslogCounter, SyslogCounters};
use crate::envelope::envelope;
use crate::framing::{Framer, Framing, Step};
use crate::limits::{BUFFER_BYTES_KEPT, READ_BYTES};
use crate::message::Message;
use crate::outbox::Outbox;
use crate::told::Report;
use bytes::{Buf, BytesMut};
use hydrant_feed::counters::FeedCounter;
use hydrant_feed::ending::Ending;
use hydrant_feed::session::FrontendState;
use hydrant_rpc::batch;
use prost::Message as _;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Instant, timeout_at};

/// What is the same for all connections.
#[derive(Debug)]
pub(crate) struct Intake {
    pub(crate) framing: Framing,
    pub(crate) message_bytes_max: usize,
    pub(crate) trims: bool,
    pub(crate) idle: Duration,
    pub(crate) worker: Arc<FrontendState>,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) counters: Arc<SyslogCounters>,
    pub(crate) report: Report,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    intake: Arc<Intake>,
    peer: SocketAddr,
    framer: Framer,
    unread: BytesMut,
    /// Whether a message came before what is unread.
    is_after_message: bool,
    /// An element of a batch, and the envelope in it.
    buffers: (BytesMut, Vec<u8>),
}

/// The connection is to be closed.
struct Close;

impl Connection {
    pub(crate) fn new(intake: Arc<Intake>, peer: SocketAddr) -> Self {
        let framer = Framer::new(intake.framing, intake.message_bytes_max);
        Self {
            intake,
            peer: SocketAddr::new(peer.ip().to_canonical(), peer.port()),
            framer,
            unread: BytesMut::new(),
            is_after_message: false,
            buffers: Default::default(),
        }
    }

    /// Reads until the sender ends, sends nothing for too long or what is no message, or until we stop.
    pub(crate) async fn serve(mut self, mut stream: impl AsyncRead + Unpin, ending: Ending) {
        let mut deadline = Instant::now() + self.intake.idle;
        loop {
            match self.take_messages() {
                Ok(0) => {}
                Ok(_) => deadline = Instant::now() + self.intake.idle,
                Err(Close) => return,
            }
            self.make_room();
            let read = timeout_at(deadline, stream.read_buf(&mut self.unread));
            match ending.until_flushing(read).await {
                Some(Ok(Ok(1..))) => {}
                Some(Err(_)) => {
                    self.intake.counters.count(SyslogCounter::IdleClosed);
                    break;
                }
                // It has ended, or broken, or we stop.
                _ => break,
            }
        }
        if !self.unread.is_empty() {
            let cut = "the connection ended in the middle of a message";
            self.refuse(SyslogCounter::MessageCut, &cut);
        }
    }

    /// Takes all that have come whole; gives how many.
    fn take_messages(&mut self) -> Result<usize, Close> {
        let mut count = 0;
        loop {
            if self.is_after_message && !self.unread.is_empty() {
                self.unread.advance(self.framer.gap(&self.unread));
                self.is_after_message = false;
            }
            let (message, end) = match self.framer.next(&self.unread) {
                Ok(Step::Message(message, end)) => (message, end),
                Ok(Step::More) => return Ok(count),
                Err(error) => {
                    self.refuse(error.into(), &error);
                    return Err(Close);
                }
            };
            let bytes = self.unread.split_to(end);
            self.take(&bytes[message])?;
            self.is_after_message = true;
            count += 1;
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Close> {
        let message = match Message::parse(bytes) {
            Ok(message) => message,
            Err(error) => {
                self.refuse(SyslogCounter::MessageMalformed, &error);
                return match self.intake.framing {
                    // Who counts wrong is found out by this alone.
                    Framing::OctetCounting => Err(Close),
                    Framing::NonTransparent => Ok(()),
                };
            }
        };
        match envelope(&message, self.intake.trims) {
            Ok(envelope) => self.put(&envelope),
            Err(refused) => self.refuse(refused.into(), &refused),
        }
        Ok(())
    }

    fn put(&mut self, envelope: &hydrant_proto::v2::Envelope) {
        let (element, bytes) = &mut self.buffers;
        bytes.clear();
        element.clear();
        // A Vec takes whatever there is.
        envelope.encode(bytes).ok();
        batch::push(element, bytes);
        self.intake.outbox.push(element);
        self.intake.worker.feed.add(FeedCounter::Read, 1);
        self.intake.worker.feed.add(FeedCounter::Messages, 1);
    }

    fn refuse(&self, counter: SyslogCounter, why: &dyn Display) {
        self.intake.counters.count(counter);
        self.intake.worker.feed.add(FeedCounter::Read, 1);
        self.intake.worker.feed.add(FeedCounter::NoForm, 1);
        let peer = self.peer;
        self.intake
            .report
            .line(format_args!("a syslog message of {peer} is refused: {why}"));
    }

    /// For the next read. What one large message took is given back.
    fn make_room(&mut self) {
        if self.unread.is_empty() && self.unread.capacity() > BUFFER_BYTES_KEPT {
            self.unread = BytesMut::new();
        }
        self.unread.reserve(READ_BYTES);
    }
}
