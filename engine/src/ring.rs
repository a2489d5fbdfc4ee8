//! The single-producer single-consumer byte ring.
//!
//! Records of any length lie in place, in words of eight bytes: one word with the body's length,
//! three head words, then the body. A record never wraps: where it would, the rest of the lap is
//! skipped. Records that do not fit are refused; nothing is ever overwritten.
//!
//! Positions count words since the start and never wrap in practice (2^63 words).
//!
//! **Invariant: `head ≤ released ≤ read ≤ tail ≤ write ≤ head + capacity`**, where the producer owns
//! `tail` and `write`, the consumer `head`, `released` and `read`. `tail` and `head` are shared, each
//! on its own cache line; each side keeps a copy of the other's and looks again only when the copy
//! says full or empty.
//!
//! Proof: loom runs the tests at the end of this file under every interleaving (`just loom`), and a
//! property test compares the ring with a `VecDeque`. Miri is not part of the proof.

mod doorbell;
mod memory;
mod sync;

use crossbeam_utils::CachePadded;
pub use doorbell::{Doorbell, EventFd, Wake};
use memory::Memory;
use sync::{Arc, AtomicBool, AtomicUsize, Ordering};

/// The words that travel in front of a body.
pub type Head = [u64; 3];

/// Words of a record that are not its body.
const OVERHEAD_WORDS: usize = 4;
/// In the place of a length: skip to the start of the ring.
const SKIP: u64 = u64::MAX;

/// The record did not fit; the ring is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Bytes that a record with a body of `body_bytes` takes in a ring.
pub const fn record_bytes(body_bytes: usize) -> usize {
    record_words(body_bytes) * 8
}

/// Makes a ring of `ring_bytes` and gives out its two ends.
///
/// A record of up to half of `ring_bytes` always fits into an empty ring. A larger one fits only
/// where enough of the lap is left, or never: for the caller it is one that does not fit now.
///
/// # Panics
/// If `ring_bytes` is no power of two or below 64; [`config`](crate::config) has checked it.
pub fn ring(ring_bytes: usize) -> (Producer, Consumer) {
    assert!(
        ring_bytes.is_power_of_two() && ring_bytes >= 64,
        "ring_bytes is a power of two"
    );
    let shared = Arc::new(Shared {
        memory: Memory::new(ring_bytes / 8),
        tail: CachePadded::new(AtomicUsize::new(0)),
        head: CachePadded::new(AtomicUsize::new(0)),
        producer_gone: AtomicBool::new(false),
    });
    let producer = Producer {
        shared: shared.clone(),
        tail: 0,
        write: 0,
        head_seen: 0,
    };
    let consumer = Consumer {
        shared,
        head: 0,
        read: 0,
        tail_seen: 0,
    };
    (producer, consumer)
}

#[derive(Debug)]
struct Shared {
    memory: Memory,
    /// Everything before it is committed.
    tail: CachePadded<AtomicUsize>,
    /// Everything before it is free again.
    head: CachePadded<AtomicUsize>,
    producer_gone: AtomicBool,
}

/// The writing end. Dropping it commits what was written and tells the consumer.
#[derive(Debug)]
pub struct Producer {
    shared: Arc<Shared>,
    tail: usize,
    write: usize,
    head_seen: usize,
}

impl Producer {
    /// Copies a record into the ring; the consumer sees it after [`commit`](Self::commit).
    ///
    /// # Errors
    /// [`Full`] if the record does not fit now.
    #[inline]
    pub fn push(&mut self, head: Head, body: &[u8]) -> Result<(), Full> {
        let words = record_words(body.len());
        let capacity = self.shared.memory.word_count();
        let lap_rest = capacity - self.at();
        let skip = if words > lap_rest { lap_rest } else { 0 };
        if self.write + skip + words - self.head_seen > capacity {
            self.head_seen = self.shared.head.load(Ordering::Acquire);
            if self.write + skip + words - self.head_seen > capacity {
                return Err(Full);
            }
        }
        if skip > 0 {
            // SAFETY: [write, write + skip) is within `capacity` of `head_seen`, so it is ours.
            unsafe { self.shared.memory.write_word(self.at(), SKIP) };
            self.write += skip;
        }
        let at = self.at();
        // SAFETY: [write, write + words) is within `capacity` of `head_seen`, so it is ours, and it
        // does not cross the end of the lap.
        unsafe { self.shared.memory.write_record(at, head, body) };
        self.write += words;
        Ok(())
    }

