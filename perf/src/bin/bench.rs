//! `hydrant-bench`: the engine beside the bare kernel's ceiling, in one run and one table.

use clap::{Args, Parser, Subcommand};
use hydrant_engine::config::available_cores;
use hydrant_perf::comparison::Work;
use hydrant_perf::flow::measured::Measured;
use hydrant_perf::flow::results::Results as FlowResults;
use hydrant_perf::flow::server::{self, ServeConfig};
use hydrant_perf::grpc::GrpcBench;
use hydrant_perf::load::{self, LoadConfig};
use hydrant_perf::logcache::LogCacheBench;
use hydrant_perf::receiver::Placement;
use hydrant_perf::report::{Results, table};
use hydrant_perf::scenario::Scenario;
use hydrant_perf::syslog::SyslogBench;
use hydrant_perf::websocket::WebsocketBench;
use std::error::Error;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// As the server has it: what frontends allocate is part of what they cost.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A smoke run does this part of the work.
const SMOKE_PART: u64 = 40;

/// Measures the engine against a bare receive loop with the same sockets and buffers, by turns.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Line {
    #[command(subcommand)]
    command: Option<Part>,
    #[command(flatten)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Part {
    /// The load of a run, in a process of its own
    #[command(hide = true)]
    Load(LoadConfig),
    /// gRPC in and out, beside a bare service that only passes batches on
    Grpc(GrpcBench),
    /// gRPC in and WebSocket out, beside a bare server that only writes ready frames
    Websocket(WebsocketBench),
    /// gRPC in and syslog out, beside a bare server that only writes ready lines
    Syslog(SyslogBench),
    /// A node of Log Cache that is written to and read from at a time
    Logcache(LogCacheBench),
    /// A server of a run, in a process of its own
    #[command(hide = true)]
    Serve(ServeConfig),
}

#[derive(Args)]
struct Bench {
    /// Runs of each side
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// One short run of each: does it work at all?
    #[arg(long)]
    smoke: bool,
    /// Only these; all if not said
    #[arg(long, value_enum, value_delimiter = ',')]
    scenario: Vec<Scenario>,
    /// Bytes of an envelope (v2 logs with six tags)
    #[arg(long, value_delimiter = ',', default_value = "200")]
    bytes: Vec<usize>,
    /// Sources that the envelopes are of
    #[arg(long, default_value_t = 100)]
    apps: usize,
    /// Envelopes of a run; about a second's work if not said
    #[arg(long)]
    envelopes: Option<u64>,
    /// The core of the shard and of the ceiling; the first if not said
    #[arg(long)]
    receiver_core: Option<usize>,
    /// The core of the sender and of the lane's consumer; the second if not said
    #[arg(long)]
    load_core: Option<usize>,
    /// Appends a line of JSON for each run
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let line = Line::parse();
    let outcome = match &line.command {
        Some(Part::Load(config)) => send(config),
        Some(Part::Grpc(bench)) => grpc(bench),
        Some(Part::Websocket(bench)) => websocket(bench),
        Some(Part::Syslog(bench)) => syslog(bench),
        Some(Part::Logcache(bench)) => logcache(bench),
        Some(Part::Serve(config)) => server::run(config, io::stdin(), io::stdout()),
        None => line.bench.measure(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            writeln!(io::stderr(), "hydrant-bench: {error}").ok();
            ExitCode::FAILURE
        }
    }
}

fn send(config: &LoadConfig) -> Result<(), Box<dyn Error>> {
    let report = load::run(config)?;
    writeln!(io::stdout(), "{report}")?;
    Ok(())
}

fn grpc(bench: &GrpcBench) -> Result<(), Box<dyn Error>> {
    let all = bench.measure(two_cores(), &mut io::stdout())?;
    record(bench.options.json.as_deref(), &all)
}

fn websocket(bench: &WebsocketBench) -> Result<(), Box<dyn Error>> {
    let all = bench.measure(two_cores(), &mut io::stdout())?;
    record(bench.options.json.as_deref(), &all)
}

