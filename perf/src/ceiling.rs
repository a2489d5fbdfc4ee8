//! The bare kernel's ceiling: the engine's receive calls, sockets and buffers, with nothing behind
//! them. What arrives is counted and forgotten.

use hydrant_engine::config::EngineConfig;
use hydrant_engine::engine::pin_to;
use hydrant_engine::kernel::{Event, Kernel, Verdict};
use hydrant_engine::limits::{COMPLETIONS_PER_TURN_MAX, IDLE_WAIT_MS};
use hydrant_engine::ring::{EventFd, Wake};
use hydrant_engine::uring::{Sockets, Uring};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A running receive loop.
#[derive(Debug)]
pub struct Ceiling {
    thread: JoinHandle<io::Result<()>>,
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    bell: Arc<EventFd>,
    address: SocketAddr,
}

/// What has arrived; written once a turn.
#[derive(Debug, Default)]
pub struct Counts {
    /// Payload bytes.
    pub bytes: AtomicU64,
    /// Datagrams, each counted also within a train.
    pub datagrams: AtomicU64,
    /// Completions that brought bytes.
    pub completions: AtomicU64,
    /// Turns of the loop in which something had completed.
    pub turns: AtomicU64,
    /// Times a receive stopped because all its buffers were in use.
    pub no_buffers: AtomicU64,
    /// Socket buffers dropped by the kernel.
    pub kernel_dropped: AtomicU64,
}

/// A turn's counts.
#[derive(Default)]
struct Turn {
    bytes: usize,
    datagrams: usize,
    completions: u64,
    no_buffers: u64,
}

impl Ceiling {
    /// Listens where the config's first UDP listener says, or its first TCP listener if it has
    /// none, and receives on `core`.
    ///
    /// # Errors
    /// If there is no such address, socket, ring or thread.
    pub fn start(config: &EngineConfig, core: usize) -> io::Result<Self> {
        let mut sockets = Sockets::default();
        let address = open(config, &mut sockets)?;
        let (counts, stop) = (Arc::<Counts>::default(), Arc::<AtomicBool>::default());
        let bell = Arc::new(EventFd::new()?);
        let (ready, is_ready) = channel();
        let receive = {
            let (config, bell) = (config.clone(), bell.clone());
            let (counts, stop) = (counts.clone(), stop.clone());
            move || {
                pin_to(core)?;
                let ring = Uring::new(&config, sockets, bell).map_err(io::Error::other)?;
                serve(ring, &counts, &stop, &ready)
            }
        };
        let thread = thread::Builder::new()
            .name(thread_name(core))
            .spawn(receive)?;
        if is_ready.recv().is_err() {
            let ended = io::Error::other("the ceiling ended at once");
            return join(thread).and_then(|()| Err(ended));
        }
        Ok(Self {
            thread,
            counts,
            stop,
            bell,
            address,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What has arrived.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Ends the loop.
    ///
    /// # Errors
    /// What made it fail before.
    pub fn stop(self) -> io::Result<()> {
        self.stop.store(true, Ordering::Release);
        self.bell.wake();
        join(self.thread)
    }
}

/// The name of the thread on this core.
pub fn thread_name(core: usize) -> String {
    format!("ceiling-{core}")
}

fn join(thread: JoinHandle<io::Result<()>>) -> io::Result<()> {
    match thread.join() {
        Ok(outcome) => outcome,
        Err(_) => Err(io::Error::other("the ceiling's thread panicked")),
    }
}

fn open(config: &EngineConfig, sockets: &mut Sockets) -> io::Result<SocketAddr> {
    if let Some(udp) = config.udp.first() {
        let bytes = usize::try_from(config.udp_receive_bytes.as_u64()).unwrap_or(usize::MAX);
        return sockets.open_udp(udp.address, bytes);
    }
    match config.tcp.first() {
        Some(tcp) => sockets.open_tcp(tcp.address),
        None => Err(io::Error::other("the config has no listener")),
    }
}

/// The shard's turn without its path: one wait, up to so many completions, one look at the clock.
fn serve(
    mut kernel: Uring,
    counts: &Counts,
    stop: &AtomicBool,
    ready: &Sender<()>,
) -> io::Result<()> {
    ready.send(()).map_err(io::Error::other)?;
    while !stop.load(Ordering::Acquire) {
        kernel.wait(Duration::from_millis(IDLE_WAIT_MS))?;
        kernel.now();
        let mut turn = Turn::default();
        let count = kernel.reap(COMPLETIONS_PER_TURN_MAX, &mut |event| turn.event(&event));
        let dropped = kernel.dropped(count == 0);
        turn.add_to(counts, count > 0);
        counts.kernel_dropped.store(dropped, Ordering::Relaxed);
    }
    Ok(())
}

impl Turn {
    #[inline]
    fn event(&mut self, event: &Event<'_>) -> Verdict {
        match event {
            Event::Datagrams {
                bytes,
                segment_bytes,
                ..
            } => {
                self.bytes += bytes.len();
                self.datagrams += bytes.len().div_ceil(*segment_bytes);
                self.completions += 1;
            }
            Event::Chunk { bytes, .. } => {
                self.bytes += bytes.len();
                self.completions += 1;
            }
            Event::NoBuffers => self.no_buffers += 1,
            _ => {}
        }
        Verdict::Keep
    }

    fn add_to(&self, counts: &Counts, is_turn: bool) {
        let add = |total: &AtomicU64, more: u64| {
            // One thread writes.
            total.store(total.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        };
        add(&counts.bytes, self.bytes as u64);
        add(&counts.datagrams, self.datagrams as u64);
        add(&counts.completions, self.completions);
        add(&counts.turns, u64::from(is_turn));
        add(&counts.no_buffers, self.no_buffers);
    }
}
