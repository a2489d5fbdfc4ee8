//! `hydrant-icount`: instructions per envelope, counted by valgrind's callgrind.

use clap::{Args, Parser, Subcommand};
use hydrant_perf::icount::{self, Case, ENVELOPES, Stretch};
use hydrant_perf::samples::Sample;
use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, process};

/// Counts the instructions that the engine takes for an envelope, case by case.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Line {
    #[command(subcommand)]
    command: Option<Part>,
    #[command(flatten)]
    count: Count,
}

#[derive(Subcommand)]
enum Part {
    /// Walks one case; this is what valgrind runs
    #[command(hide = true)]
    Walk {
        #[arg(value_parser = sample)]
        sample: Sample,
        #[arg(value_enum)]
        stretch: Stretch,
        envelopes: usize,
    },
}

#[derive(Args)]
struct Count {
    /// Only these steps; all if not said
    #[arg(long, value_enum, value_delimiter = ',')]
    stretch: Vec<Stretch>,
    /// Only these envelopes (v2-log, v1-log, v2-gauge, v1-http); all if not said
    #[arg(long, value_parser = sample, value_delimiter = ',')]
    sample: Vec<Sample>,
    /// Keeps callgrind's profiles in this folder, for callgrind_annotate
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// Fails without valgrind, instead of skipping aloud
    #[arg(long)]
    required: bool,
}

fn sample(name: &str) -> Result<Sample, String> {
    let named = |sample: &Sample| sample.name() == name;
    Sample::ALL
        .into_iter()
        .find(named)
        .ok_or_else(|| format!("one of {}", Sample::ALL.map(Sample::name).join(", ")))
}

fn main() -> ExitCode {
    let line = Line::parse();
    let outcome = match line.command {
        Some(Part::Walk {
            sample,
            stretch,
            envelopes,
        }) => walk(Case { sample, stretch }, envelopes),
        None => line.count.run(),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            writeln!(io::stderr(), "hydrant-icount: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn walk(case: Case, envelopes: usize) -> Result<bool, Box<dyn Error>> {
    let read = icount::walk(case, envelopes)?;
    writeln!(io::stdout(), "{}", read.records)?;
    Ok(true)
}

impl Count {
    /// Whether every promise is kept.
    fn run(&self) -> Result<bool, Box<dyn Error>> {
        let mut out = io::stdout();
        let Some(valgrind) = icount::find() else {
            writeln!(
                out,
                "hydrant-icount: SKIPPED, nothing was counted: valgrind is not installed \
                 (Debian and Ubuntu: apt-get install valgrind)"
            )?;
            return Ok(!self.required);
        };
        let mut is_kept = true;
        for case in Case::all().filter(|case| self.wants(*case)) {
            let instructions = self.count(&valgrind, case)?;
            let verdict = match case.limit() {
                None => String::new(),
                Some(limit) if instructions <= limit => format!("  (limit {limit:.0}: kept)"),
                Some(limit) => {
                    is_kept = false;
                    format!("  (limit {limit:.0}: BROKEN)")
                }
            };
            writeln!(
                out,
                "{:<8} {:<4} {instructions:>7.1} instructions an envelope: {}{verdict}",
                case.sample.name(),
                case.stretch.name(),
                case.stretch.about(),
            )?;
        }
        Ok(is_kept)
    }

    fn wants(&self, case: Case) -> bool {
        (self.stretch.is_empty() || self.stretch.contains(&case.stretch))
            && (self.sample.is_empty() || self.sample.contains(&case.sample))
    }

    fn count(&self, valgrind: &Path, case: Case) -> Result<f64, Box<dyn Error>> {
        let (folder, prefix) = match &self.keep {
            Some(folder) => (folder.clone(), "callgrind.out".to_owned()),
            None => (env::temp_dir(), format!("hydrant-icount-{}", process::id())),
        };
        let stretch = case.stretch.name();
        let profile = folder.join(format!("{prefix}.{}-{stretch}", case.sample.name()));
        let instructions = icount::count(valgrind, case, ENVELOPES, &profile);
        if self.keep.is_none() {
            fs::remove_file(&profile).ok(); // If there is none, the count has failed and says so.
        }
        Ok(instructions?)
    }
}
