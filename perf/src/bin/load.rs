//! `hydrant-load`: sends envelopes to a loopback address.

use clap::Parser;
use hydrant_perf::load::{self, LoadConfig};
use std::io::{self, Write};
use std::process::ExitCode;

/// Sends Loggregator envelopes to a loopback address and reports what it sent.
#[derive(Parser)]
#[command(version)]
struct Line {
    #[command(flatten)]
    load: LoadConfig,
}

fn main() -> ExitCode {
    let config = Line::parse().load;
    let outcome = load::run(&config).map_err(|error| error.to_string());
    let outcome = outcome.and_then(|report| {
        let rate = report.sent as f64 / report.seconds().max(1e-9);
        writeln!(io::stdout(), "{report}\n{rate:.0} envelopes/s").map_err(|error| error.to_string())
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(io::stderr(), "hydrant-load: {error}").ok();
            ExitCode::FAILURE
        }
    }
}
