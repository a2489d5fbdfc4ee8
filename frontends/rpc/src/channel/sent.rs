//! How much of a stream's messages has left: the payload of HTTP/2's DATA frames, counted where it
//! goes to TLS or to the kernel. HTTP/2 itself keeps some hundred KB of what it is given, and does not
//! tell what became of that when a connection breaks.
//!
//! And how much of it the peer has read, as far as it says: it gives its window back.

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
const WINDOW_UPDATE: u8 = 8;
/// Of a WINDOW_UPDATE: the increment, behind a bit without meaning.
const INCREMENT_BYTES: usize = 4;

/// The count of a connection. Cheap to clone; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Sent(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    bytes: AtomicU64,
    begun_bytes: AtomicU64,
    read_bytes: AtomicU64,
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

    /// Bytes of messages that the peer has read, as far as it has said so. Peers say so in steps, of up to
    /// half a window; and Go's says so too early of a message that is larger than its window.
    pub fn read_bytes(&self) -> u64 {
        self.0.read_bytes.load(Ordering::Acquire)
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
    written: Frames,
    read: Frames,
    sent: Sent,
}

impl<T> Counted<T> {
    pub(super) fn new(transport: T, sent: Sent) -> Self {
        Self {
            transport,
            written: Frames::behind(PREFACE_BYTES),
            read: Frames::behind(0),
            sent,
        }
    }

    fn follow(&mut self, written: &[u8]) {
        self.written.follow(written);
        let begun = &self.sent.0.begun_bytes;
        begun.store(self.written.data_bytes, Ordering::Release);
    }

    fn follow_peer(&mut self, read: &[u8]) {
        self.read.follow(read);
        let given_back = &self.sent.0.read_bytes;
        given_back.store(self.read.given_back_bytes, Ordering::Release);
    }
}

impl<T> Drop for Counted<T> {
    fn drop(&mut self) {
        self.sent.0.is_closed.store(true, Ordering::Release);
        self.sent.0.closed.notify_one();
    }
}

/// Follows one direction of a connection, wherever it is cut.
#[derive(Debug)]
struct Frames {
    /// Of the preface, or of the frame's payload.
    payload_left: usize,
    is_data: bool,
    /// Whether it gives back the window of a stream.
    is_update: bool,
    increment: u32,
    header: [u8; HEADER_BYTES],
    header_bytes: usize,
    data_bytes: u64,
    given_back_bytes: u64,
}

impl Frames {
    const fn behind(preface_bytes: usize) -> Self {
        Self {
            payload_left: preface_bytes,
            is_data: false,
            is_update: false,
            increment: 0,
            header: [0; HEADER_BYTES],
            header_bytes: 0,
            data_bytes: 0,
            given_back_bytes: 0,
        }
    }

    fn follow(&mut self, mut written: &[u8]) {
        while !written.is_empty() {
            let taken = if self.payload_left > 0 {
                self.payload(written)
            } else {
                self.header(written)
            };
            written = &written[taken..];
        }
    }

    fn payload(&mut self, bytes: &[u8]) -> usize {
        let taken = self.payload_left.min(bytes.len());
        self.payload_left -= taken;
        if self.is_data {
            self.data_bytes += taken as u64;
        }
        if self.is_update {
            for byte in &bytes[..taken] {
                self.increment = self.increment << 8 | u32::from(*byte);
            }
            if self.payload_left == 0 {
                self.given_back_bytes += u64::from(self.increment & 0x7fff_ffff);
            }
        }
        taken
    }

    fn header(&mut self, written: &[u8]) -> usize {
        let taken = written.len().min(HEADER_BYTES - self.header_bytes);
        self.header[self.header_bytes..][..taken].copy_from_slice(&written[..taken]);
        self.header_bytes += taken;
        if self.header_bytes == HEADER_BYTES {
            let [high, middle, low, kind, _, stream @ ..] = self.header;
            let length = u32::from_be_bytes([0, high, middle, low]);
            self.payload_left = usize::try_from(length).unwrap_or(usize::MAX);
            self.is_data = kind == DATA;
            self.is_update = kind == WINDOW_UPDATE
                && u32::from_be_bytes(stream) != 0
                && self.payload_left == INCREMENT_BYTES;
            self.increment = 0;
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
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.transport).poll_read(context, buffer))?;
        self.follow_peer(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
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
        self.sent.set(self.written.data_bytes);
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
            let mut frames = Frames::behind(PREFACE_BYTES);
            for written in bytes.chunks(step) {
                frames.follow(written);
            }
            assert_eq!(frames.data_bytes, 13, "{step}");
        }
        let mut frames = Frames::behind(PREFACE_BYTES);
        frames.follow(&bytes[..bytes.len() - 1]);
        assert_eq!(frames.data_bytes, 12);
    }

    #[test]
    fn only_windows_of_streams_are_given_back() {
        let mut bytes = frame(4, &[0; 12]);
        bytes.extend(frame(8, &[0x80, 0, 1, 2]));
        let mut of_connection = frame(8, &[0, 0, 9, 9]);
        of_connection[8] = 0;
        bytes.extend(of_connection);
        bytes.extend(frame(8, &[0, 1, 0, 0]));
        for step in 1..bytes.len() {
            let mut frames = Frames::behind(0);
            bytes.chunks(step).for_each(|read| frames.follow(read));
            assert_eq!(frames.given_back_bytes, 0x10102, "{step}");
        }
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
