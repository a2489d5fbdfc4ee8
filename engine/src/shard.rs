//! The loop of one core: everything that has arrived, then everything that must leave.

use crate::clock::UnixNanos;
use crate::counters::{Counter, Loss, ShardCounters};
use crate::decode::{self, SourceMemo};
use crate::ingest::{Entry, Ingest};
use crate::kernel::{ConnectionIndex, End, Event, Kernel, ListenerIndex, Verdict};
use crate::lanes::Lanes;
use crate::limits::{COMPLETIONS_PER_TURN_MAX, IDLE_WAIT_MS};
use crate::route::Routes;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// A shard: a kernel's end, and the path from its completions to the lanes.
#[derive(Debug)]
pub struct Shard<K> {
    kernel: K,
    path: Path,
}

/// Ingest → decode → route → publish, with the counting of what is lost on the way.
#[derive(Debug)]
struct Path {
    ingest: Ingest,
    out: Out,
}

#[derive(Debug)]
struct Out {
    sources: SourceMemo,
    routes: Routes,
    lanes: Lanes,
    counters: Arc<ShardCounters>,
    now: UnixNanos,
}

impl<K: Kernel> Shard<K> {
    /// All that a shard owns. After this it takes no more memory.
    pub fn new(
        kernel: K,
        ingest: Ingest,
        routes: Routes,
        lanes: Lanes,
        counters: Arc<ShardCounters>,
    ) -> Self {
        let out = Out {
            sources: SourceMemo::default(),
            routes,
            lanes,
            counters,
            now: UnixNanos::default(),
        };
        Self {
            kernel,
            path: Path { ingest, out },
        }
    }

    /// One turn: waits until something has completed, takes it all (up to a limit) to the lanes,
    /// shows the lanes' readers. Returns how many completions it was.
    ///
    /// # Errors
    /// Only what makes further work impossible.
    pub fn turn(&mut self) -> io::Result<usize> {
        self.wait(Duration::from_millis(IDLE_WAIT_MS))?;
        Ok(self.take())
    }

    /// Stops taking connections and goes on until nothing is at hand any more.
    ///
    /// # Errors
    /// As [`turn`](Self::turn).
    pub fn drain(&mut self, timeout: Duration) -> io::Result<()> {
        self.kernel.stop_accepting();
        let start = self.kernel.now();
        loop {
            self.wait(Duration::from_millis(1))?;
            let count = self.take();
            let elapsed = self.kernel.now().since(start);
            if count == 0 || Duration::from_nanos(elapsed) > timeout {
                return Ok(());
            }
        }
    }

    /// The kernel's end, for whoever simulates it.
    pub fn kernel_mut(&mut self) -> &mut K {
        &mut self.kernel
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        self.kernel.wait(timeout)
    }

    fn take(&mut self) -> usize {
        let Self { kernel, path } = self;
        path.out.now = kernel.now();
        path.out.routes.refresh();
        let count = kernel.reap(COMPLETIONS_PER_TURN_MAX, &mut |event| path.event(event));
        path.out.lanes.commit();
        path.out
            .counters
            .set_kernel_dropped(kernel.dropped(count == 0));
        if count > 0 {
            path.out.counters.turn(kernel.now().since(path.out.now));
        }
        count
    }
}

impl Path {
    #[inline]
    fn event(&mut self, event: Event<'_>) -> Verdict {
        match event {
            Event::Chunk { connection, bytes } => return self.chunk(connection, bytes),
            Event::Datagrams {
                listener,
                bytes,
                segment_bytes,
                truncated,
            } => {
                self.datagrams(listener, bytes, segment_bytes, truncated);
            }
            Event::Opened {
                connection,
                listener,
            } => {
                self.out.count(Counter::ConnectionsOpened);
                self.ingest.open(connection, listener);
            }
            Event::Closed { connection, end } => self.closed(connection, end),
            Event::Refused => self.out.count(Counter::ConnectionsRefused),
            Event::NoBuffers => self.out.count(Counter::NoBuffers),
            Event::CqOverflow(count) => {
                self.out.counters.add(Counter::CqOverflow, count.into());
            }
            Event::Failed => self.out.count(Counter::KernelErrors),
            Event::Woken => {}
        }
        Verdict::Keep
    }

    #[inline]
    fn chunk(&mut self, connection: ConnectionIndex, bytes: &[u8]) -> Verdict {
        let Self { ingest, out } = self;
        out.counters.add(Counter::BytesReceived, bytes.len() as u64);
        let outcome = ingest.chunk(connection, bytes, |entry, frame| out.frame(entry, frame));
        if outcome.is_ok() {
            return Verdict::Keep;
        }
        out.lost(Loss::FrameOversize);
        Verdict::Close
    }

    #[inline]
    fn datagrams(
        &mut self,
        listener: ListenerIndex,
        bytes: &[u8],
        segment_bytes: usize,
        truncated: bool,
    ) {
        let Self { ingest, out } = self;
        out.counters.add(Counter::BytesReceived, bytes.len() as u64);
        if truncated {
            out.count(Counter::Datagrams);
            out.lost(Loss::DatagramTruncated);
            return;
        }
        ingest.datagrams(listener, bytes, segment_bytes, |entry, frame| {
            out.count(Counter::Datagrams);
            match frame {
                Ok(frame) => out.frame(entry, frame),
                Err(loss) => out.lost(loss),
            }
        });
    }

    fn closed(&mut self, connection: ConnectionIndex, end: End) {
        self.out.count(match end {
            End::Ended => Counter::ConnectionsEnded,
            End::Reset => Counter::ConnectionsReset,
            End::Cut => Counter::ConnectionsCut,
        });
        if let Some(loss) = self.ingest.close(connection, end) {
            self.out.lost(loss);
        }
    }
}

impl Out {
    /// The path of every frame; its losses are counted on one line.
    #[inline]
    fn frame(&mut self, entry: Entry, frame: &[u8]) {
        self.count(Counter::Received);
        let published = decode::envelope(frame, entry.version, entry.source_rule)
            .and_then(|envelope| check_event(entry, envelope))
            .map(|envelope| self.publish(&envelope));
        if let Err(loss) = published {
            self.counters.lose(loss);
        }
    }

    #[inline]
    fn publish(&mut self, envelope: &decode::Envelope<'_>) {
        self.count(Counter::Decoded);
        let source_hash = self.sources.hash(&envelope.source);
        let header = envelope.header_with(self.now, source_hash);
        self.lanes
            .publish(self.routes.of(&header), &header, envelope.bytes);
    }

    /// A frame that was lost before it could be read.
    fn lost(&self, loss: Loss) {
        self.count(Counter::Received);
        self.counters.lose(loss);
    }

    #[inline]
    fn count(&self, counter: Counter) {
        self.counters.add(counter, 1);
    }
}

#[inline]
fn check_event(entry: Entry, envelope: decode::Envelope<'_>) -> Result<decode::Envelope<'_>, Loss> {
    if entry.needs_event && !envelope.has_event {
        Err(Loss::EventMissing)
    } else {
        Ok(envelope)
    }
}
