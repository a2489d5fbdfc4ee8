//! The thread that keeps the disk up to date.

use crate::counters::{NodeCounter, NodeCounters};
use crate::disk::Disk;
use crate::partitions::Partitions;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A disk that is written to now and then. What comes between is lost in a crash.
#[derive(Debug)]
pub(crate) struct Keeper {
    /// Its end is the thread's.
    running: Sender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Keeper {
    /// Starts the thread.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub(crate) fn start(
        disk: Disk,
        partitions: Partitions,
        counters: Arc<NodeCounters>,
        interval: Duration,
    ) -> io::Result<Self> {
        let (running, ended) = channel();
        let thread = thread::Builder::new().name("log-cache-disk".to_owned());
        let keep = move || keep(disk, &partitions, &counters, interval, &ended);
        Ok(Self {
            running,
            thread: thread.spawn(keep)?,
        })
    }

    /// Writes what has come since the last time, and ends.
    ///
    /// # Errors
    /// It is not all written.
    pub(crate) fn stop(self) -> io::Result<()> {
        drop(self.running);
        let died = |_| Err(io::Error::other("the thread that writes has died"));
        self.thread.join().unwrap_or_else(died)
    }
}

fn keep(
    mut disk: Disk,
    partitions: &Partitions,
    counters: &NodeCounters,
    interval: Duration,
    running: &Receiver<()>,
) -> io::Result<()> {
    loop {
        let is_over = running.recv_timeout(interval) != Err(RecvTimeoutError::Timeout);
        let written = disk.write(partitions);
        if written.is_err() {
            counters.add(NodeCounter::DiskErrors, 1);
        }
        if is_over {
            return written;
        }
    }
}
