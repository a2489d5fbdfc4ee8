//! The ring's atomics: the standard library's, or loom's under `--cfg loom`.

#[cfg(loom)]
pub(super) use loom::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering, fence},
};
#[cfg(not(loom))]
pub(super) use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering, fence},
};

/// Tells loom who touches which word; nothing at all in life.
#[derive(Debug)]
pub(super) struct Watch {
    #[cfg(loom)]
    words: Box<[loom::cell::UnsafeCell<()>]>,
}

#[cfg(loom)]
impl Watch {
    pub(super) fn new(word_count: usize) -> Self {
        Self {
            words: (0..word_count)
                .map(|_| loom::cell::UnsafeCell::new(()))
                .collect(),
        }
    }

    pub(super) fn read(&self, at: usize, count: usize) {
        self.words[at..at + count]
            .iter()
            .for_each(|word| word.with(|_| ()));
    }

    pub(super) fn write(&self, at: usize, count: usize) {
        self.words[at..at + count]
            .iter()
            .for_each(|word| word.with_mut(|_| ()));
    }
}

#[cfg(not(loom))]
impl Watch {
    pub(super) fn new(_word_count: usize) -> Self {
        Self {}
    }

    #[inline]
    #[expect(clippy::unused_self, reason = "as under loom")]
    pub(super) fn read(&self, _at: usize, _count: usize) {}

    #[inline]
    #[expect(clippy::unused_self, reason = "as under loom")]
    pub(super) fn write(&self, _at: usize, _count: usize) {}
}
