//! What may be kept of messages that have not come whole.
//!
//! A message that lies in one frame is never kept. Of one that comes in several, parts are; a
//! sender could begin many and end none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use tokio::sync::Notify;

/// How much may be kept of all unfinished messages together.
///
/// Where there is no room, a message waits, and with it its sender, as HTTP/2's windows have it.
/// One message at a time may go beyond, so that not all of them wait for each other.
///
/// **Invariant: `bytes ≤ bytes_max` and the largest message.**
#[derive(Debug)]
pub struct Unfinished {
    bytes: AtomicUsize,
    bytes_max: usize,
    /// Whether there is one that goes beyond.
    is_beyond: AtomicBool,
    freed: Notify,
}

impl Unfinished {
    /// Nothing is kept; at most `bytes_max` may be.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(0),
            bytes_max,
            is_beyond: AtomicBool::new(false),
            freed: Notify::new(),
        })
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }
}

/// What is kept of one message.
#[derive(Debug)]
pub(super) struct Kept {
    of: Arc<Unfinished>,
    bytes: usize,
    is_beyond: bool,
}

impl Kept {
    pub(super) const fn nothing(of: Arc<Unfinished>) -> Self {
        Self {
            of,
            bytes: 0,
            is_beyond: false,
        }
    }

    /// Waits until so much may be kept instead of what is.
    pub(super) async fn grow_to(&mut self, bytes: usize) {
        let of = self.of.clone();
        let more = bytes.saturating_sub(self.bytes);
        loop {
            let freed = of.freed.notified();
            if self.is_beyond || of.bytes() + more <= of.bytes_max {
                break;
            }
            if !of.is_beyond.swap(true, Relaxed) {
                self.is_beyond = true;
                break;
            }
            freed.await;
        }
        of.bytes.fetch_add(more, Relaxed);
        self.bytes += more;
    }

    /// Nothing of it is needed any more.
    pub(super) fn release(&mut self) {
        if self.bytes == 0 {
            return;
        }
        self.of.bytes.fetch_sub(self.bytes, Relaxed);
        if self.is_beyond {
            self.of.is_beyond.store(false, Relaxed);
        }
        (self.bytes, self.is_beyond) = (0, false);
        self.of.freed.notify_waiters();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.release();
    }
}
