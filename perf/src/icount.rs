//! Instructions per envelope, the one figure that a shared machine repeats: what is walked, and
//! valgrind's count of it.

mod callgrind;
mod walk;

pub use callgrind::{CountError, count, find};
pub use walk::walk;

use crate::samples::Sample;
use clap::ValueEnum;

/// Envelopes of a count: enough for the rare things (a skip at the ring's end, a frame cut by a
/// chunk) to have their share.
pub const ENVELOPES: usize = 16_384;

/// Bytes of the logs that are counted.
pub const LOG_BYTES: usize = 250;

/// Which steps are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stretch {
    /// decode → header → route → publish, and a commit every 64 envelopes.
    Path,
    /// The whole turn of a shard, from a chunk of a stream on: framing and counters included.
    Tcp,
    /// The whole turn of a shard, from a train of datagrams on.
    Udp,
}

/// What is counted in one run of valgrind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The envelopes.
    pub sample: Sample,
    /// The steps.
    pub stretch: Stretch,
}

impl Stretch {
    /// Every stretch.
    pub const ALL: [Self; 3] = [Self::Path, Self::Tcp, Self::Udp];

    /// Its name in tables and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// What it is, in the table's words.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Path => "decode, route, publish",
            Self::Tcp => "a shard's turn, TCP framing included",
            Self::Udp => "a shard's turn over trains",
        }
    }
}

impl Case {
    /// All cases, in the order of the table.
    pub fn all() -> impl Iterator<Item = Self> {
        let of_stretch = |stretch| {
            let case = move |sample| Self { sample, stretch };
            Sample::ALL.into_iter().map(case)
        };
        Stretch::ALL.into_iter().flat_map(of_stretch)
    }

    /// The most instructions that an envelope may take, where there is a promise.
    pub fn limit(self) -> Option<f64> {
        let is_promised = self.sample == Sample::LogV2 && self.stretch == Stretch::Path;
        is_promised.then_some(400.0)
    }
}
