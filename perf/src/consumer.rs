//! The reader of a lane, as a frontend worker would be: it looks at every record in place and
//! sleeps when there is none.

use hydrant_engine::engine::pin_to;
use hydrant_engine::lanes::LaneReader;
use hydrant_engine::record::Record;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io;
use std::os::fd::AsFd;
use std::thread::{self, JoinHandle};

/// Records of a lane that are read before their room is given back.
const BATCH_RECORDS_MAX: usize = 1024;
const CACHE_LINE_BYTES: usize = 64;

/// What a consumer has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Records.
    pub records: u64,
    /// Bytes of their envelopes.
    pub bytes: u64,
    /// A sum over their headers and a byte of each of their cache lines. It says nothing; it is
    /// there so that the reading is not optimised away.
    pub sum: u64,
    /// Times it slept because there was nothing to read.
    pub sleeps: u64,
}

/// Starts a thread on `core` that reads until all shards are gone.
///
/// # Errors
/// If there is no thread to be had.
pub fn start(reader: LaneReader, core: usize) -> io::Result<JoinHandle<io::Result<Read>>> {
    thread::Builder::new()
        .name(format!("consumer-{core}"))
        .spawn(move || {
            pin_to(core)?;
            consume(reader)
        })
}

fn consume(mut reader: LaneReader) -> io::Result<Read> {
    let mut read = Read::default();
    while !reader.is_finished() {
        let count = reader.read(BATCH_RECORDS_MAX, |_, record| read.add(&record));
        if count == 0 && reader.sleep() {
            read.sleeps += 1;
            wait(&reader)?;
            reader.awake();
        }
    }
    Ok(read)
}

fn wait(reader: &LaneReader) -> io::Result<()> {
    let mut bell = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
    match poll(&mut bell, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

impl Read {
    /// Reads a record.
    #[inline]
    pub fn add(&mut self, record: &Record<'_>) {
        let header = record.header.source_hash ^ record.header.received.0;
        let body: u64 = record
            .envelope
            .iter()
            .step_by(CACHE_LINE_BYTES)
            .map(|byte| u64::from(*byte))
            .sum();
        self.records += 1;
        self.bytes += record.envelope.len() as u64;
        self.sum = self.sum.wrapping_add(header).wrapping_add(body);
    }
}
