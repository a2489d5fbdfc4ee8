//! A ring of buffers lent to the kernel: it takes them in order, we give them back in any order.

use io_uring::IoUring;
use io_uring::types::BufRingEntry;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

/// Buffers of one size and the ring by which the kernel is told of the free ones.
///
/// **Invariant: each buffer id is either in the ring, and then the kernel may write the buffer, or
/// was handed out by a completion, and then only we look at it until `give_back`.**
pub(super) struct BufferRing {
    entries: Mapping,
    buffers: Mapping,
    count: u16,
    buffer_bytes: usize,
    tail: u16,
}

impl BufferRing {
    /// Takes memory for `count` buffers (a power of two) and registers them, all free.
    pub(super) fn new(
        ring: &IoUring,
        group: u16,
        count: u16,
        buffer_bytes: usize,
    ) -> io::Result<Self> {
        let entries = Mapping::new(usize::from(count) * size_of::<BufRingEntry>())?;
        let buffers = Mapping::new(usize::from(count) * buffer_bytes)?;
        let address = entries.start.as_ptr() as u64;
        // SAFETY: `entries` is page-aligned, holds `count` entries, and lives as long as the ring
        // may use it: its owner drops the io_uring first.
        unsafe {
            ring.submitter()
                .register_buf_ring_with_flags(address, count, group, 0)?;
        };
        let mut this = Self {
            entries,
            buffers,
            count,
            buffer_bytes,
            tail: 0,
        };
        (0..count).for_each(|buffer| this.give_back(buffer));
        this.commit();
        Ok(this)
    }

    /// The first `length` bytes of a buffer that a completion handed out.
    #[inline]
    pub(super) fn bytes(&self, buffer: u16, length: usize) -> &[u8] {
        let start = self.place(buffer);
        let length = length.min(self.buffer_bytes);
        // SAFETY: the place is within the mapping, whose bytes are initialised (zero at first); the
        // kernel does not write a buffer that it has handed out, and giving it back needs
        // `&mut self`, which ends this borrow.
        unsafe { std::slice::from_raw_parts(start, length) }
    }

    /// Puts a buffer behind the free ones; the kernel sees it after [`commit`](Self::commit).
    #[inline]
    pub(super) fn give_back(&mut self, buffer: u16) {
        let address = self.place(buffer) as u64;
        let index = usize::from(self.tail & (self.count - 1));
        // SAFETY: the index is below `count`, so the entry is within the mapping.
        let entry = unsafe { self.entries.start.cast::<BufRingEntry>().add(index) };
        // SAFETY: the kernel does not read entries at or behind the tail, and there is one thread.
        let entry = unsafe { &mut *entry.as_ptr() };
        entry.set_addr(address);
        entry.set_len(u32::try_from(self.buffer_bytes).unwrap_or(u32::MAX));
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel all that was given back, with one store.
    #[inline]
    pub(super) fn commit(&self) {
        let base = self.entries.start.as_ptr().cast::<BufRingEntry>();
        // SAFETY: the mapping starts with the first entry, in which the tail lies.
        let tail = unsafe { BufRingEntry::tail(base) };
        // SAFETY: the tail is an aligned u16 in the mapping, and both sides use it atomically.
        let tail = unsafe { AtomicU16::from_ptr(tail.cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    fn place(&self, buffer: u16) -> *mut u8 {
        assert!(
            buffer < self.count,
            "the kernel hands out only what it was given"
        );
        // SAFETY: the buffer is one of `count`, all within the mapping.
        unsafe {
            self.buffers
                .start
                .add(usize::from(buffer) * self.buffer_bytes)
        }
        .as_ptr()
    }
}

/// Zeroed memory from the operating system, aligned to pages.
struct Mapping {
    start: NonNull<u8>,
    bytes: usize,
}

impl Mapping {
    fn new(bytes: usize) -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new private mapping at a place of the kernel's choice touches no other memory.
        let start =
            unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, access, MapFlags::PRIVATE)? };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, bytes })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and its owner has closed the io_uring that used it.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.bytes) };
        assert_eq!(unmapped, Ok(()), "a mapping of our own can be unmapped");
    }
}

// SAFETY: the mapping belongs to this value alone; which thread holds it does not matter.
unsafe impl Send for Mapping {}