fn syslog(bench: &SyslogBench) -> Result<(), Box<dyn Error>> {
    let all = bench.measure(two_cores(), &mut io::stdout())?;
    record(bench.options.json.as_deref(), &all)
}

fn logcache(bench: &LogCacheBench) -> Result<(), Box<dyn Error>> {
    let results = bench.measure(two_cores(), &mut io::stdout())?;
    let now = unix_seconds();
    let lines: Vec<_> = results.iter().map(|run| run.json_line(now)).collect();
    let file = bench.json.as_deref();
    Ok(file.map_or(Ok(()), |file| append(file, &lines))?)
}

/// The first for the server, the second for the load, or nothing if there is one only.
fn two_cores() -> Option<Placement> {
    match available_cores()[..] {
        [receiver_core, load_core, ..] => Some(Placement {
            receiver_core,
            load_core,
        }),
        _ => None,
    }
}

fn record<M: Measured>(file: Option<&Path>, all: &[FlowResults<M>]) -> Result<(), Box<dyn Error>> {
    let now = unix_seconds();
    let lines: Vec<_> = all
        .iter()
        .flat_map(|results| results.json_lines(now))
        .collect();
    Ok(file.map_or(Ok(()), |file| append(file, &lines))?)
}

impl Bench {
    fn measure(&self) -> Result<(), Box<dyn Error>> {
        let mut out = io::stdout();
        let Some(placement) = self.placement() else {
            writeln!(
                out,
                "hydrant-bench: SKIPPED, nothing was measured: this process has one core, and the \
                 receiver needs one to itself"
            )?;
            return Ok(());
        };
        let Placement {
            receiver_core,
            load_core,
        } = placement;
        writeln!(
            out,
            "receiver on core {receiver_core}; sender and consumer on core {load_core}"
        )?;
        let mut all = Vec::new();
        for work in self.works(placement) {
            let mut results = Results::new(work);
            work.compare(self.run_count(), &mut |run| results.add(run))?;
            if let Some(file) = &self.json {
                append(file, &results.json_lines(unix_seconds()))?;
            }
            all.push(results);
        }
        writeln!(out, "{}", table(&all))?;
        Ok(())
    }

    /// Two cores, or nothing if there is one only.
    fn placement(&self) -> Option<Placement> {
        let cores = available_cores();
        let free = |taken: usize| cores.iter().copied().find(|core| *core != taken);
        let receiver_core = match (self.receiver_core, self.load_core) {
            (Some(core), _) => core,
            (None, Some(taken)) => free(taken)?,
            (None, None) => *cores.first()?,
        };
        Some(Placement {
            receiver_core,
            load_core: self.load_core.or_else(|| free(receiver_core))?,
        })
    }

    fn run_count(&self) -> usize {
        if self.smoke { 1 } else { self.runs.max(1) }
    }

    fn works(&self, placement: Placement) -> Vec<Work> {
        let scenarios = match &self.scenario[..] {
            [] => &Scenario::ALL[..],
            named => named,
        };
        let work = |scenario: Scenario, bytes| Work {
            scenario,
            bytes,
            envelopes: self.work_of(scenario),
            apps: self.apps,
            placement,
        };
        let each_size = |scenario| self.bytes.iter().map(move |bytes| work(scenario, *bytes));
        scenarios.iter().copied().flat_map(each_size).collect()
    }

    fn work_of(&self, scenario: Scenario) -> u64 {
        let envelopes = self.envelopes.unwrap_or_else(|| scenario.work());
        if self.smoke {
            envelopes.div_ceil(SMOKE_PART)
        } else {
            envelopes
        }
    }
}

fn append(file: &Path, lines: &[String]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).open(file)?;
    lines.iter().try_for_each(|line| writeln!(file, "{line}"))
}

fn unix_seconds() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    since_epoch.unwrap_or(Duration::ZERO).as_secs()
}
