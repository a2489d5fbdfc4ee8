//! How much of a stream's messages has left: the payload of HTTP/2's DATA frames, counted where it
//! goes to TLS or to the kernel. HTTP/2 itself keeps some hundred KB of what it is given, and does not
//! tell what became of that when a connection breaks.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// RFC 9113, section 3.4: what a client sends first.
const PREFACE_BYTES: usize = 24;
/// RFC 9113, section 4.1: length, type, flags, stream.
const HEADER_BYTES: usize = 9;
const DATA: u8 = 0;

/// The count of a connection. Cheap to clone; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Sent(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    bytes: AtomicU64,
    begun_bytes: AtomicU64,
    more: Notify,
    is_closed: AtomicBool,
    closed: Notify,
}

impl Sent {
    /// Bytes of messages, their prefixes among them, that the kernel has, of all streams of the
    /// connection together.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Acquire)
    }

    /// The same, and with it what may have left in part: it has gone to TLS.
    pub fn begun_bytes(&self) -> u64 {
        self.0.begun_bytes.load(Ordering::Acquire)
    }

    /// Waits until the connection is closed: until then HTTP/2 may still write what it has, even if
    /// nobody holds the channel any more. For one who waits.
    pub async fn closed(&self) {
        while !self.0.is_closed.load(Ordering::Acquire) {
            self.0.closed.notified().await;
        }
    }

    /// Waits until there are more; at once if there were since the last wait. For one who waits.
    pub async fn more(&self) {
        self.0.more.notified().await;
    }

    fn set(&self, bytes: u64) {
        if self.0.bytes.swap(bytes, Ordering::AcqRel) != bytes {
            self.0.more.notify_one();
        }
    }
}

/// A client's end of a connection of HTTP/2 whose DATA is counted.
#[derive(Debug)]
pub(super) struct Counted<T> {
    transport: T,
    frames: Frames,
    sent: Sent,
}

impl<T> Counted<T> {
    pub(super) fn new(transport: T, sent: Sent) -> Self {
        Self {
            transport,
            frames: Frames::default(),
            sent,
        }
    }

    fn follow(&mut self, written: &[u8]) {
        self.frames.follow(written);
        let begun = &self.sent.0.begun_bytes;
        begun.store(self.frames.data_bytes, Ordering::Release);
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        self.sent.0.is_closed.store(true, Ordering::Release);
        self.sent.0.closed.notify_one();
    }
}

/// Follows what a client writes, wherever it is cut.
#[derive(Debug)]
struct Frames {
    /// Of the preface, or of the frame's payload.
    skipped_left: usize,
    is_data: bool,
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    data_bytes: u64,
}

impl Default for Frames {
    fn default() -> Self {
        Self {
            skipped_left: PREFACE_BYTES,
            is_data: false,
            header: [0; HEADER_BYTES],
            header_bytes: 0,
            data_bytes: 0,
        }
    }
}

impl Frames {
    fn follow(&mut self, mut written: &[u8]) {
        while !written.is_empty() {
            let taken = if self.skipped_left > 0 {
                self.payload(written.len())
            } else {
                self.header(written)
            };
            written = &written[taken..];
        }
    }

    fn payload(&mut self, most: usize) -> usize {
        let taken = self.skipped_left.min(most);
        self.skipped_left -= taken;
        if self.is_data {
            self.data_bytes += taken as u64;
        }
        taken
    }

    fn header(&mut self, written: &[u8]) -> usize {
        let taken = written.len().min(HEADER_BYTES - self.header_bytes);
        self.header[self.header_bytes..][..taken].copy_from_slice(&written[..taken]);
        self.header_bytes += taken;
        if self.header_bytes == HEADER_BYTES {
            let [high, middle, low, kind, ..] = self.header;
            let length = u32::from_be_bytes([0, high, middle, low]);
            self.skipped_left = usize::try_from(length).unwrap_or(usize::MAX);
            self.is_data = kind == DATA;
            self.header_bytes = 0;
        }
        taken
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.transport).poll_write(context, bytes))?;
        self.follow(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let transport = Pin::new(&mut self.transport);
        let count = ready!(transport.poll_write_vectored(context, slices))?;
        let mut left = count;
        for slice in slices {
            let taken = left.min(slice.len());
            self.follow(&slice[..taken]);
            left -= taken;
        }
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    /// TLS keeps what the kernel does not take: only what is flushed has left.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.transport).poll_flush(context))?;
        self.sent.set(self.frames.data_bytes);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let header = [&length[1..], &[kind, 0, 0, 0, 0, 1]].concat();
        [&header[..], payload].concat()
    }

    #[test]
    fn only_data_is_counted_wherever_writes_are_cut() {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, &[0; 12])); // SETTINGS
        bytes.extend(frame(0, b"0123456789"));
        bytes.extend(frame(8, &[0; 4])); // WINDOW_UPDATE
        bytes.extend(frame(0, b""));
        bytes.extend(frame(0, b"abc"));
        for step in 1..bytes.len() {
            let mut frames = Frames::default();
            for written in bytes.chunks(step) {
                frames.follow(written);
            }
            assert_eq!(frames.data_bytes, 13, "{step}");
        }
        let mut frames = Frames::default();
        frames.follow(&bytes[..bytes.len() - 1]);
        assert_eq!(frames.data_bytes, 12);
    }

    #[tokio::test]
    async fn what_is_not_flushed_has_not_left() {
        use tokio::io::AsyncWriteExt;
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        let sent = Sent::default();
        let mut counted = Counted::new(ours, sent.clone());
        counted.write_all(&[b' '; PREFACE_BYTES]).await.unwrap();
        counted.write_all(&frame(0, b"abc")).await.unwrap();
        assert_eq!((sent.bytes(), sent.begun_bytes()), (0, 3));
        counted.flush().await.unwrap();
        sent.more().await;
        assert_eq!(sent.bytes(), 3);
        theirs.shutdown().await.unwrap();
        drop(counted);
        sent.closed().await;
    }
}