    /// Shows the consumer all that was pushed, with one store. False if that was nothing.
    #[inline]
    pub fn commit(&mut self) -> bool {
        if self.write == self.tail {
            return false;
        }
        self.tail = self.write;
        self.shared.tail.store(self.tail, Ordering::Release);
        true
    }

    /// A view for whoever watches the ring.
    pub fn gauge(&self) -> Gauge {
        Gauge {
            shared: self.shared.clone(),
        }
    }

    fn at(&self) -> usize {
        self.write & (self.shared.memory.word_count() - 1)
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.commit();
        self.shared.producer_gone.store(true, Ordering::Release);
    }
}

/// The reading end.
#[derive(Debug)]
pub struct Consumer {
    shared: Arc<Shared>,
    head: usize,
    read: usize,
    tail_seen: usize,
}

impl Consumer {
    /// The next committed record. Its place stays taken until [`release`](Self::release).
    #[inline]
    pub fn read(&mut self) -> Option<(Head, &[u8])> {
        if self.is_read_up() {
            return None;
        }
        // SAFETY: `read < tail_seen`, so a committed length word or skip mark is here.
        let mut length = unsafe { self.shared.memory.read_word(self.at()) };
        if length == SKIP {
            self.read += self.shared.memory.word_count() - self.at();
            // SAFETY: the producer commits a skip mark only with the record behind it.
            length = unsafe { self.shared.memory.read_word(self.at()) };
        }
        let at = self.at();
        let body_bytes = usize::try_from(length).unwrap_or(0);
        self.read += record_words(body_bytes);
        // SAFETY: the record at `at` is committed, and its words are not handed back to the
        // producer before `release`, which needs `&mut self` and so ends the borrow given out here.
        Some(unsafe { self.shared.memory.read_record(at, body_bytes) })
    }

    /// Gives the places of all records read so far back to the producer.
    #[inline]
    pub fn release(&mut self) {
        if self.head != self.read {
            self.head = self.read;
            self.shared.head.store(self.head, Ordering::Release);
        }
    }

    /// Whether nothing committed is left to read now.
    #[inline]
    pub fn is_read_up(&mut self) -> bool {
        if self.read == self.tail_seen {
            self.tail_seen = self.shared.tail.load(Ordering::Acquire);
        }
        self.read == self.tail_seen
    }

    /// Whether the producer is gone and all that it wrote has been read.
    pub fn is_finished(&mut self) -> bool {
        // The order matters: gone first, so that its last commit is seen by the second look.
        self.shared.producer_gone.load(Ordering::Acquire) && self.is_read_up()
    }

    fn at(&self) -> usize {
        self.read & (self.shared.memory.word_count() - 1)
    }
}

/// Reads how full a ring is, from any thread.
#[derive(Clone, Debug)]
pub struct Gauge {
    shared: Arc<Shared>,
}

impl Gauge {
    /// Bytes committed and not yet released; a moment's view.
    pub fn depth_bytes(&self) -> usize {
        let head = self.shared.head.load(Ordering::Relaxed);
        let tail = self.shared.tail.load(Ordering::Relaxed);
        tail.saturating_sub(head) * 8
    }

    /// The ring's size in bytes.
    pub fn ring_bytes(&self) -> usize {
        self.shared.memory.word_count() * 8
    }
}

const fn record_words(body_bytes: usize) -> usize {
    OVERHEAD_WORDS + body_bytes.div_ceil(8)
}

#[cfg(all(test, not(loom)))]
#[path = "ring/model_tests.rs"]
mod model_tests;

#[cfg(all(test, loom))]
#[path = "ring/loom_tests.rs"]
mod loom_tests;
