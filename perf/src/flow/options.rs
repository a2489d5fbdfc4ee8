//! What can be said of every bench on its command line, and how its cases are run by turns.

use super::certificates::Certificates;
use super::error::{FlowError, machine};
use super::measured::{Measured, Pace};
use super::results::Results;
use super::trial::Setting;
use crate::receiver::Placement;
use clap::Args;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

/// No run is watched for longer than this.
const SECONDS_MAX: u64 = 600;
/// A smoke run is shorter, and its load smaller.
const SMOKE_WINDOW: Duration = Duration::from_millis(300);
const SMOKE_WARM_UP: Duration = Duration::from_millis(100);
const SMOKE_RATE: u64 = 50_000;

/// How long, how often and with what.
#[derive(Clone, Debug, Args)]
pub struct Options {
    /// Runs of each case
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    runs: u16,
    /// One short run of each: does it work, and do the accounts balance?
    #[arg(long)]
    smoke: bool,
    /// How long a run is watched, after a warm-up of a second
    #[arg(long, default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    seconds: u64,
    /// Streams that send
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    streams: u16,
    /// Connections that they share
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1000))]
    connections: u16,
    /// Envelopes of a batch
    #[arg(long, default_value_t = 100)]
    pub batch: usize,
    /// Bytes of an envelope (v2 logs with six tags)
    #[arg(long, default_value_t = 250)]
    bytes: usize,
    /// Sources that the envelopes are of
    #[arg(long, default_value_t = 10_000)]
    apps: usize,
    /// gRPC without TLS
    #[arg(long)]
    plaintext: bool,
    /// Appends a line of JSON for each run
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl Options {
    /// The certificates of all runs; none if there is no TLS.
    ///
    /// # Errors
    /// They cannot be made.
    pub fn certificates(&self) -> Result<Option<Certificates>, FlowError> {
        let made = (!self.plaintext).then(Certificates::new).transpose();
        made.map_err(machine("certificates"))
    }

    /// What is the same in all runs; the server has all it has by default.
    pub fn setting(
        &self,
        placement: Option<Placement>,
        certificates: Option<&Certificates>,
    ) -> Setting {
        let (warm_up, window) = match self.smoke {
            true => (SMOKE_WARM_UP, SMOKE_WINDOW),
            false => (Duration::from_secs(1), Duration::from_secs(self.seconds)),
        };
        Setting {
            placement,
            certificates: certificates.map(|made| made.directory().to_owned()),
            without_recent: false,
            streams: self.streams.into(),
            connections: self.connections.into(),
            bytes: self.bytes,
            apps: self.apps,
            warm_up,
            window,
        }
    }

    /// Says who runs where, and what is sent; `out_over` is how it leaves.
    ///
    /// # Errors
    /// Of `out`.
    pub fn introduce(
        &self,
        placement: Option<Placement>,
        out_over: &str,
        out: &mut impl Write,
    ) -> io::Result<()> {
        match placement {
            Some(Placement {
                receiver_core,
                load_core,
            }) => writeln!(
                out,
                "server on core {receiver_core}; load on core {load_core}"
            )?,
            None => writeln!(
                out,
                "one core: server and load share it, nothing is pinned, rates say little"
            )?,
        }
        let tls = if self.plaintext {
            "plaintext"
        } else {
            "mutual TLS"
        };
        writeln!(
            out,
            "in over gRPC ({tls}), out over {out_over}; {} streams over {} connections; batches of \
             {}; logs of {} bytes, of {} apps",
            self.streams, self.connections, self.batch, self.bytes, self.apps
        )
    }

    /// A rate that was asked for, or what is left of it in a smoke run.
    pub fn rate(&self, rate: u64) -> u64 {
        if self.smoke {
            rate.min(SMOKE_RATE)
        } else {
            rate
        }
    }

    /// By turns, so that what changes on the machine meanwhile changes all of them.
    ///
    /// # Errors
    /// [`FlowError`]; in particular if an envelope is neither delivered nor counted as lost.
    pub fn fill<M: Measured>(
        &self,
        setting: &Setting,
        works: &mut [Results<M>],
        batch: usize,
    ) -> Result<(), FlowError> {
        for _ in 0..if self.smoke { 1 } else { self.runs } {
            for results in &mut *works {
                results.add(setting.run(results.case, results.pace, batch)?);
            }
        }
        Ok(())
    }
}

/// Those of the cases that are asked for, each at its paces; all if nothing is asked for.
pub fn works<M: Measured>(
    cases: &[M],
    only: &[M],
    paces: impl Fn(M) -> Vec<Pace>,
) -> Vec<Results<M>> {
    let is_asked = |case: &&M| only.is_empty() || only.contains(case);
    let results = |case: &M| {
        let case = *case;
        let at_pace = move |pace| Results::new(case, pace);
        paces(case).into_iter().map(at_pace)
    };
    cases.iter().filter(is_asked).flat_map(results).collect()
}
