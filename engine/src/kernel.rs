//! The one seam between the engine and the outside: what a shard asks of the kernel.
//!
//! In life it is [`uring`](crate::uring); in tests a simulation driven by a seed. Buffers are lent
//! to the handler for the time of one call and go back in the same turn.

use crate::clock::UnixNanos;
use std::io;
use std::time::Duration;

/// A TCP connection's place in its shard's table; reused after the connection's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConnectionIndex(pub u32);

/// A listener's place in the config's list of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerIndex(pub usize);

/// Something that the kernel has completed.
#[derive(Clone, Copy, Debug)]
pub enum Event<'b> {
    /// One or more datagrams of one sender, received as a train: all of `segment_bytes` but the
    /// last, which may be shorter.
    Datagrams {
        /// Which UDP listener took it.
        listener: ListenerIndex,
        /// The train, end to end.
        bytes: &'b [u8],
        /// Bytes of each datagram; never 0.
        segment_bytes: usize,
        /// The buffer was too small for the datagram.
        truncated: bool,
    },
    /// A connection was accepted.
    Opened {
        /// Where it is from now on.
        connection: ConnectionIndex,
        /// Which TCP listener took it.
        listener: ListenerIndex,
    },
    /// Bytes of a connection, in order.
    Chunk {
        /// Whose.
        connection: ConnectionIndex,
        /// As many as came; never none.
        bytes: &'b [u8],
    },
    /// A connection is over; its index may come again in an `Opened`.
    Closed {
        /// Whose.
        connection: ConnectionIndex,
        /// How.
        end: End,
    },
    /// An incoming connection could not be taken and was closed.
    Refused,
    /// A receive found no free buffer. It is armed again.
    NoBuffers,
    /// Completions that did not fit the queue since the last event of this kind.
    CqOverflow(u32),
    /// An operation failed for a reason of the kernel's. It is armed again.
    Failed,
    /// Somebody rang the shard's bell.
    Woken,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer closed in order.
    Ended,
    /// The connection broke.
    Reset,
    /// We closed it, as the handler's [`Verdict`] said.
    Cut,
}

/// What is to become of a connection after a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Go on.
    Keep,
    /// Close it: no more chunks of it come, and then a `Closed` with [`End::Cut`].
    Close,
}

/// The kernel, as a shard sees it.
pub trait Kernel {
    /// The wall clock; read once a turn.
    fn now(&mut self) -> UnixNanos;

    /// Submits what is armed and waits until something has completed, or for `timeout`. One system
    /// call. Does not wait if completions are at hand.
    ///
    /// # Errors
    /// Only what makes further work impossible.
    fn wait(&mut self, timeout: Duration) -> io::Result<()>;

    /// Hands at most `max` completions to `handler` and takes their buffers back. Returns how many.
    fn reap(&mut self, max: usize, handler: &mut impl FnMut(Event<'_>) -> Verdict) -> usize;

    /// Socket buffers dropped at the UDP sockets since the start: as told with the datagrams, or, if
    /// `ask`, as the sockets say now.
    fn dropped(&mut self, ask: bool) -> u64;

    /// Stops accepting connections; what is connected goes on.
    fn stop_accepting(&mut self);
}
