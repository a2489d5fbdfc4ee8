//! A file to which a thread appends, so that nobody else waits for a disk.

use hydrant_engine::counters;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

/// Lines that wait for the disk, in bytes.
const WAITING_BYTES_MAX: usize = 1 << 20;

counters! {
    /// What the security event log counts.
    SecurityCounter {
        Written = "written", "Lines written to the security event log.";
        Lost = "lost", "Lines of the security event log lost: too many waited, or the file took none.";
    }
}

/// Counters of the security event log. Any thread may look.
#[derive(Debug, Default)]
pub struct SecurityState([AtomicU64; SecurityCounter::ALL.len()]);

/// The file and its thread. Dropped, it waits until what was appended is written.
#[derive(Debug)]
pub(super) struct Appender {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    state: Arc<SecurityState>,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    is_over: bool,
}

impl SecurityState {
    /// What a counter stands at.
    pub fn get(&self, counter: SecurityCounter) -> u64 {
        self.0[counter as usize].load(Ordering::Relaxed)
    }

    fn add(&self, counter: SecurityCounter, lines: &[u8]) {
        let count = lines.iter().filter(|byte| **byte == b'\n').count();
        self.0[counter as usize].fetch_add(count as u64, Ordering::Relaxed);
    }
}

impl Appender {
    pub(super) fn open(file: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(file)?;
        let shared = Arc::<Shared>::default();
        let theirs = shared.clone();
        let thread = thread::Builder::new()
            .name("security-log".to_owned())
            .spawn(move || theirs.write_all_to(file))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Lines, each with its end.
    pub(super) fn append(&self, lines: &[u8]) {
        let mut waiting = self.shared.lock();
        if waiting.lines.len() + lines.len() > WAITING_BYTES_MAX {
            self.shared.state.add(SecurityCounter::Lost, lines);
            return;
        }
        waiting.lines.extend_from_slice(lines);
        drop(waiting);
        self.shared.changed.notify_one();
    }

    pub(super) fn state(&self) -> Arc<SecurityState> {
        self.shared.state.clone()
    }
}

impl Drop for Appender {
    fn drop(&mut self) {
        self.shared.lock().is_over = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all_to(&self, mut file: impl Write) {
        let mut lines = Vec::new();
        while self.take(&mut lines) {
            let written = write_some(&mut file, &lines);
            self.state.add(SecurityCounter::Written, &lines[..written]);
            self.state.add(SecurityCounter::Lost, &lines[written..]);
            // What follows half a line is a line of its own.
            let is_cut = written > 0 && lines[written - 1] != b'\n';
            lines.clear();
            if is_cut {
                write_some(&mut file, b"\n");
            }
        }
    }

    /// Waits for lines and takes them all; nothing comes once it is over.
    fn take(&self, lines: &mut Vec<u8>) -> bool {
        let is_idle = |waiting: &mut Waiting| waiting.lines.is_empty() && !waiting.is_over;
        let waiting = self.changed.wait_while(self.lock(), is_idle);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.lines, lines);
        !lines.is_empty()
    }
}

/// As many bytes as the file takes.
fn write_some(file: &mut impl Write, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => break,
            Ok(count) => written += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    written
}
