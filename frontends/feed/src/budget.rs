//! How much may wait for all sessions of a worker together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What all outboxes of a worker may hold together: each may be large, not all at once.
///
/// Half of it goes to who comes first. The other half is divided into equal shares, one an outbox,
/// which nobody else can use up: a reader that takes nothing costs only itself.
///
/// **Invariant: `bytes ≤ bytes_max`.** As long as no outbox is added, those over their share hold
/// no more than what is not shared out to others, so that there is room for every share.
///
/// Atomic only so that an outbox can be sent; the worker's one thread adds and takes.
#[derive(Debug)]
pub struct Budget {
    bytes: AtomicUsize,
    bytes_max: usize,
    outbox_count: AtomicUsize,
    share_bytes: AtomicUsize,
    /// All but the shares of the other outboxes.
    unshared_bytes: AtomicUsize,
}

impl Budget {
    /// A budget of which nothing is used.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(0),
            bytes_max,
            outbox_count: AtomicUsize::new(0),
            share_bytes: AtomicUsize::new(bytes_max / 2),
            unshared_bytes: AtomicUsize::new(bytes_max),
        })
    }

    /// Bytes in use.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether so much is in use that an outbox over its share gets nothing more.
    pub fn is_short(&self) -> bool {
        self.bytes() > self.unshared_bytes()
    }

    /// Whether half of what makes it short is in use.
    pub fn is_half_short(&self) -> bool {
        self.bytes() > self.unshared_bytes() / 2
    }

    /// Whether an outbox that holds `own` bytes may take so many more.
    pub fn has_room(&self, own: usize, more: usize) -> bool {
        let bytes = self.bytes() + more;
        bytes <= self.unshared_bytes()
            || bytes <= self.bytes_max && own + more <= self.share_bytes()
    }

    /// Whether there would be room if the outbox gave up all its own.
    pub(crate) fn could_have_room(&self, own: usize, more: usize) -> bool {
        let bytes = self.bytes() - own + more;
        bytes <= self.unshared_bytes() || bytes <= self.bytes_max && more <= self.share_bytes()
    }

    /// Whether an outbox that holds so much would have to give something up.
    pub fn is_over_share(&self, own: usize) -> bool {
        self.is_short() && own > self.share_bytes()
    }

    /// One more outbox.
    pub fn open(&self) {
        self.share_out(self.outbox_count.load(Ordering::Relaxed) + 1);
    }

    /// One outbox less, which has given all back.
    pub fn close(&self) {
        self.share_out(self.outbox_count.load(Ordering::Relaxed) - 1);
    }

    fn share_out(&self, outbox_count: usize) {
        let share = self.bytes_max / 2 / outbox_count.max(1);
        let unshared = self.bytes_max - share * outbox_count.saturating_sub(1);
        self.outbox_count.store(outbox_count, Ordering::Relaxed);
        self.share_bytes.store(share, Ordering::Relaxed);
        self.unshared_bytes.store(unshared, Ordering::Relaxed);
    }

    /// Takes so much of it.
    pub fn add(&self, bytes: usize) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Gives so much of it back.
    pub fn give_back(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// What is kept free for each outbox.
    pub fn share_bytes(&self) -> usize {
        self.share_bytes.load(Ordering::Relaxed)
    }

    fn unshared_bytes(&self) -> usize {
        self.unshared_bytes.load(Ordering::Relaxed)
    }
}
