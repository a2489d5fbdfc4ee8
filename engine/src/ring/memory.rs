//! The ring's words: raw reads and writes, whose callers own the words that they name.

use super::sync::Watch;
use super::{Head, OVERHEAD_WORDS, record_words};
use std::cell::UnsafeCell;
use std::fmt;

/// A fixed block of words that one thread writes while another reads other words of it.
pub(super) struct Memory {
    words: Box<[UnsafeCell<u64>]>,
    watch: Watch,
}

// SAFETY: words are plain numbers, and every access is an `unsafe fn` whose caller has shown that no
// other thread touches the same words.
unsafe impl Sync for Memory {}

impl Memory {
    pub(super) fn new(word_count: usize) -> Self {
        let words = (0..word_count).map(|_| UnsafeCell::new(0)).collect();
        Self {
            words,
            watch: Watch::new(word_count),
        }
    }

    #[inline]
    pub(super) fn word_count(&self) -> usize {
        self.words.len()
    }

    /// # Safety
    /// `at` is in the block and nobody else touches its word.
    #[inline]
    pub(super) unsafe fn write_word(&self, at: usize, word: u64) {
        self.watch.write(at, 1);
        // SAFETY: the caller owns the word, and the index is checked.
        unsafe { self.words[at].get().write(word) };
    }

    /// # Safety
    /// `at` is in the block and nobody writes its word.
    #[inline]
    pub(super) unsafe fn read_word(&self, at: usize) -> u64 {
        self.watch.read(at, 1);
        // SAFETY: the caller knows that nobody writes the word, and the index is checked.
        unsafe { self.words[at].get().read() }
    }

    /// # Safety
    /// The record's words from `at` on are in the block and nobody else touches them.
    #[inline]
    pub(super) unsafe fn write_record(&self, at: usize, head: Head, body: &[u8]) {
        let words = &self.words[at..at + record_words(body.len())];
        self.watch.write(at, words.len());
        let start = words.as_ptr().cast::<u64>().cast_mut();
        // SAFETY: `words` has at least OVERHEAD_WORDS, all the caller's own.
        unsafe { start.write(body.len() as u64) };
        // SAFETY: as above; the head lies behind the length word.
        let head_place = unsafe { start.add(1) };
        // SAFETY: as above.
        unsafe { head_place.cast::<Head>().write(head) };
        // SAFETY: OVERHEAD_WORDS is at most the length of `words`.
        let body_place = unsafe { start.add(OVERHEAD_WORDS) }.cast::<u8>();
        // SAFETY: `words` was cut to hold `body`, which cannot overlap it: the caller owns it.
        unsafe { body_place.copy_from_nonoverlapping(body.as_ptr(), body.len()) };
    }

    /// # Safety
    /// A record with a body of `body_bytes` lies at `at`, and nobody writes its words while the
    /// result lives.
    #[inline]
    pub(super) unsafe fn read_record(&self, at: usize, body_bytes: usize) -> (Head, &[u8]) {
        let words = &self.words[at..at + record_words(body_bytes)];
        self.watch.read(at, words.len());
        let start = words.as_ptr().cast::<u64>();
        // SAFETY: `words` has at least OVERHEAD_WORDS.
        let head_place = unsafe { start.add(1) };
        // SAFETY: three head words lie behind the length word, and nobody writes them now.
        let head = unsafe { head_place.cast::<Head>().read() };
        // SAFETY: OVERHEAD_WORDS is at most the length of `words`.
        let body_place = unsafe { start.add(OVERHEAD_WORDS) }.cast::<u8>();
        // SAFETY: `words` was cut to hold the body, its bytes are initialised, and the caller knows
        // that nobody writes them while the slice lives.
        (head, unsafe {
            std::slice::from_raw_parts(body_place, body_bytes)
        })
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The words belong to others.
        f.debug_struct("Memory")
            .field("word_count", &self.word_count())
            .finish_non_exhaustive()
    }
}
