//! Reading where nothing that was read is kept: all readers of a run, which are done with what came
//! before the next one reads, have it put into one buffer.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::yield_now;

/// Bytes of one read, at most.
const READ_BYTES: usize = 256 * 1024;

/// The buffer of a run.
#[derive(Clone, Debug)]
pub struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Default for Buffer {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(vec![0; READ_BYTES])))
    }
}

impl Buffer {
    /// Reads what there is, and lets `take` have it: nothing at the stream's end.
    ///
    /// # Errors
    /// The connection is broken.
    pub async fn read<T>(
        &self,
        stream: &mut TcpStream,
        mut take: impl FnMut(&[u8]) -> T,
    ) -> io::Result<T> {
        let read = poll_fn(|context| self.poll_read(context, stream, &mut take));
        let (bytes, taken) = read.await?;
        if bytes == READ_BYTES {
            yield_now().await; // There is more, and others have waited.
        }
        Ok(taken)
    }

    fn poll_read<T>(
        &self,
        context: &mut Context<'_>,
        stream: &mut TcpStream,
        take: impl FnOnce(&[u8]) -> T,
    ) -> Poll<io::Result<(usize, T)>> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut read = ReadBuf::new(&mut buffer);
        ready!(Pin::new(stream).poll_read(context, &mut read))?;
        let piece = read.filled();
        Poll::Ready(Ok((piece.len(), take(piece))))
    }
}
