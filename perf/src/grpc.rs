//! gRPC in and out: what the server costs beside a bare service in the same run, what it loses, and
//! how long an envelope is under way. The server is a process of its own on a core of its own;
//! senders and readers share another.

pub mod balance;
pub mod bare;
pub mod batches;
pub mod case;
pub mod certificates;
pub mod counts;
pub mod error;
pub mod process;
pub mod reading;
pub mod results;
pub mod schedule;
pub mod sending;
pub mod server;
pub mod trial;

use crate::receiver::Placement;
use case::{Case, Pace};
use certificates::Certificates;
use clap::Args;
use error::{GrpcError, machine};
use results::{Results, table};
use std::io::{self, Write};
use std::time::Duration;
use trial::Setting;

/// No run is watched for longer than this.
const SECONDS_MAX: u64 = 600;
/// A smoke run is shorter, and its load smaller.
const SMOKE_WINDOW: Duration = Duration::from_millis(300);
const SMOKE_WARM_UP: Duration = Duration::from_millis(100);
const SMOKE_RATE: u64 = 50_000;

/// Measures gRPC in and out beside a bare service that only passes batches on.
#[derive(Clone, Debug, Args)]
pub struct GrpcBench {
    /// Runs of each case
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    runs: u16,
    /// One short run of each: does it work, and do the accounts balance?
    #[arg(long)]
    smoke: bool,
    /// Only these; all if not said
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Case>,
    /// How long a run is watched, after a warm-up of a second
    #[arg(long, default_value_t = 3)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    seconds: u64,
    /// Envelopes a second, beside as many as possible
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// Streams that send
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    streams: u16,
    /// Connections that they share
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1000))]
    connections: u16,
    /// Envelopes of a batch
    #[arg(long, default_value_t = 100)]
    batch: usize,
    /// Bytes of an envelope (v2 logs with six tags)
    #[arg(long, default_value_t = 250)]
    bytes: usize,
    /// Sources that the envelopes are of
    #[arg(long, default_value_t = 10_000)]
    apps: usize,
    /// Latency: envelopes a second
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    latency_rate: u64,
    /// Latency: envelopes of a batch
    #[arg(long, default_value_t = 10)]
    latency_batch: usize,
    /// Without TLS
    #[arg(long)]
    plaintext: bool,
    /// Appends a line of JSON for each run
    #[arg(long, value_name = "FILE")]
    pub json: Option<std::path::PathBuf>,
}

impl GrpcBench {
    /// Runs everything, by turns, and prints what came of it. Gives the results for the record.
    ///
    /// # Errors
    /// [`GrpcError`]; in particular if an envelope is neither delivered nor counted as lost.
    pub fn measure(
        &self,
        placement: Option<Placement>,
        out: &mut impl Write,
    ) -> Result<Vec<Results>, GrpcError> {
        let certificates = match self.plaintext {
            true => None,
            false => Some(Certificates::new().map_err(machine("certificates"))?),
        };
        let setting = self.setting(placement, certificates.as_ref());
        let say = machine("standard output");
        self.introduce(&setting, out).map_err(&say)?;
        let mut costs = self.works(&Case::COSTS);
        self.fill(&setting, &mut costs, self.batch)?;
        if !costs.is_empty() {
            writeln!(out, "{}", table(&costs)).map_err(&say)?;
        }
        let mut latencies = self.works(&[Case::Latency]);
        self.fill(&setting, &mut latencies, self.latency_batch)?;
        for results in &latencies {
            self.show_latency(results, out).map_err(&say)?;
        }
        costs.append(&mut latencies);
        Ok(costs)
    }

    fn setting(
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
            streams: self.streams.into(),
            connections: self.connections.into(),
            bytes: self.bytes,
            apps: self.apps,
            warm_up,
            window,
        }
    }

    fn introduce(&self, setting: &Setting, out: &mut impl Write) -> io::Result<()> {
        match setting.placement {
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
            "{tls}; {} streams over {} connections; batches of {}; logs of {} bytes, of {} apps",
            self.streams, self.connections, self.batch, self.bytes, self.apps
        )
    }

    /// Those of the cases that are asked for, each at its paces.
    fn works(&self, cases: &[Case]) -> Vec<Results> {
        let is_asked = |case: &&Case| self.only.is_empty() || self.only.contains(case);
        let rate = |rate: u64| {
            if self.smoke {
                rate.min(SMOKE_RATE)
            } else {
                rate
            }
        };
        let paces = |case| match case {
            Case::Latency => vec![Pace::Timed(rate(self.latency_rate))],
            _ => vec![Pace::Rate(rate(self.rate)), Pace::Max],
        };
        let results = |case: &Case| {
            let case = *case;
            let paces = paces(case).into_iter();
            paces.map(move |pace| Results::new(case, pace))
        };
        cases.iter().filter(is_asked).flat_map(results).collect()
    }

    /// By turns, so that what changes on the machine meanwhile changes all of them.
    fn fill(
        &self,
        setting: &Setting,
        works: &mut [Results],
        batch: usize,
    ) -> Result<(), GrpcError> {
        for _ in 0..if self.smoke { 1 } else { self.runs } {
            for results in &mut *works {
                results.add(setting.run(results.case, results.pace, batch)?);
            }
        }
        Ok(())
    }

    fn show_latency(&self, results: &Results, out: &mut impl Write) -> io::Result<()> {
        let rate = results.pace.rate().unwrap_or(0);
        let batch = self.latency_batch;
        let gap_us = batch as f64 * 1e6 / rate.max(1) as f64;
        writeln!(
            out,
            "\nlatency in -> out, {rate}/s in batches of {batch}, one every {gap_us:.0} us, from \
             when it was due:"
        )?;
        let mut lines = results.latency_lines().into_iter();
        lines.try_for_each(|line| writeln!(out, "  {line}"))
    }
}
