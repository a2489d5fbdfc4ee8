//! Waking a reader that sleeps, and costing nothing while it does not.

use super::sync::{AtomicBool, Ordering, fence};
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// How a sleeping reader is woken.
pub trait Wake {
    /// Wakes the reader, or makes its next sleep end at once.
    fn wake(&self);
}

/// One reader's bell, shared by the producers of all its rings.
///
/// The reader calls [`arm`](Self::arm), looks at its rings once more, and sleeps only if they are
/// still empty. A producer calls [`ring`](Self::ring) after each commit.
#[derive(Debug)]
pub struct Doorbell<W> {
    armed: AtomicBool,
    wake: W,
}

impl<W: Wake> Doorbell<W> {
    /// A bell that wakes through `wake`, not armed.
    pub fn new(wake: W) -> Self {
        Self {
            armed: AtomicBool::new(false),
            wake,
        }
    }

    /// Reader: from now on a commit rings. Look at the rings again before sleeping.
    pub fn arm(&self) {
        self.armed.store(true, Ordering::Relaxed);
        // With the fence in `ring`: either the producer sees the flag or we see its commit.
        fence(Ordering::SeqCst);
    }

    /// Reader: awake again; commits need not ring.
    pub fn disarm(&self) {
        self.armed.store(false, Ordering::Relaxed);
    }

    /// Producer: call after a commit. A system call only if the reader sleeps.
    #[inline]
    pub fn ring(&self) {
        fence(Ordering::SeqCst);
        if self.armed.load(Ordering::Relaxed) && self.take() {
            self.wake.wake();
        }
    }

    /// Disarms on the reader's behalf; of several producers one does.
    fn take(&self) -> bool {
        let relaxed = Ordering::Relaxed;
        self.armed
            .compare_exchange(true, false, relaxed, relaxed)
            .is_ok()
    }

    /// What it wakes through.
    pub fn waker(&self) -> &W {
        &self.wake
    }
}

/// Wakes through an eventfd, which every kind of event loop can wait for.
#[derive(Debug)]
pub struct EventFd(OwnedFd);

impl EventFd {
    /// A new eventfd, non-blocking.
    ///
    /// # Errors
    /// What the system call said, such as too many open files.
    pub fn new() -> io::Result<Self> {
        Ok(Self(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?))
    }

    /// Takes the wakes that have come so far, so that the next wait really waits.
    pub fn clear(&self) {
        let mut count = [0; 8];
        // "Would block" is the only failure that an eventfd knows: there was no wake.
        rustix::io::read(&self.0, &mut count).ok();
    }
}

impl Wake for EventFd {
    fn wake(&self) {
        // It can only fail when the count is at its maximum, and then the reader wakes anyway.
        rustix::io::write(&self.0, &1_u64.to_ne_bytes()).ok();
    }
}

impl AsFd for EventFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
