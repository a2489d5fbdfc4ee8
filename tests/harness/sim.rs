//! A kernel made of chance: a shard over it meets in seconds what a network does in years, and an
//! oracle knows what the shard has to make of it.

mod dials;
mod oracle;
mod ports;
mod run;
mod stream;
mod traffic;
mod train;

pub use dials::{Dials, Happening};
pub use oracle::{Lie, Oracle, Wish};
pub use ports::config;
pub use run::{Outcome, Run};

use crate::random::{Rng, chance, pick};
use hydrant_engine::clock::UnixNanos;
use hydrant_engine::counters::{Counter, Loss};
use hydrant_engine::kernel::{ConnectionIndex, End, Event, Kernel, ListenerIndex, Verdict};
use ports::{CONNECTIONS_MAX, TCP, UDP};
use std::io;
use std::time::Duration;
use stream::Stream;
use traffic::Traffic;
use train::Train;

/// The simulated end of a shard's kernel.
#[derive(Debug)]
pub struct SimKernel {
    random: Rng,
    dials: Dials,
    traffic: Traffic,
    streams: Vec<Option<Stream>>,
    oracle: Oracle,
    clock: UnixNanos,
    dropped: u64,
    turn: Turn,
    is_stopping: bool,
}

/// What the kernel knows of the shard's turn.
#[derive(Debug, Default)]
struct Turn {
    began: UnixNanos,
    reaped: usize,
    is_open: bool,
}

impl SimKernel {
    /// All that it will ever do follows from `random` and the dials.
    pub fn new(mut random: Rng, dials: Dials, lane_count: usize) -> Self {
        Self {
            traffic: Traffic::new(random.fork(), dials.malformed_percent),
            streams: (0..CONNECTIONS_MAX).map(|_| None).collect(),
            oracle: Oracle::new(lane_count),
            clock: UnixNanos(1_700_000_000_000_000_000),
            dropped: 0,
            turn: Turn::default(),
            is_stopping: false,
            random,
            dials,
        }
    }

    /// What the shard must have counted and published by now.
    pub fn oracle_mut(&mut self) -> &mut Oracle {
        &mut self.oracle
    }

    /// Whether every byte of every connection was handed over and every connection closed.
    pub fn is_drained(&self) -> bool {
        self.streams.iter().all(Option::is_none)
    }

