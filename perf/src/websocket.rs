//! gRPC in and WebSocket out: what an envelope costs the Traffic Controller's streams beside a bare
//! server in the same run, and what is lost.

pub mod case;
pub mod frames;
pub mod reading;

use crate::flow::error::{FlowError, machine};
use crate::flow::measured::Pace;
use crate::flow::options::{Options, works};
use crate::flow::process::raise_descriptors;
use crate::flow::results::{Results, table};
use crate::flow::trial::Setting;
use crate::receiver::Placement;
use case::Case;
use clap::Args;
use std::io::Write;

/// Measures gRPC in and WebSocket out beside a bare server that only writes ready frames.
#[derive(Clone, Debug, Args)]
pub struct WebsocketBench {
    /// How long, how often and with what
    #[command(flatten)]
    pub options: Options,
    /// Only these; all if not said
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Case>,
    /// Envelopes a second, beside as many as possible
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// Without the store of recent logs, which takes in every envelope whoever reads
    #[arg(long)]
    without_recent: bool,
}

impl WebsocketBench {
    /// Runs everything, by turns, and prints what came of it. Gives the results for the record.
    ///
    /// # Errors
    /// [`FlowError`]; in particular if an envelope is neither delivered nor counted as lost.
    pub fn measure(
        &self,
        placement: Option<Placement>,
        out: &mut impl Write,
    ) -> Result<Vec<Results<Case>>, FlowError> {
        raise_descriptors()?;
        let Self { options, only, .. } = self;
        let certificates = options.certificates()?;
        let setting = Setting {
            without_recent: self.without_recent,
            ..options.setting(placement, certificates.as_ref())
        };
        let say = machine("standard output");
        let out_over = match self.without_recent {
            true => "WebSocket (plain TCP, no store of recent logs)",
            false => "WebSocket (plain TCP, with the store of recent logs)",
        };
        options.introduce(placement, out_over, out).map_err(&say)?;
        let paces = [Pace::Rate(options.rate(self.rate)), Pace::Max];
        let mut costs = works(&Case::ALL, only, |_| paces.to_vec());
        options.fill(&setting, &mut costs, options.batch)?;
        writeln!(out, "{}", table(&costs)).map_err(&say)?;
        Ok(costs)
    }
}
