//! A session: what waits in its outbox goes out over its WebSocket, as the Traffic Controller does
//! it.
//!
//! It does one thing at a time: it reads only while no write is under way, so a peer can make us
//! hold no more than one answer to it.

use crate::member::{Member, Work};
use crate::register::Registration;
use crate::slow::{OnSlow, SlowConsumer};
use crate::timing::Timing;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use hydrant_feed::counters::SessionCounter;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_websockets::{CloseCode, Error, Limits, Message, ServerBuilder, WebSocketStream};

/// Largest message from a client. Readers of these streams have nothing to say, and it is ignored.
const CLIENT_MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// Serves a session from its upgrade to its end.
pub(crate) async fn run(
    upgrade: OnUpgrade,
    registration: Registration,
    timing: Timing,
    slow: Option<(OnSlow, String)>,
) {
    let Ok(upgraded) = upgrade.await else {
        return; // The connection ended before it was a WebSocket's.
    };
    let mut session = Session::new(upgraded, registration.member.clone(), timing);
    registration.member.state.set_note("connected");
    let end = session.serve().await;
    registration.settle(end.loss());
    registration.member.state.set_note(end.note());
    if let (End::Slow, Some((on_slow, forwarded_for))) = (end, slow) {
        let state = &registration.member.state;
        on_slow.tell(SlowConsumer {
            peer: state.peer.clone(),
            forwarded_for,
            path: state.name.clone(),
        });
    }
    session.close(end).await;
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The peer closed, broke the protocol or vanished.
    Gone,
    /// A write did not finish in time.
    Slow,
    /// A ping was not answered in time.
    Mute,
    /// We stop.
    Stopped,
}

impl End {
    const fn loss(self) -> SessionCounter {
        match self {
            Self::Slow => SessionCounter::Slow,
            Self::Gone | Self::Mute | Self::Stopped => SessionCounter::Gone,
        }
    }

    const fn note(self) -> &'static str {
        match self {
            Self::Gone => "closing: the peer is gone",
            Self::Slow => "closing: slow consumer",
            Self::Mute => "closing: no pong",
            Self::Stopped => "closing: we stop",
        }
    }

    /// The close frame that says so. Upstream gives a slow consumer 1000 without a reason; nozzles
    /// take 1008 for just this, so ours says it.
    fn close_frame(self, timing: &Timing) -> Option<Message> {
        let policy = CloseCode::POLICY_VIOLATION;
        match self {
            Self::Gone => None,
            Self::Slow => Some(Message::close(
                Some(policy),
                &format!(
                    "slow consumer: a write did not finish within {} ms",
                    timing.slow_after.as_millis()
                ),
            )),
            Self::Mute => Some(Message::close(
                Some(policy),
                "Client did not respond to ping before keep-alive timeout expired.",
            )),
            Self::Stopped => Some(Message::close(
                Some(CloseCode::GOING_AWAY),
                "the server is stopping",
            )),
        }
    }
}

struct Session {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    member: Arc<Member>,
    /// Of the frames that are being written, what the kernel has not taken.
    unsent: Bytes,
    timing: Timing,
    /// When the pong is due, or else the next ping.
    keepalive: Pin<Box<Sleep>>,
    awaits_pong: bool,
}

/// What a session waits for.
#[derive(Debug)]
enum Event {
    /// The peer said something; nothing is the end of the stream.
    Peer(Option<Result<Message, Error>>),
    Outbox(Work),
    Keepalive,
}

impl Session {
    fn new(upgraded: Upgraded, member: Arc<Member>, timing: Timing) -> Self {
        let stream = ServerBuilder::new()
            .limits(Limits::default().max_payload_len(Some(CLIENT_MESSAGE_BYTES_MAX)))
            .serve(TokioIo::new(upgraded));
        Self {
            stream,
            member,
            unsent: Bytes::new(),
            timing,
            keepalive: Box::pin(sleep(timing.ping_pause)),
            awaits_pong: false,
        }
    }

    async fn serve(&mut self) -> End {
        match self.serve_on().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn serve_on(&mut self) -> Result<Infallible, End> {
        self.ping().await?;
        loop {
            match poll_fn(|context| self.poll_event(context)).await {
                Event::Peer(said) => self.hear(said).await?,
                Event::Outbox(Work::Write) => self.write().await?,
                Event::Outbox(Work::Stop) => return Err(End::Stopped),
                Event::Keepalive if self.awaits_pong => return Err(End::Mute),
                Event::Keepalive => self.ping().await?,
            }
        }
    }

    /// The peer first: what it says is little, and its pong must be heard however much we write.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        if let Poll::Ready(said) = self.stream.poll_next_unpin(context) {
            return Poll::Ready(Event::Peer(said));
        }
        if let Poll::Ready(work) = self.member.poll_work(context) {
            return Poll::Ready(Event::Outbox(work));
        }
        self.keepalive
            .as_mut()
            .poll(context)
            .map(|()| Event::Keepalive)
    }

    async fn hear(&mut self, said: Option<Result<Message, Error>>) -> Result<(), End> {
        let Some(Ok(message)) = said else {
            return Err(End::Gone);
        };
        if message.is_close() {
            return Err(End::Gone);
        }
        if message.is_pong() && self.awaits_pong {
            self.awaits_pong = false;
            self.wake_in(self.timing.ping_pause);
        }
        if message.is_ping() {
            self.flush().await?; // The pong, before another ping can ask for one.
        }
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), End> {
        let ping = self.stream.send(Message::ping(Bytes::new()));
        in_time(&self.timing, ping).await?;
        self.awaits_pong = true;
        self.wake_in(self.timing.pong_within);
        Ok(())
    }

    /// Some of what waits: frames as they lie in the outbox, past the library, which has nothing to
    /// write now. They count as delivered when the kernel has them all; of a write that does not
    /// finish, nothing does.
    async fn write(&mut self) -> Result<(), End> {
        let Some(batch) = self.member.take() else {
            return Ok(());
        };
        let count = batch.envelopes().into();
        self.unsent = batch.into();
        let writing = write_whole(self.stream.get_mut(), &mut self.unsent);
        in_time(&self.timing, writing).await?;
        self.member.count(SessionCounter::Delivered, count);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), End> {
        in_time(&self.timing, self.stream.flush()).await
    }

    fn wake_in(&mut self, pause: Duration) {
        self.keepalive.as_mut().reset(Instant::now() + pause);
    }

    /// Says why, waits for the peer to say it too, ends the connection. A peer that does not listen
    /// misses the reason.
    async fn close(mut self, end: End) {
        let within = self.timing.close_within;
        let farewell = async {
            // A close frame cannot lie within another frame.
            let rest = write_whole(self.stream.get_mut(), &mut self.unsent);
            if rest.await.is_err() {
                return;
            }
            if let Some(frame) = end.close_frame(&self.timing) {
                self.stream.send(frame).await.ok();
            }
            self.stream.close().await.ok();
        };
        timeout(within, farewell).await.ok();
    }
}

/// A write, unless the peer takes too long over it.
async fn in_time<E>(
    timing: &Timing,
    write: impl Future<Output = Result<(), E>>,
) -> Result<(), End> {
    match timeout(timing.slow_after, write).await {
        Ok(written) => written.or(Err(End::Gone)),
        Err(_) => Err(End::Slow),
    }
}

/// Writes until the kernel has all: TLS would keep some for later.
async fn write_whole(io: &mut (impl AsyncWrite + Unpin), bytes: &mut Bytes) -> io::Result<()> {
    io.write_all_buf(bytes).await?;
    io.flush().await
}