    /// Does one thing, if there is one to do.
    fn happen(&mut self, handler: &mut impl FnMut(Event<'_>) -> Verdict) -> bool {
        if self.is_stopping {
            return self.wind_up(handler);
        }
        match self.dials.happening(&mut self.random) {
            Happening::Train => self.train(handler),
            Happening::Truncated => self.truncated(handler),
            Happening::Opened => return self.open(handler),
            Happening::Chunk => return self.chunk(handler),
            Happening::Closed => return self.close(handler),
            Happening::Refused => self.tell(Counter::ConnectionsRefused, Event::Refused, handler),
            Happening::NoBuffers => self.tell(Counter::NoBuffers, Event::NoBuffers, handler),
            Happening::Failed => self.tell(Counter::KernelErrors, Event::Failed, handler),
            Happening::Woken => self.give(Event::Woken, handler),
            Happening::CqOverflow => {
                let count = self.random.u32(1..1000);
                self.oracle.count(Counter::CqOverflow, count.into());
                self.give(Event::CqOverflow(count), handler);
            }
        }
        true
    }

    fn tell(
        &mut self,
        counter: Counter,
        event: Event<'_>,
        handler: &mut impl FnMut(Event<'_>) -> Verdict,
    ) {
        self.oracle.count(counter, 1);
        self.give(event, handler);
    }

    /// An event on which the handler has nothing to decide.
    fn give(&mut self, event: Event<'_>, handler: &mut impl FnMut(Event<'_>) -> Verdict) {
        if handler(event) == Verdict::Close {
            self.oracle
                .fault(format!("the verdict on {event:?} is to close"));
        }
    }

    /// Datagrams of one sender.
    fn train(&mut self, handler: &mut impl FnMut(Event<'_>) -> Verdict) {
        let listener = self.random.usize(0..UDP.len());
        let port = UDP[listener];
        let train = Train::new(
            &mut self.traffic,
            &mut self.random,
            port,
            self.dials.train_max,
        );
        for (envelope, fate) in &train.datagrams {
            self.oracle.count(Counter::Datagrams, 1);
            self.oracle.frame(envelope, *fate, port, self.turn.began);
        }
        self.oracle
            .count(Counter::BytesReceived, train.bytes.len() as u64);
        let event = Event::Datagrams {
            listener: ListenerIndex(listener),
            bytes: &train.bytes,
            segment_bytes: train.segment_bytes,
            truncated: false,
        };
        self.give(event, handler);
    }

    fn truncated(&mut self, handler: &mut impl FnMut(Event<'_>) -> Verdict) {
        let mut bytes = vec![0; self.random.usize(1..2000)];
        self.random.fill(&mut bytes);
        self.oracle.count(Counter::Datagrams, 1);
        self.oracle
            .count(Counter::BytesReceived, bytes.len() as u64);
        self.oracle.lost(Loss::DatagramTruncated);
        let event = Event::Datagrams {
            listener: ListenerIndex(self.random.usize(0..UDP.len())),
            bytes: &bytes,
            segment_bytes: self.random.usize(1..=bytes.len()),
            truncated: true,
        };
        self.give(event, handler);
    }

    fn open(&mut self, handler: &mut impl FnMut(Event<'_>) -> Verdict) -> bool {
        let Some(slot) = self.streams.iter().position(Option::is_none) else {
            return false;
        };
        let listener = self.random.usize(0..TCP.len());
        self.streams[slot] = Some(Stream::new(TCP[listener]));
        let event = Event::Opened {
            connection: index(slot),
            listener: ListenerIndex(listener),
        };
        self.tell(Counter::ConnectionsOpened, event, handler);
        true
    }

    fn chunk(&mut self, handler: &mut impl FnMut(Event<'_>) -> Verdict) -> bool {
        let Some(slot) = self.pick_stream(Stream::is_followed) else {
            return false;
        };
        let Some(stream) = &mut self.streams[slot] else {
            return false;
        };
        if stream.is_spent() || chance(&mut self.random, self.dials.refill_percent) {
            stream.refill(&mut self.traffic, &mut self.random, &self.dials);
        }
        self.deliver(slot, handler);
        true
    }

    /// Hands over some of what a stream has left.
    fn deliver(&mut self, slot: usize, handler: &mut impl FnMut(Event<'_>) -> Verdict) {
        let Some(stream) = &mut self.streams[slot] else {
            return;
        };
        let byte_count = stream.chunk_bytes(&mut self.random);
        let bytes = stream.take(byte_count, &mut self.oracle, self.turn.began);
        self.oracle
            .count(Counter::BytesReceived, bytes.len() as u64);
        let connection = index(slot);
        let verdict = handler(Event::Chunk { connection, bytes });
        let expected = if stream.is_followed() {
            Verdict::Keep
        } else {
            Verdict::Close
        };
        if verdict != expected {
            self.oracle
                .fault(format!("a chunk's verdict is {verdict:?}"));
        }
    }

    /// The peer's end of a connection, or the end of one that the shard has cut.
    fn close(&mut self, handler: &mut impl FnMut(Event<'_>) -> Verdict) -> bool {
        let Some(slot) = self.pick_stream(|_| true) else {
            return false;
        };
        let end = *pick(&mut self.random, &[End::Ended, End::Reset]);
        self.end(slot, end, handler);
        true
    }

    fn end(&mut self, slot: usize, end: End, handler: &mut impl FnMut(Event<'_>) -> Verdict) {
        let Some(stream) = self.streams[slot].take() else {
            return;
        };
        let end = if stream.is_followed() { end } else { End::Cut };
        if end != End::Cut && stream.is_inside() {
            self.oracle.lost(Loss::FrameCut);
        }
        let counter = match end {
            End::Ended => Counter::ConnectionsEnded,
            End::Reset => Counter::ConnectionsReset,
            End::Cut => Counter::ConnectionsCut,
        };
        let connection = index(slot);
        self.tell(counter, Event::Closed { connection, end }, handler);
    }

    /// What is on its way still comes; nothing new.
    fn wind_up(&mut self, handler: &mut impl FnMut(Event<'_>) -> Verdict) -> bool {
        let Some(slot) = self.pick_stream(|_| true) else {
            return false;
        };
        if self.streams[slot].as_ref().is_some_and(Stream::has_more) {
            self.deliver(slot, handler);
        } else {
            self.end(slot, End::Ended, handler);
        }
        true
    }

    fn pick_stream(&mut self, is_fit: impl Fn(&Stream) -> bool) -> Option<usize> {
        let fit = |stream: &Option<Stream>| stream.as_ref().is_some_and(&is_fit);
        let slots = (0..self.streams.len()).filter(|slot| fit(&self.streams[*slot]));
        let slots: Vec<_> = slots.collect();
        (!slots.is_empty()).then(|| *pick(&mut self.random, &slots))
    }

    fn tick(&mut self) {
        let jump = if self.is_stopping {
            0
        } else {
            self.dials.clock_jump_percent
        };
        let hour = 3_600_000_000_000;
        self.clock.0 += self.random.u64(0..2_000_000);
        if chance(&mut self.random, jump) {
            self.clock.0 = self.clock.0 + self.random.u64(0..hour) - hour / 2;
        }
    }
}

impl Kernel for SimKernel {
    fn now(&mut self) -> UnixNanos {
        self.tick();
        if self.turn.is_open {
            self.turn.is_open = false;
            let nanos = self.clock.since(self.turn.began);
            self.oracle.count(Counter::Turns, 1);
            self.oracle.count(Counter::TurnNanos, nanos);
        } else {
            self.turn.began = self.clock;
        }
        self.clock
    }

    fn wait(&mut self, _timeout: Duration) -> io::Result<()> {
        Ok(())
    }

    fn reap(&mut self, max: usize, handler: &mut impl FnMut(Event<'_>) -> Verdict) -> usize {
        let wanted = self
            .dials
            .completions(&mut self.random, max, self.is_stopping);
        let mut count = 0;
        for _ in 0..wanted {
            count += usize::from(self.happen(handler));
        }
        self.turn.reaped = count;
        self.turn.is_open = count > 0;
        count
    }

    fn dropped(&mut self, ask: bool) -> u64 {
        if ask != (self.turn.reaped == 0) {
            self.oracle.fault(format!(
                "ask is {ask} after {} completions",
                self.turn.reaped
            ));
        }
        self.dropped += self.random.u64(0..3);
        self.oracle.set_kernel_dropped(self.dropped);
        self.dropped
    }

    fn stop_accepting(&mut self) {
        self.is_stopping = true;
    }
}

fn index(slot: usize) -> ConnectionIndex {
    ConnectionIndex(u32::try_from(slot).unwrap_or(u32::MAX))
}
