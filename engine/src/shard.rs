//! The loop of one core: everything that has arrived, then everything that must leave.

use crate::counters::{Counter, Loss};
use crate::ingest::Ingest;
use crate::intake::Intake;
use crate::kernel::{ConnectionIndex, End, Event, Kernel, ListenerIndex, Verdict};
use crate::limits::{COMPLETIONS_PER_TURN_MAX, IDLE_WAIT_MS};
use std::io;
use std::time::Duration;

/// A shard: a kernel's end, and the path from its completions to the lanes.
#[derive(Debug)]
pub struct Shard<K> {
    kernel: K,
    path: Path,
}

/// From completions to frames, and what becomes of them.
#[derive(Debug)]
struct Path {
    ingest: Ingest,
    out: Intake,
}

impl<K: Kernel> Shard<K> {
    /// All that a shard owns. After this it takes no more memory.
    pub const fn new(kernel: K, ingest: Ingest, out: Intake) -> Self {
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
        path.out.start_turn(kernel.now());
        let count = kernel.reap(COMPLETIONS_PER_TURN_MAX, &mut |event| path.event(event));
        path.out.commit();
        let counters = path.out.counters();
        counters.set_kernel_dropped(kernel.dropped(count == 0));
        if count > 0 {
            counters.turn(kernel.now().since(path.out.now()));
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
                self.out.count(Counter::ConnectionsOpened, 1);
                self.ingest.open(connection, listener);
            }
            Event::Closed { connection, end } => self.closed(connection, end),
            Event::Refused => self.out.count(Counter::ConnectionsRefused, 1),
            Event::NoBuffers => self.out.count(Counter::NoBuffers, 1),
            Event::CqOverflow(count) => {
                self.out.count(Counter::CqOverflow, count.into());
            }
            Event::Failed => self.out.count(Counter::KernelErrors, 1),
            Event::Woken => {}
        }
        Verdict::Keep
    }

    #[inline]
    fn chunk(&mut self, connection: ConnectionIndex, bytes: &[u8]) -> Verdict {
        let Self { ingest, out } = self;
        out.count(Counter::BytesReceived, bytes.len() as u64);
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
        out.count(Counter::BytesReceived, bytes.len() as u64);
        if truncated {
            out.count(Counter::Datagrams, 1);
            out.lost(Loss::DatagramTruncated);
            return;
        }
        ingest.datagrams(listener, bytes, segment_bytes, |entry, frame| {
            out.count(Counter::Datagrams, 1);
            match frame {
                Ok(frame) => out.frame(entry, frame),
                Err(loss) => out.lost(loss),
            }
        });
    }

    fn closed(&mut self, connection: ConnectionIndex, end: End) {
        let counter = match end {
            End::Ended => Counter::ConnectionsEnded,
            End::Reset => Counter::ConnectionsReset,
            End::Cut => Counter::ConnectionsCut,
        };
        self.out.count(counter, 1);
        if let Some(loss) = self.ingest.close(connection, end) {
            self.out.lost(loss);
        }
    }
}
