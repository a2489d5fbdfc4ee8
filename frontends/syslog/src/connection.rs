//! Connections to drains, and the runtime that they need: the one module that knows tokio-uring.
//!
//! tokio-uring has had no release since 2024, so that everything it is used for is here: to replace
//! it, replace [`runtime`], [`turn`] and the inside of [`Connection`].
//!
//! What has to be known of it:
//! - It tells the kernel of its submissions only when the runtime parks. A task that is always
//!   ready keeps it from parking, and nothing is written; hence [`turn`].
//! - An operation cannot be taken back. A future that is dropped leaves its operation in the
//!   kernel, and a runtime that is dropped frees the buffers of such operations before they have
//!   ended. So each operation here is awaited to its end, which [`Connection::abort`] brings about.
//! - Its connect can therefore not be given up. We connect with tokio and hand the socket over.
//! - With `DEFER_TASKRUN` nothing ever completes; without task-run flags at all, the kernel
//!   interrupts the thread for each completion.
//!
//! A write to a connection that the peer has reset raises SIGPIPE, which Rust's runtime ignores.

use crate::limits::{KEEPALIVE_MS, LINGER_MS, PEER_BUFFER_BYTES, RING_ENTRIES};
use bytes::Bytes;
use hydrant_feed::ending::Ending;
use socket2::{SockRef, TcpKeepalive};
use std::cell::RefCell;
use std::io;
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::lookup_host;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, timeout};
use tokio_uring::net::TcpStream;

pub(crate) use tokio_uring::Runtime;

/// A tokio runtime of one thread with an io_uring beside it.
///
/// # Errors
/// What the kernel said when asked for an io_uring.
pub(crate) fn runtime() -> io::Result<Runtime> {
    let mut ring = tokio_uring::uring_builder();
    ring.setup_coop_taskrun().setup_taskrun_flag();
    let mut builder = tokio_uring::builder();
    Runtime::new(builder.entries(RING_ENTRIES).uring_builder(&ring))
}

/// Lets every task go on until it waits, and then tells the kernel of all their writes at once.
pub(crate) async fn turn() {
    // An operation that does nothing: that it ends, even in an error, is all that it is for.
    tokio_uring::no_op().await.ok();
}

/// A TCP connection to a drain.
#[derive(Debug)]
pub(crate) struct Connection {
    shared: Rc<Shared>,
    watch: JoinHandle<()>,
}

struct Shared {
    stream: TcpStream,
    broken: RefCell<Option<io::Error>>,
}

/// How far a write came.
#[derive(Debug)]
pub(crate) struct Written {
    /// Bytes that the kernel took, from the beginning.
    pub(crate) count: usize,
    /// Why the kernel took no more; the connection is of no use then.
    pub(crate) outcome: io::Result<()>,
}

impl Connection {
    /// Resolves `host` anew and connects to the first of its addresses that answers, each having
    /// its share of `limit`. May be dropped while it waits. `when_broken` is called when the peer
    /// closes the connection or it breaks.
    ///
    /// # Errors
    /// What the resolver or the kernel said, of several addresses the last.
    pub(crate) async fn open(
        host: &str,
        port: u16,
        limit: Duration,
        when_broken: impl FnOnce() + 'static,
    ) -> io::Result<Self> {
        let stream = dial(host, port, limit).await?.into_std()?;
        stream.set_nodelay(true)?; // We make the batches.
        let every = Duration::from_millis(KEEPALIVE_MS);
        let keepalive = TcpKeepalive::new().with_time(every).with_interval(every);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        let shared = Rc::new(Shared {
            stream: TcpStream::from_std(stream),
            broken: RefCell::new(None),
        });
        let watch = spawn_local(watch(shared.clone(), when_broken));
        Ok(Self { shared, watch })
    }

    /// Whether the peer has closed the connection, or it broke.
    pub(crate) fn is_broken(&self) -> bool {
        self.shared.broken.borrow().is_some()
    }

