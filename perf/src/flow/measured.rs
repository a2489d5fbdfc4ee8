//! What a bench has to say of what it measures: who serves, who reads and how, and how much is
//! sent.

use super::balance::Wanted;
use super::drains::Drains;
use super::error::FlowError;
use super::schedule::Schedule;
use super::server::{Addresses, Service};

use hdrhistogram::Histogram;
use hydrant_rpc::tls::ClientTls;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A case of a bench.
pub trait Measured: Copy + Eq + Send + Sync + 'static {
    /// The bench's name in records.
    const BENCH: &'static str;
    /// The case whose cost of an envelope sent others are compared with.
    const ONE: Self;
    /// The case whose cost of an envelope delivered others are compared with.
    const BARE: Self;
    /// What has to be there before the server is.
    type Place: Place;
    /// A reader that the server has let in: what is sent from now on is kept for it.
    type Reader;

    /// Its name in tables and on the command line.
    fn name(self) -> &'static str;

    /// Who serves.
    fn service(self) -> Service;

    /// Makes what has to be there before the server is.
    ///
    /// # Errors
    /// The machine refuses something.
    fn place(self) -> Result<Self::Place, FlowError>;

    /// Sources of the envelopes, of so many that were asked for.
    fn apps(self, asked: usize) -> usize {
        asked
    }

    /// What goes by before the window, of what was asked for.
    fn warm_up(self, asked: Duration) -> Duration {
        asked
    }

    /// Lets all readers in.
    ///
    /// # Errors
    /// The server refuses one.
    fn open(
        self,
        server: &Ends,
        place: &Self::Place,
    ) -> impl Future<Output = Result<Vec<Group<Self::Reader>>, FlowError>>;

    /// Reads and counts until the server ends the stream. With `timing`, gives how long after they
    /// were due envelopes were here, in nanoseconds.
    ///
    /// # Errors
    /// The server ends the stream with an error, or what comes is not what was sent.
    fn read(
        reader: Self::Reader,
        count: Count,
        timing: Option<Timing>,
    ) -> impl Future<Output = Result<Histogram<u64>, FlowError>> + Send + 'static;
}

/// What has to be there before the server is, because it connects to it.
pub trait Place: Sync {
    /// The drains that the server is to have, if any.
    fn drains(&self) -> Option<Drains> {
        None
    }

    /// The server will connect to nobody who is read from any more.
    ///
    /// # Errors
    /// A connection was not what it should have been.
    fn close(&self) -> Result<(), FlowError> {
        Ok(())
    }

    /// What was on its way to those who were not read from. Asked for after the server's end.
    ///
    /// # Errors
    /// It is not what was sent.
    fn found(&self) -> Result<u64, FlowError> {
        Ok(0)
    }
}

/// Nothing has to be there: readers connect to the server.
impl Place for () {}

/// Where a server is, as its readers need to know it.
#[derive(Debug)]
pub struct Ends {
    /// Where it listens.
    pub addresses: Addresses,
    /// How to prove who we are over gRPC; plaintext if there is nothing.
    pub tls: Option<ClientTls>,
    /// Sources of the envelopes.
    pub apps: usize,
}

/// Readers that share what they ask for: each envelope is for one of them.
#[derive(Debug)]
pub struct Group<R> {
    /// What they ask for.
    pub wanted: Wanted,
    /// Each of them; never empty.
    pub members: Vec<R>,
}

/// Envelopes that a reader has received, for whoever watches.
#[derive(Clone, Debug, Default)]
pub struct Count(Arc<AtomicU64>);

impl Count {
    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    /// All so far.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What latency is measured by.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// When envelopes were due.
    pub schedule: Schedule,
    /// Those due from here on are taken down, in the schedule's nanoseconds.
    pub from_ns: u64,
}

/// How much is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So many envelopes a second, evenly.
    Rate(u64),
    /// As fast as the server takes it.
    Max,
    /// So many envelopes a second, evenly; how long each is under way is taken down.
    Timed(u64),
}

impl Pace {
    /// What is asked for.
    pub const fn rate(self) -> Option<u64> {
        match self {
            Self::Rate(rate) | Self::Timed(rate) => Some(rate),
            Self::Max => None,
        }
    }

    /// As it stands in tables.
    pub fn name(self) -> String {
        self.rate()
            .map_or_else(|| "max".to_owned(), |rate| rate.to_string())
    }
}
