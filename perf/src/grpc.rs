//! gRPC in and out: what the server costs beside a bare service in the same run, what it loses, and
//! how long an envelope is under way.

pub mod case;
pub mod reading;

use crate::flow::error::{FlowError, machine};
use crate::flow::measured::Pace;
use crate::flow::options::{Options, works};
use crate::flow::results::{Results, table};
use crate::receiver::Placement;
use case::Case;
use clap::Args;
use std::io::{self, Write};

/// Measures gRPC in and out beside a bare service that only passes batches on.
#[derive(Clone, Debug, Args)]
pub struct GrpcBench {
    /// How long, how often and with what
    #[command(flatten)]
    pub options: Options,
    /// Only these; all if not said
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Case>,
    /// Envelopes a second, beside as many as possible
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// Latency: envelopes a second
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    latency_rate: u64,
    /// Latency: envelopes of a batch
    #[arg(long, default_value_t = 10)]
    latency_batch: usize,
}

impl GrpcBench {
    /// Runs everything, by turns, and prints what came of it. Gives the results for the record.
    ///
    /// # Errors
    /// [`FlowError`]; in particular if an envelope is neither delivered nor counted as lost.
    pub fn measure(
        &self,
        placement: Option<Placement>,
        out: &mut impl Write,
    ) -> Result<Vec<Results<Case>>, FlowError> {
        let Self { options, only, .. } = self;
        let certificates = options.certificates()?;
        let setting = options.setting(placement, certificates.as_ref());
        let say = machine("standard output");
        options
            .introduce(placement, "gRPC likewise", out)
            .map_err(&say)?;
        let rate = Pace::Rate(options.rate(self.rate));
        let mut costs = works(&Case::COSTS, only, |_| vec![rate, Pace::Max]);
        options.fill(&setting, &mut costs, options.batch)?;
        if !costs.is_empty() {
            writeln!(out, "{}", table(&costs)).map_err(&say)?;
        }
        let timed = Pace::Timed(options.rate(self.latency_rate));
        let mut latencies = works(&[Case::Latency], only, |_| vec![timed]);
        options.fill(&setting, &mut latencies, self.latency_batch)?;
        for results in &latencies {
            self.show_latency(results, out).map_err(&say)?;
        }
        costs.append(&mut latencies);
        Ok(costs)
    }

    fn show_latency(&self, results: &Results<Case>, out: &mut impl Write) -> io::Result<()> {
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