    /// Why the connection is broken, if it is; asked twice it is not said again.
    pub(crate) fn take_broken(&self) -> Option<io::Error> {
        self.shared.broken.take()
    }

    /// Writes all of `bytes`, unless the connection breaks, the peer takes nothing for `stuck`, or
    /// the time is over. After an incomplete write the connection is of no use.
    ///
    /// What the kernel took may still be lost if the peer goes before it has read it: TCP tells
    /// nobody. A syslog receiver that must not lose such lines needs another protocol (RELP).
    pub(crate) async fn write(&self, bytes: &Bytes, stuck: Duration, ending: &Ending) -> Written {
        let mut count = 0;
        let mut outcome = Ok(());
        while outcome.is_ok() && count < bytes.len() {
            let rest = bytes.slice(count..);
            let mut write = self.shared.stream.write(rest).submit();
            let (result, _) = match ending.within(stuck, &mut write).await {
                Some(completed) => completed,
                None => {
                    outcome = Err(stuck_error(stuck));
                    self.abort();
                    write.await
                }
            };
            match result {
                Ok(0) => outcome = Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => count += taken,
                // The peer's close says more than that our write failed for it.
                Err(error) => {
                    outcome = outcome.and_then(|()| Err(self.take_broken().unwrap_or(error)));
                }
            }
        }
        Written { count, outcome }
    }

    /// Ends the connection in order: the peer sees all that was written, and then its end. Waits
    /// for the peer's own end, but not for long: closing before it would lose what the peer has not
    /// read, if it has said something meanwhile.
    pub(crate) async fn finish(mut self, ending: &Ending) {
        // It fails if the connection is gone already, and then the watch has ended.
        self.shared.stream.shutdown(Shutdown::Write).ok();
        let linger = Duration::from_millis(LINGER_MS);
        if ending.within(linger, &mut self.watch).await.is_none() {
            self.close().await;
        }
    }

    /// Closes the connection now. What the kernel took is still sent.
    pub(crate) async fn close(self) {
        self.abort();
        // The watch cannot panic, and its read ends now; with it the last use of the socket.
        self.watch.await.ok();
    }

    /// Ends what waits in the kernel.
    fn abort(&self) {
        // It fails if the connection is gone already, which is as well.
        self.shared.stream.shutdown(Shutdown::Both).ok();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

/// Reads until the peer closes, so that no line is written into a connection that is known to be
/// dead. Syslog receivers have nothing to say; if one does, we forget it.
async fn watch(shared: Rc<Shared>, when_broken: impl FnOnce()) {
    let mut buffer = Vec::with_capacity(PEER_BUFFER_BYTES);
    let error = loop {
        let (read, returned) = shared.stream.read(buffer).await;
        buffer = returned;
        match read {
            Ok(0) => break io::Error::new(io::ErrorKind::ConnectionAborted, "closed by the peer"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    shared.broken.replace(Some(error));
    shared.stream.shutdown(Shutdown::Both).ok(); // A write that waits ends.
    when_broken();
}

async fn dial(host: &str, port: u16, limit: Duration) -> io::Result<tokio::net::TcpStream> {
    let until = Instant::now() + limit;
    // Not on this thread, unless the host is an address.
    let addresses: Vec<_> = lookup_host((host, port)).await?.collect();
    let mut outcome = Err(io::Error::other("the name has no address"));
    for (index, address) in addresses.iter().enumerate() {
        let others = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let share = until.saturating_duration_since(Instant::now()) / others;
        let connecting = timeout(share, tokio::net::TcpStream::connect(address));
        outcome = connecting.await.unwrap_or_else(|_| Err(no_answer()));
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

/// The peer did not answer within the time for it.
pub(crate) fn no_answer() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

fn stuck_error(limit: Duration) -> io::Error {
    let problem = format!("the peer took nothing for {} ms", limit.as_millis());
    io::Error::new(io::ErrorKind::TimedOut, problem)
}
