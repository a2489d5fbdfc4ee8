//! A node of Log Cache that is written to and read from at a time: what an envelope costs to keep, in
//! time and in memory, and how long readers wait meanwhile.

mod asking;
mod batches;
mod call;
mod outcome;
mod sending;
mod series;
mod trial;

pub use outcome::Outcome;

use crate::flow::certificates::Certificates;
use crate::flow::error::{FlowError, machine};
use crate::mixes::Mix;
use crate::receiver::Placement;
use batches::Batches;
use clap::Args;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use trial::Setting;

/// No run is watched for longer than this.
const SECONDS_MAX: u64 = 600;
/// After the node is full and before it is watched.
const WARM_UP: Duration = Duration::from_secs(2);
const SMOKE_WINDOW: Duration = Duration::from_millis(500);
const SMOKE_SOURCES: usize = 50;
const SMOKE_MEMORY_MIB: u64 = 16;
const SMOKE_ENVELOPES: usize = 5_000;

/// Measures a node of Log Cache that is written to and read from at a time.
#[derive(Clone, Debug, Args)]
pub struct LogCacheBench {
    /// Runs of each mix and rate
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=1000))]
    runs: u16,
    /// One short run of each: does it work, and do the accounts balance?
    #[arg(long)]
    smoke: bool,
    /// How long a run is watched, after a warm-up of three seconds
    #[arg(long, default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    seconds: u64,
    /// What the envelopes are; all if not said
    #[arg(long, value_enum, value_delimiter = ',')]
    mix: Vec<Mix>,
    /// Envelopes a second, beside as many as possible
    #[arg(long, value_delimiter = ',', default_values_t = [100_000])]
    rate: Vec<u64>,
    /// Sources that the envelopes are of
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    sources: u32,
    /// Envelopes that are made ready, and sent round and round with new timestamps
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(1000..=10_000_000))]
    envelopes: u32,
    /// Envelopes of a call
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=5000))]
    batch: u16,
    /// Calls that are under way at a time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=1000))]
    senders: u16,
    /// Connections that they share
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1000))]
    connections: u16,
    /// Reads a second
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    reads: u16,
    /// MiB that the node may keep; it is filled before it is watched
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..))]
    memory_mib: u64,
    /// gRPC without TLS
    #[arg(long)]
    plaintext: bool,
    /// Appends a line of JSON for each run
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

impl LogCacheBench {
    /// Runs everything, by turns, and prints what came of it. Gives the outcomes for the record.
    ///
    /// # Errors
    /// [`FlowError`]; in particular if an envelope is neither kept nor counted as lost.
    pub fn measure(
        &self,
        placement: Option<Placement>,
        out: &mut impl Write,
    ) -> Result<Vec<Outcome>, FlowError> {
        let say = machine("standard output");
        let made = (!self.plaintext).then(Certificates::new).transpose();
        let certificates = made.map_err(machine("certificates"))?;
        let setting = self.setting(placement, certificates.as_ref());
        writeln!(out, "{}", self.introduction(placement)).map_err(&say)?;
        let mut outcomes = Vec::new();
        for mix in self.mixes() {
            let batches = Batches::new(mix, self.sources(), self.envelopes(), self.batch.into());
            let batches = Arc::new(batches);
            for _ in 0..if self.smoke { 1 } else { self.runs } {
                for rate in self.rates() {
                    outcomes.push(setting.run(mix, &batches, rate)?);
                }
            }
        }
        writeln!(out, "{}", outcome::table(&outcomes)).map_err(&say)?;
        Ok(outcomes)
    }

    fn setting(
        &self,
        placement: Option<Placement>,
        certificates: Option<&Certificates>,
    ) -> Setting {
        let (warm_up, window) = match self.smoke {
            true => (SMOKE_WINDOW, SMOKE_WINDOW),
            false => (WARM_UP, Duration::from_secs(self.seconds)),
        };
        Setting {
            placement,
            certificates: certificates.map(|made| made.directory().to_owned()),
            senders: self.senders.into(),
            connections: self.connections.into(),
            reads: self.reads.into(),
            memory_mib: self.memory_mib(),
            warm_up,
            window,
        }
    }

    fn introduction(&self, placement: Option<Placement>) -> String {
        let cores = match placement {
            Some(Placement {
                receiver_core,
                load_core,
            }) => format!("node on core {receiver_core}; load and readers on core {load_core}"),
            None => "one core: node and load share it, rates say little".to_owned(),
        };
        format!(
            "{cores}\nin over logcache.v1.Ingress/Send ({}), {} calls of {} over {} connections; \
             {} sources; {} reads/s; {} MiB",
            if self.plaintext {
                "plaintext"
            } else {
                "mutual TLS"
            },
            self.senders,
            self.batch,
            self.connections,
            self.sources(),
            self.reads,
            self.memory_mib(),
        )
    }

    fn mixes(&self) -> Vec<Mix> {
        match &self.mix[..] {
            [] => Mix::ALL.to_vec(),
            asked => asked.to_vec(),
        }
    }

    fn rates(&self) -> Vec<Option<u64>> {
        let rates = self.rate.iter().filter(|rate| **rate > 0);
        let few = |rate: &u64| {
            if self.smoke {
                (*rate).min(20_000)
            } else {
                *rate
            }
        };
        rates.map(|rate| Some(few(rate))).chain([None]).collect()
    }

    fn memory_mib(&self) -> u64 {
        if self.smoke {
            self.memory_mib.min(SMOKE_MEMORY_MIB)
        } else {
            self.memory_mib
        }
    }

    fn sources(&self) -> usize {
        let sources = self.sources as usize;
        if self.smoke {
            sources.min(SMOKE_SOURCES)
        } else {
            sources
        }
    }

    fn envelopes(&self) -> usize {
        let envelopes = self.envelopes as usize;
        if self.smoke {
            envelopes.min(SMOKE_ENVELOPES)
        } else {
            envelopes
        }
    }
}
