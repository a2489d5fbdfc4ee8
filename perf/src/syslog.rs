//! gRPC in and syslog out: what a line costs beside a bare server in the same run, to one drain and
//! to thousands, and what healthy drains lose where others are dead.

pub mod case;
pub mod lines;
pub mod receiving;
mod summary;

use crate::flow::error::{FlowError, machine};
use crate::flow::measured::{Measured, Pace};
use crate::flow::options::{Options, works};
use crate::flow::process::raise_descriptors;
use crate::flow::results::{Results, table};
use crate::receiver::Placement;
use case::Case;
use clap::Args;
use std::io::Write;

/// Descriptors that a process has beside those of its drains, at most.
const OTHER_DESCRIPTORS: u64 = 200;

/// Measures gRPC in and syslog out beside a bare server that only writes ready lines.
#[derive(Clone, Debug, Args)]
pub struct SyslogBench {
    /// How long, how often and with what
    #[command(flatten)]
    pub options: Options,
    /// Only these; all if not said
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Case>,
    /// One drain: envelopes a second, beside as many as possible
    #[arg(long, value_delimiter = ',', default_values_t = [500_000, 1_000_000])]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    rate: Vec<u64>,
    /// Apps' drains: envelopes a second
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u64).range(1..))]
    app_rate: u64,
}

impl SyslogBench {
    /// Runs everything, by turns, and prints what came of it. Gives the results for the record.
    ///
    /// # Errors
    /// [`FlowError`]; in particular if an envelope is neither delivered nor counted as lost.
    pub fn measure(
        &self,
        placement: Option<Placement>,
        out: &mut impl Write,
    ) -> Result<Vec<Results<Case>>, FlowError> {
        let descriptors = raise_descriptors()?;
        let Self { options, only, .. } = self;
        let certificates = options.certificates()?;
        let setting = options.setting(placement, certificates.as_ref());
        let say = machine("standard output");
        let out_over = "syslog (plain TCP, RFC 5424, tags on)";
        options.introduce(placement, out_over, out).map_err(&say)?;
        let (cases, left_out) = fitting(descriptors);
        for case in left_out {
            let name = case.name();
            writeln!(
                out,
                "{name}: SKIPPED, a process may have {descriptors} descriptors"
            )
            .map_err(&say)?;
        }
        let mut costs = works(&cases, only, |case| self.paces(case));
        options.fill(&setting, &mut costs, options.batch)?;
        if !costs.is_empty() {
            writeln!(out, "{}\n\n{}", table(&costs), summary::summary(&costs)).map_err(&say)?;
        }
        Ok(costs)
    }

    fn paces(&self, case: Case) -> Vec<Pace> {
        if case.drains().0 > 0 {
            return vec![Pace::Rate(self.options.rate(self.app_rate))];
        }
        let rates = self.rate.iter().map(|rate| self.options.rate(*rate));
        let mut paces: Vec<_> = rates.map(Pace::Rate).chain([Pace::Max]).collect();
        paces.dedup(); // A smoke run's rates are all the same.
        paces
    }
}

/// The cases whose drains a process may have descriptors for, and the others.
fn fitting(descriptors: u64) -> (Vec<Case>, Vec<Case>) {
    let fits = |case: &Case| case.drains().0 as u64 + OTHER_DESCRIPTORS <= descriptors;
    Case::ALL.into_iter().partition(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_that_need_more_descriptors_than_there_are_are_left_out() {
        assert_eq!(fitting(20_000).1, []);
        let (cases, left_out) = fitting(4096);
        assert_eq!((cases.len(), left_out.len()), (5, 3));
        assert_eq!(fitting(1024).0, [Case::Bare, Case::Aggregate]);
    }
}
