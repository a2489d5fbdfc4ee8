//! Connections to drains, and the runtime that they need: with [`disk`](crate::disk) the one module
//! that knows tokio-uring.
//!
//! tokio-uring has had no release since 2024, so that everything it is used for is here and there: to
//! replace it, replace [`runtime`], [`turn`] and the inside of [`Connection`] and of `DiskFile`.
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

use crate::limits::{LINGER_MS, PEER_BUFFER_BYTES, RING_ENTRIES};
use bytes::Bytes;
use hydrant_feed::ending::Ending;
use std::cell::RefCell;
use std::io;
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;
use tokio::task::{JoinHandle, spawn_local};
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
    /// Takes a connection over. `hear` is given what the peer says, and may find that it is the end;
    /// `when_broken` is called when the peer closes the connection or it breaks.
    ///
    /// # Errors
    /// What the kernel said.
    pub(crate) fn new(
        stream: tokio::net::TcpStream,
        hear: impl FnMut(&[u8]) -> io::Result<()> + 'static,
        when_broken: impl FnOnce() + 'static,
    ) -> io::Result<Self> {
        let shared = Rc::new(Shared {
            stream: TcpStream::from_std(stream.into_std()?),
            broken: RefCell::new(None),
        });
        let watch = spawn_local(watch(shared.clone(), hear, when_broken));
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
/// dead.
async fn watch(
    shared: Rc<Shared>,
    mut hear: impl FnMut(&[u8]) -> io::Result<()>,
    when_broken: impl FnOnce(),
) {
    let mut buffer = Vec::with_capacity(PEER_BUFFER_BYTES);
    let error = loop {
        let (read, returned) = shared.stream.read(buffer).await;
        buffer = returned;
        let heard = match read {
            Ok(0) => Err(closed()),
            Ok(count) => hear(&buffer[..count]),
            Err(error) => Err(error),
        };
        if let Err(error) = heard {
            break error;
        }
    };
    shared.broken.replace(Some(error));
    shared.stream.shutdown(Shutdown::Both).ok(); // A write that waits ends.
    when_broken();
}

/// The peer said that it ends.
pub(crate) fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "closed by the peer")
}

fn stuck_error(limit: Duration) -> io::Error {
    let problem = format!("the peer took nothing for {} ms", limit.as_millis());
    io::Error::new(io::ErrorKind::TimedOut, problem)
}
